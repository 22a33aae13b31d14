"""Pronunciation lookup: words that sound exactly like a phrase of the list become the phrase."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from biasing.phone_alignment import PhoneFrames, PhoneticError, WordAlignment, span_cost
from biasing.phone_book import PhoneBook, Way, names, text_of, without_repeats
from biasing.phrases import Entry

EXACT, NEAR = "pron-exact", "pron-near"
PHONES_AN_ERROR = 5
MOST_ERRORS = 2
"""Wrong phones that the fuzzy tier forgives at most: its index grows with this power of the length."""


@dataclass(frozen=True)
class LookupOptions:
    """What may be replaced by a phrase that sounds like it.

    Attributes:
        longest: words that one phrase may replace at most.
        least_phones: phrases of fewer phones are never looked up: too much sounds like them.
        margin: nats by which a phrase must cost less than words that are all common, so that these are
            replaced only where they fit badly themselves.
        fuzzy: whether phrases that differ from what was heard by one phone in five may replace words too,
            where only one phrase of the list does.
    """

    longest: int = 3
    least_phones: int = 3
    margin: float = 2.0
    fuzzy: bool = False

    def __post_init__(self) -> None:
        if self.longest < 1 or self.least_phones < 1 or math.isnan(self.margin):
            raise PhoneticError(f"{self}: longest and least_phones are 1 or more, margin a number of nats")


@dataclass(frozen=True)
class Replacement:
    """Words that are to be replaced by a phrase, and why.

    Attributes:
        first: index of the first word.
        end: index after the last word.
        entry: place of the phrase in the list.
        text: how it is written.
        reason: "pron-exact", or "pron-near" of the fuzzy tier.
        start: first frame that was looked at.
        stop: the frame after the last one.
        phones: what the phone head heard there.
        gain: nats by which the phrase costs less than the words.
    """

    first: int
    end: int
    entry: int
    text: str
    reason: str
    start: int
    stop: int
    phones: tuple[str, ...]
    gain: float


class LookupIndex:
    """The phrases of a list by their pronunciations. Asking takes the same time however many there are."""

    def __init__(
        self, phrases: Iterable[Entry], book: PhoneBook, options: LookupOptions | None = None
    ) -> None:
        """Ask `book` for every phrase; those without a pronunciation and discouraged ones are never found."""
        self.options = options or LookupOptions()
        self.entries = tuple(phrases)
        self.texts = frozenset(map(text_of, self.entries))
        self._exact: dict[Way, list[int]] = {}
        self._near: dict[Way, list[tuple[int, Way]]] = {}
        wanted = (index for index, entry in enumerate(self.entries) if (entry.boost or 0.0) >= 0)
        for index in sorted(wanted, key=self._preference):
            for way in book.ways_of(self.entries[index]):
                if len(way) >= self.options.least_phones:
                    self._exact.setdefault(way, []).append(index)
                    for key in _shortened(way, errors_in(way)) if self.options.fuzzy else ():
                        self._near.setdefault(key, []).append((index, way))

    def exact(self, said: Way) -> int | None:
        """The phrase that is said exactly so; of several the one of the largest boost, then the first."""
        return self._exact.get(said, [None])[0]

    def near(self, said: Way) -> tuple[int, Way] | None:
        """The only phrase that differs by one phone in five at most, and its pronunciation."""
        found: dict[int, tuple[int, Way]] = {}
        for key in _shortened(said, MOST_ERRORS) if self._near else ():
            for index, way in self._near.get(key, ()):
                errors = _distance(said, way)
                if errors <= errors_in(way):
                    found[index] = min(found.get(index, (errors, way)), (errors, way))
        return next((index, way) for index, (_, way) in found.items()) if len(found) == 1 else None

    def _preference(self, index: int) -> tuple[float, int]:
        return -(self.entries[index].boost or 0.0), index


def look_up(
    alignment: WordAlignment, heard: PhoneFrames, index: LookupIndex, common: Collection[str] = frozenset()
) -> tuple[Replacement, ...]:
    """Find the words that sound like a phrase of the list, longest runs first, without overlaps.

    Words that are a phrase of the list already, alone or in a run, stay. Words that are all common stay
    unless they cost `margin` nats more than the phrase on the same frames.

    Args:
        alignment: of the best hypothesis, by `align_words`; nothing is found where there is none.
        heard: the phones of the same utterance.
        index: of the phrase list.
        common: frequent words.

    Source: section "pronunciation lookup" of Dingliwal et al. 2022, arXiv 2210.09510, for the idea.
    """
    texts = [word.text for word in alignment.words]
    taken = _listed(texts, index)
    found = []
    for count in range(min(index.options.longest, len(texts)), 0, -1):
        for first in range(len(texts) - count + 1):
            if any(taken[first : first + count]):
                continue
            one = _replacement(first, first + count, alignment, heard, index)
            guarded = all(text in common for text in texts[first : first + count])
            if one is not None and not (guarded and one.gain <= index.options.margin):
                found.append(one)
                taken[first : first + count] = [True] * count
    return tuple(sorted(found, key=lambda one: one.first))


def replaced(words: Sequence[str], replacements: Iterable[Replacement]) -> list[str]:
    """The words with phrases in the places of those they replace; a phrase is one item."""
    kept = list(words)
    for one in sorted(replacements, key=lambda one: -one.first):
        kept[one.first : one.end] = [one.text]
    return kept


def errors_in(way: Way) -> int:
    """Phones of a pronunciation that the fuzzy tier lets be wrong."""
    return min(MOST_ERRORS, len(way) // PHONES_AN_ERROR)


def _listed(texts: Sequence[str], index: LookupIndex) -> list[bool]:
    """Which words are, or are part of, a phrase of the list as they stand."""
    listed = [False] * len(texts)
    for first in range(len(texts)):
        for end in range(first + 1, min(first + index.options.longest, len(texts)) + 1):
            if " ".join(texts[first:end]) in index.texts:
                listed[first:end] = [True] * (end - first)
    return listed


def _replacement(
    first: int, end: int, alignment: WordAlignment, heard: PhoneFrames, index: LookupIndex
) -> Replacement | None:
    """What words `first` to `end` - 1 may become, whether or not they are common."""
    start, stop = alignment.cuts[first], alignment.cuts[end]
    said = without_repeats(heard.free[start:stop].tolist())
    entry, cost, reason = index.exact(said), 0.0, EXACT
    if entry is None:
        near = index.near(said)
        if near is None:
            return None
        entry, cost, reason = near[0], span_cost(near[1], heard, start, stop), NEAR
    gain = sum(word.cost for word in alignment.words[first:end]) - cost
    text = index.entries[entry].display
    return Replacement(first, end, entry, text, reason, start, stop, names(said), gain)


def _shortened(way: Way, errors: int) -> set[Way]:
    """The phones with up to `errors` of them left out: two ways that share one of these may be near."""
    return {
        tuple(itertools.compress(way, (place not in out for place in range(len(way)))))
        for count in range(errors + 1)
        for out in itertools.combinations(range(len(way)), count)
    }


def _distance(one: Way, other: Way) -> int:
    """Fewest phones to replace, leave out or put in."""
    row = list(range(len(other) + 1))
    for i, phone in enumerate(one, start=1):
        corner, row[0] = row[0], i
        for j, second in enumerate(other, start=1):
            corner, row[j] = row[j], min(corner + (phone != second), row[j] + 1, row[j - 1] + 1)
    return row[-1]
