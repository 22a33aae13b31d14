"""How words and phrases are said, as classes of the phone head: asked once, then remembered."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from biasing.phone_set import PHONES
from biasing.phrases import Entry

BLANK = 0
CLASSES = len(PHONES) + 1
"""Classes of the phone head: the CTC blank, then the phones in order."""

Way = tuple[int, ...]
"""One pronunciation as classes of the phone head, never empty and without blanks."""

REMEMBERED_WORDS = 1 << 16
MOST_WAYS_OF_A_TEXT = 16
_CLASS = {phone: number for number, phone in enumerate(PHONES, start=1)}


class Spoken(Protocol):
    """One pronunciation of a word."""

    @property
    def phones(self) -> Sequence[str]:
        """ARPAbet phones without stress."""

    @property
    def probability(self) -> float:
        """How probable this way is among those of the word."""


class Pronouncer(Protocol):
    """What knows how a word is said."""

    def pronounce(self, word: str, count: int) -> Sequence[Spoken]:
        """Return the `count` most probable ways to say `word`, or fewer, best first.

        Raises:
            ValueError: it cannot be said.
        """


class WordWays:
    """The pronunciations of words, each asked for once; one serves many lists and threads."""

    def __init__(self, pronouncer: Pronouncer, ways_a_word: int = 3) -> None:
        """Ask `pronouncer` for `ways_a_word` pronunciations of each word."""
        self._pronouncer = pronouncer
        self._ways_a_word = ways_a_word
        self.ask = lru_cache(REMEMBERED_WORDS)(self._ask)
        self.of_phrase = lru_cache(REMEMBERED_WORDS)(self._of_phrase)

    def _ask(self, word: str) -> tuple[tuple[float, Way], ...]:
        try:
            spoken = self._pronouncer.pronounce(word, self._ways_a_word)
        except ValueError:  # a lone apostrophe, say: the alignment names the word that has no pronunciation
            return ()
        return tuple(
            (math.log(max(one.probability, 1e-9)), classes(one.phones)) for one in spoken if one.phones
        )

    def combined(self, text: str) -> tuple[Way, ...]:
        """The `MOST_WAYS_OF_A_TEXT` most probable ways to say words in a row."""
        choices = [self.ask(word) for word in text.split()]
        found: list[tuple[float, Way]] = [(0.0, ())]
        for ways in choices:
            longer = [(nats + more, way + rest) for nats, way in found for more, rest in ways]
            found = sorted(longer, key=lambda one: -one[0])[:MOST_WAYS_OF_A_TEXT]
        return tuple(dict.fromkeys(way for _, way in found if way))

    def _of_phrase(self, spellings: tuple[str, ...], given: tuple[tuple[str, ...], ...]) -> tuple[Way, ...]:
        texts = [way for spelling in spellings for way in self.combined(spelling)]
        return tuple(dict.fromkeys([*texts, *map(classes, given)]))


class PhoneBook:
    """The pronunciations of words, and of the phrases of one list; may be shared by threads.

    A phrase of the list is one text even where it has several words: given as such, it may also be said the
    way its user wrote down.
    """

    def __init__(self, pronouncer: Pronouncer | WordWays, phrases: Iterable[Entry] = ()) -> None:
        """Prepare for one phrase list; `WordWays` remember what the words of earlier ones sound like."""
        words = pronouncer if isinstance(pronouncer, WordWays) else WordWays(pronouncer)
        self._words = words
        self._listed = {text_of(entry): entry for entry in phrases}
        self._known = lru_cache(REMEMBERED_WORDS)(self._collect)

    def ways(self, text: str) -> tuple[Way, ...]:
        """Every way to say a word, or several words separated by spaces, the most probable first.

        A phrase of the list has its own ways first, then those of what it sounds like. Of the combinations
        that several words allow, the `MOST_WAYS_OF_A_TEXT` most probable ones. Empty where a word has none.
        """
        return self._known(text)

    def ways_of(self, entry: Entry) -> tuple[Way, ...]:
        """Every way to say a phrase that need not be of the list; see `ways`."""
        return self._words.of_phrase(entry.spellings, entry.pronunciations)

    def _collect(self, text: str) -> tuple[Way, ...]:
        entry = self._listed.get(text)
        return self.ways_of(entry) if entry is not None else self._words.combined(text)


def text_of(entry: Entry) -> str:
    """The words of a phrase as hypotheses have them; its written form where it is given by phones alone."""
    return entry.spellings[0] if entry.spellings else entry.display


def classes(phones: Iterable[str]) -> Way:
    """Classes of the phone head of ARPAbet phones without stress."""
    return tuple(_CLASS[phone] for phone in phones)


def names(way: Iterable[int]) -> tuple[str, ...]:
    """The phones of a pronunciation: the inverse of `classes`."""
    return tuple(PHONES[number - 1] for number in way)


def without_repeats(path: Iterable[int]) -> Way:
    """What a CTC path says: repeats joined, then blanks dropped."""
    return tuple(number for number, _ in itertools.groupby(path) if number != BLANK)
