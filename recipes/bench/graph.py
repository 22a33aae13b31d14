"""Time the phrase graph on one core: building it, its memory, and a step in Python and compiled.

    python -m recipes.bench.graph --tokenizer FILE.model [--phrases FILE] [--counts 1000 20000 ...]

--phrases is a text, plain or packed (.gz, .xz), one phrase a line; by default the rare words of the data
folder (../shared/data). Times are of the processor (the best of three), so that other programs do not count.
"""

from __future__ import annotations

import argparse
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.compiled import compiled, compiled_part
from asr.tokenizer import Tokenizer
from biasing import automaton
from biasing.graph import ContextGraph, Spelled, build_graph, graph_of
from biasing.phrases import PhraseList, make_phrases
from lm.text import open_text

REPEATS = 3
STEPS = 20_000
COMPILED_ROUNDS = 50
COLUMNS = (
    "phrases",
    "nodes",
    "read, ms",
    "encode and build, ms",
    "build alone, ms",
    "built a second",
    "graph, MB",
    "peak while building, MB",
    "step in Python, µs",
    "compiled step, ns",
)

_step: Any = compiled_part(automaton.step)


@compiled
def compiled_walk(graph: Any, tokens: Any, rounds: int) -> float:
    """Walk over `tokens` many times; returns what was locked, so that the work is not optimised away."""
    total = 0.0
    for _ in range(rounds):
        node, pending = 0, 0.0
        for token in tokens:
            node, pending, locked = _step(graph, node, pending, token, 1.0)
            total += locked
    return total


def best_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of the fastest of some runs."""
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def peak_megabytes(work: Callable[[], object]) -> float:
    """The most memory that `work` holds at once, beyond what was held before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def some_speech(phrases: PhraseList, tokenizer: Tokenizer) -> list[int]:
    """Tokens in which whole phrases, and beginnings of phrases, follow each other."""
    rng, tokens = random.Random(1), list[int]()
    while len(tokens) < STEPS:
        phrase = tokenizer.encode(rng.choice(phrases.entries).spellings[0])
        tokens += phrase[: rng.randint(1, len(phrase))] if rng.random() < 0.5 else phrase
    return tokens[:STEPS]


def measure(lines: Sequence[str], tokenizer: Tokenizer) -> str:
    """One row of the table: for a list of so many phrases."""

    def segment(text: str) -> list[list[int]]:
        return [tokenizer.encode(text)]

    phrases = make_phrases(lines)
    spelled = [Spelled(segment(entry.spellings[0]), entry.boost) for entry in phrases]
    graph = build_graph(spelled, tokenizer.pieces)
    read = best_seconds(lambda: make_phrases(lines))
    build = best_seconds(lambda: build_graph(spelled, tokenizer.pieces))
    whole = best_seconds(lambda: graph_of(phrases, segment, tokenizer.pieces))
    peak = peak_megabytes(lambda: build_graph(spelled, tokenizer.pieces))
    python, machine = step_seconds(graph, some_speech(phrases, tokenizer))
    return (
        f"| {len(phrases)} | {len(graph.arrays.token)} | {1e3 * read:.0f} | {1e3 * whole:.0f} | "
        f"{1e3 * build:.0f} | {len(phrases) / build:.0f} | {graph.nbytes / 1e6:.1f} | "
        f"{peak:.1f} | {1e6 * python:.2f} | {1e9 * machine:.0f} |"
    )


def step_seconds(graph: ContextGraph, tokens: list[int]) -> tuple[float, float]:
    """Seconds a step: of the plain Python walk, and compiled."""
    numbers = np.array(tokens, dtype=np.int32)
    compiled_walk(graph.arrays, numbers, 1)
    python = best_seconds(lambda: graph.walk(tokens)) / len(tokens)
    machine = best_seconds(lambda: compiled_walk(graph.arrays, numbers, COMPILED_ROUNDS))
    return python, machine / len(tokens) / COMPILED_ROUNDS


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table with a row for each length of list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tokenizer", type=Path, required=True, help="SentencePiece model of a model folder")
    parser.add_argument("--phrases", type=Path, default=Path("../shared/data/biasing/all_rare_words.txt.xz"))
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 20_000, 100_000])
    options = parser.parse_args(arguments)
    tokenizer = Tokenizer(options.tokenizer)
    with open_text(options.phrases) as stream:
        lines = [line.strip() for line in stream]
    random.Random(0).shuffle(lines)
    print(f"{len(tokenizer)} pieces; times are processor time")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for count in options.counts:
        print(measure(lines[:count], tokenizer), flush=True)


if __name__ == "__main__":
    main()
