"""The words of a language model, and how probable the best one is that begins with some letters."""

from __future__ import annotations

import bisect
import gzip
import mmap
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from lm.beginnings import SortedWords, sorted_words

UNKNOWN = "<unk>"
MOST_REMEMBERED = 1 << 18  # beginnings of words, about 30 MB
_MARKS = frozenset({UNKNOWN, "<s>", "</s>"})
_BINARY_MAGIC = b"mmap lm http://kheafield.com/code"


def read_vocabulary(path: Path) -> list[str]:
    """The words of an ARPA file (gzipped or not) or KenLM binary, without marks; empty if none are stored."""
    with path.open("rb") as file:
        binary = file.read(len(_BINARY_MAGIC)) == _BINARY_MAGIC
    words = _binary_words(path) if binary else _arpa_words(path)
    return [word for word in words if word not in _MARKS]


def _binary_words(path: Path) -> Iterator[str]:
    """KenLM keeps its words, zero-terminated and `<unk>` first, behind everything else."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begin = data.rfind(UNKNOWN.encode() + b"\0")
        stored = data[begin:] if begin >= 0 else b""
    return (word.decode("utf-8", "replace") for word in stored.split(b"\0") if word)


def _arpa_words(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        inside = False
        for line in lines:
            if line.startswith("\\"):
                if inside:
                    return
                inside = line.strip() == "\\1-grams:"
            elif inside and line.strip():
                yield line.split("\t")[1].strip()


class Lookahead:
    """For the beginning of a word, the score of the best word that it may become (Ortmanns et al. 1996).

    A search that learns a word's score only at its end follows letters that lead nowhere.
    """

    def __init__(self, words: Sequence[str], scores: Sequence[float]) -> None:
        """Take the words of a model and their natural log-probabilities out of any context."""
        order = sorted(range(len(words)), key=words.__getitem__)
        self._words = [words[index] for index in order]
        self._scores = np.array([scores[index] for index in order], np.float32)
        self._known: dict[str, float] = {}

    @cached_property
    def ranked(self) -> tuple[str, ...]:
        """All words, the most probable first; equally probable ones in the order of the alphabet."""
        return tuple(self._words[index] for index in np.argsort(-self._scores, kind="stable"))

    @cached_property
    def sorted_words(self) -> SortedWords:
        """The words in order with their scores."""
        return sorted_words(self._words, self._scores)

    def __call__(self, letters: str) -> float:
        """The best score of a word that begins with `letters`; negative infinity if there is none."""
        found = self._known.get(letters)
        if found is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            low = bisect.bisect_left(self._words, letters)
            high = bisect.bisect_left(self._words, letters + "\U0010ffff", low)
            found = self._known[letters] = float(self._scores[low:high].max()) if low < high else -np.inf
        return found
