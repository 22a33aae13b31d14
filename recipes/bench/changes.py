"""Time a new list of phrases between two calls of a running recognizer: processor milliseconds.

    python -m recipes.bench.changes [MODEL] [--data ../shared/data] [--count 1000] [--rounds 5]

Lists are drawn as by `recipes.bench.lists`. What is timed is all that is made of the lines of a list before
an utterance is decoded with it; the recognizer has had one list before. The fastest round counts, each with
lines of its own, and "one new line" replaces one line of the first list.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from asr.recognizer import Recognizer
from biasing.phrases import make_phrases
from recipes.bench.lists import draw_lines


def prepare(recognizer: Recognizer, lines: Sequence[str]) -> float:
    """Make a list ready; milliseconds of the processor."""
    began = time.process_time()
    recognizer.phrase_decoder(make_phrases(lines)).prepared.complete()
    return 1e3 * (time.process_time() - began)


def main() -> None:
    """Read the arguments, then measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="base-en", help="shipped name or model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--count", type=int, default=1000, help="phrases of a list")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    recognizer = Recognizer.from_pretrained(arguments.model)
    count, rounds = arguments.count, range(arguments.rounds)
    lines = draw_lines(arguments.data / "biasing" / "all_rare_words.txt.xz", (2 * len(rounds) + 1) * count)
    first, rest = lines[:count], lines[count:]
    prepare(recognizer, first)
    changed = [prepare(recognizer, [*first[1:], rest[place]]) for place in rounds]
    new = [prepare(recognizer, rest[(place + 1) * count : (place + 2) * count]) for place in rounds]
    print(f"{arguments.model}, {count} phrases, ms: one new line {min(changed):.0f}, all new {min(new):.0f}")


if __name__ == "__main__":
    main()
