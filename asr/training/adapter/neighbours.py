"""Words that sound alike: the hard distractors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

Phones = tuple[int, ...]

COMPARED = 40
"""Words sharing most phones in a row that are compared in full."""
REMEMBERED = 1 << 15


class SoundAlikes:
    """The nearest of a set of words by edit distance of their phones; others that sound the same are none."""

    def __init__(self, words: Mapping[str, Phones]) -> None:
        """Words with one pronunciation each."""
        self._words = words
        self._holders: dict[Phones, list[str]] = defaultdict(list)
        for word, phones in words.items():
            for gram in set(_grams(phones)):
                self._holders[gram].append(word)
        self._remembered = lru_cache(REMEMBERED)(self._nearest)

    def nearest(self, word: str, count: int) -> Sequence[str]:
        """Up to `count` words, nearest first; none where the word's sound is not known."""
        return self._remembered(word)[:count] if word in self._words else ()

    def _nearest(self, word: str) -> tuple[str, ...]:
        phones = self._words[word]
        shared = Counter(other for gram in _grams(phones) for other in self._holders[gram])
        del shared[word]
        compared = [other for other, _ in shared.most_common(COMPARED)]
        distances = {other: edit_distance(phones, self._words[other]) for other in compared}
        return tuple(sorted((other for other in compared if distances[other]), key=distances.__getitem__))


def _grams(phones: Phones) -> Iterator[Phones]:
    """Pairs of neighbours, the ends being neighbours of nothing."""
    padded = (0, *phones, 0)
    return pairwise(padded)


def edit_distance(one: Sequence[int], other: Sequence[int]) -> int:
    """Insertions, deletions and substitutions that make one of the other."""
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, start=1):
        diagonal, row[0] = row[0], number
        for place, right in enumerate(other, start=1):
            best = min(diagonal + (left != right), row[place] + 1, row[place - 1] + 1)
            diagonal, row[place] = row[place], best
    return row[-1]
