"""What the beginnings of words are paid in advance, as numbers that a compiled search can read by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SortedWords:
    """Words in the order of their bytes, with a number each.

    Attributes:
        letters: of all words in UTF-8, one behind the other; writable, as all arrays of a search are.
        begins: (W + 1,) where each word begins; the next one's entry ends it.
        scores: (W,) the larger the better.
    """

    letters: NDArray[np.uint8]
    begins: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Beginnings:
    """The rule by which a model of words pays the letters of an unfinished word, where no context matters.

    `weight` times the best score of the words that begin with the letters, or `unknown` where none does, and
    `bonus`. If a member of a class begins with them too, it adds what `anywhere` exceeds the score's part by,
    the logarithm of the heaviest member's weight times `inside` added, but at most `most` times that weight,
    and no less than 0.
    """

    words: SortedWords
    weight: float
    bonus: float
    unknown: float
    members: SortedWords
    anywhere: float = 0.0
    inside: float = 0.0
    most: float = 0.0


def sorted_words(words: Sequence[str], scores: NDArray[np.float32]) -> SortedWords:
    """Take words that are sorted, which they then are by their bytes too."""
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    lengths = np.array([len(one) for one in encoded], dtype=np.int64)
    begins = np.append(np.int64(0), np.cumsum(lengths))
    return SortedWords(np.frombuffer(b"".join(encoded), np.uint8).copy(), begins, scores)


NO_WORDS = sorted_words([], np.zeros(0, np.float32))
