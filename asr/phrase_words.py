"""The words of a transcript, and the phrases that they belong to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from asr.align import TimedWord
from biasing.finder import Found
from biasing.phrases import Entry


@dataclass(frozen=True)
class PhraseWord:
    """A word of the transcript, or all words of a phrase where it is written otherwise than they are said.

    Attributes:
        word: text, times and confidence.
        phrase: display form of the phrase it belongs to; None for other words.
    """

    word: TimedWord
    phrase: str | None = None

    @property
    def text(self) -> str:
        """The word."""
        return self.word.text

    @property
    def confidence(self) -> float:
        """How sure it is, by its sound alone."""
        return self.word.confidence


@dataclass(frozen=True)
class Item:
    """A word on its way into the transcript, and the place where its phrase was found."""

    word: TimedWord
    found: Found | None = None


def marked(words: Sequence[TimedWord], found: Iterable[Found]) -> list[Item]:
    """Words with the phrases they belong to."""
    items = [Item(word) for word in words]
    for one in found:
        items[one.first : one.end] = [replace(item, found=one) for item in items[one.first : one.end]]
    return items


def confidence_of(words: Sequence[TimedWord]) -> float:
    """Of several words: the geometric mean."""
    return math.prod(word.confidence for word in words) ** (1 / len(words))


def merged(words: Sequence[TimedWord]) -> TimedWord:
    """Several words as one."""
    text = " ".join(word.text for word in words)
    first, last = words[0], words[-1]
    return TimedWord(text, first.start, last.end, confidence_of(words), first.first, last.last)


def shown(items: Sequence[Item], entries: Sequence[Entry]) -> tuple[PhraseWord, ...]:
    """The transcript with phrases as they are written."""
    words: list[PhraseWord] = []
    for _, group in groupby(items, key=lambda item: id(item.found)):
        same = list(group)
        found, said = same[0].found, [item.word for item in same]
        if found is None:
            words += [PhraseWord(word) for word in said]
            continue
        display = entries[found.entry].display
        written = display.split()
        if len(written) != len(said):
            said, written = [merged(said)], [display]
        words += [
            PhraseWord(replace(word, text=text), display) for word, text in zip(said, written, strict=True)
        ]
    return tuple(words)
