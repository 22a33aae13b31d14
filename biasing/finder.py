"""Where the phrases of a list stand in a sequence of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from biasing.phrases import Entry


class Found(NamedTuple):
    """Words `first` to `end` - 1 are a spelling of the entry."""

    entry: int
    first: int
    end: int


class PhraseFinder:
    """The phrases of a list by their words; asking takes the same time however many there are."""

    def __init__(self, phrases: Iterable[Entry]) -> None:
        """Index every spelling; one of several phrases belongs to the first whose own words it is."""
        self._entries: dict[tuple[str, ...], int] = {}
        spelled = [(number, entry.spellings) for number, entry in enumerate(phrases)]
        for number, spellings in spelled:
            for words in spellings[:1]:
                self._entries.setdefault(tuple(words.split()), number)
        for number, spellings in spelled:
            for words in spellings[1:]:
                self._entries.setdefault(tuple(words.split()), number)
        self._longest = max(map(len, self._entries), default=0)

    def find(self, words: Sequence[str]) -> list[Found]:
        """Phrases in the words from left to right, the longest one at each place, without overlaps."""
        found, place = [], 0
        while place < len(words):
            one = self._at(words, place)
            if one is not None:
                found.append(one)
            place = one.end if one is not None else place + 1
        return found

    def _at(self, words: Sequence[str], place: int) -> Found | None:
        for end in range(min(place + self._longest, len(words)), place, -1):
            entry = self._entries.get(tuple(words[place:end]))
            if entry is not None:
                return Found(entry, place, end)
        return None
