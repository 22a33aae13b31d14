"""What each technique is worth, ours and those of others, on the evaluation sets.

python -m recipes.entities tune [MODEL]          weights of the other projects' techniques, on dev
python -m recipes.entities run [MODEL]           the comparison; --out DIR for full reports
python -m recipes.entities tables FILE...        the tables of Markdown files, from the kept results
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from asr.evaluation.techniques import TECHNIQUES
from recipes.entities import peers
from recipes.entities.ablation import RESULTS, SETS, Bench, run, tune
from recipes.entities.tables import fill


def main() -> None:
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("tune", "run", "tables"))
    parser.add_argument("names", nargs="*", help="a shipped model or its folder; for tables, Markdown files")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--sets", nargs="+", default=SETS, help="manifests in speech/, without .jsonl")
    parser.add_argument(
        "--techniques", nargs="+", default=[*TECHNIQUES, *peers.NAMES], help="what is compared"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), help="log-probs and texts of earlier runs"
    )
    parser.add_argument("--out", type=Path, help="folder for a full report of each set")
    arguments = parser.parse_args()
    if arguments.what == "tables":
        for name in arguments.names or [str(RESULTS.parent / "README.md")]:
            print(f"{name}: {fill(Path(name), RESULTS)} tables")
        return
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data}: no such data folder; give --data FOLDER")
    bench = Bench(arguments.data, (arguments.names or ["base-en"])[0], arguments.cache, arguments.out)
    if arguments.what == "tune":
        tune(bench, [name for name in arguments.techniques if name in peers.NAMES])
        return
    command = shlex.join(["python", "-m", "recipes.entities", *sys.argv[1:]])
    for name in arguments.sets:
        run(bench, name, arguments.techniques, command)


if __name__ == "__main__":
    main()
