"""What each technique is worth, ours and those of others, on the evaluation sets.

python -m recipes.entities tune [MODEL...]       weights of the other projects' techniques, on dev
python -m recipes.entities run [MODEL...]        the comparison; --out DIR for full reports
python -m recipes.entities tables [FILE...]      figures, and the tables of Markdown files, from kept results

A run that was killed goes on where it stopped when it is started again.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from recipes.entities import peers
from recipes.entities.ablation import CLEAN, NOISY, RESULTS, SIZES, Bench, run, tune
from recipes.entities.figures import draw
from recipes.entities.tables import fill

ROOT = Path(__file__).parents[2]
PAGES = [str(ROOT / "README.md"), str(ROOT / "recipes" / "README.md"), str(RESULTS.parent / "README.md")]


PLACES = ("--data", "--cache", "--out")
"""Options that say where things lie on one machine; they change no number and are not kept with it."""


def without_places(given: Sequence[str]) -> list[str]:
    """The arguments that another machine repeats: without `PLACES`, models by their folders' names."""
    kept: list[str] = []
    skipped = False
    for one in given:
        named = one.partition("=")[0] in PLACES
        if not (named or skipped):
            kept.append(Path(one).name if "/" in one else one)
        skipped = named and "=" not in one
    return kept


def main() -> None:
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("tune", "run", "tables"))
    parser.add_argument(
        "names", nargs="*", help="shipped models or their folders; for tables, Markdown files"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument(
        "--sets", nargs="+", default=[*CLEAN, *NOISY], help="manifests in speech/; SET-10dB is SET in noise"
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="distractors in drawn lists")
    parser.add_argument(
        "--techniques", nargs="+", help="what is compared: all that the model has, and others that are tuned"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), help="log-probs and texts of earlier runs"
    )
    parser.add_argument("--out", type=Path, help="folder for a full report of each set")
    arguments = parser.parse_args()
    if arguments.what == "tables":
        for name in arguments.names or PAGES:
            print(f"{name}: {fill(Path(name), RESULTS)} tables")
        print(f"{RESULTS}: {draw(RESULTS)} figures")
        return
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data}: no such data folder; give --data FOLDER")
    command = shlex.join(["python", "-m", "recipes.entities", *without_places(sys.argv[1:])])
    benches = [
        Bench(arguments.data, model, arguments.cache, arguments.out)
        for model in arguments.names or ["base-en"]
    ]
    if arguments.what == "tune":
        for bench in benches:
            tune(bench, [name for name in arguments.techniques or peers.NAMES if name in peers.NAMES])
        return
    for name, bench in product(arguments.sets, benches):
        run(bench, name, arguments.techniques, command, arguments.sizes)


if __name__ == "__main__":
    main()
