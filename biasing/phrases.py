"""The phrases a user expects to hear: from a file or a list to entries that can be searched for."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path

from biasing.normalise import SpellingError, phones_of, printable, spoken_form

_COLUMNS = 4
_QUOTES = "'\"‘’“”„«»"
_MOST_SHOWN = 200
_LINES_REMEMBERED = 1 << 16
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks that turn the direction of all text after them."""
_COLON = re.compile(r"(.*\S)\s+:(\S*)\s*")


class PhraseError(ValueError):
    """Phrases that cannot be read at all; single lines that cannot be used are reported as `Unusable`."""


@dataclass(frozen=True)
class Phrase:
    """One phrase as the user gives it.

    Attributes:
        text: the phrase as it is written; several words stay together.
        boost: nats that the whole phrase is worth when it is heard, however long it is; 0 is neutral,
            negative discourages, None is the default of the search.
        sounds_like: other ways to say it: words ("shiv awn"), or ARPAbet phones between slashes
            ("/SH IH V AO N/"); several in one string are separated by "|".
        display: how it is written in the transcript; None is `text`.
    """

    text: str
    boost: float | None = None
    sounds_like: Sequence[str] = ()
    display: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is not text or a number.

        Raises:
            PhraseError: names the field.
        """
        sounds = (self.sounds_like,) if isinstance(self.sounds_like, str) else self.sounds_like
        object.__setattr__(self, "sounds_like", tuple(sounds))
        if not all(isinstance(text, str) for text in (self.text, self.display or "", *self.sounds_like)):
            raise PhraseError(f"{self!r:.100}: text, sounds_like and display are strings")
        if not isinstance(self.boost, int | float | None):
            raise PhraseError(f"{self!r:.100}: boost is {self.boost!r}; give a number of nats, or None")


@dataclass(frozen=True)
class Entry:
    """One usable phrase of a `PhraseList`.

    Attributes:
        display: how it is written in the transcript.
        spellings: what may be heard, in a-z, apostrophe and space: the phrase itself first (where a-z can
            write it), then what it sounds like. Empty when it is given by phones alone.
        pronunciations: phones of what it sounds like, without stress.
        boost: as in `Phrase`.
        lines: where it was given: line numbers of the file, or places in the list from 1 on.
        notes: what was done to it that the user may not expect.
    """

    display: str
    spellings: tuple[str, ...]
    pronunciations: tuple[tuple[str, ...], ...] = ()
    boost: float | None = None
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two entries the same phrase: the words, or for want of them the written form."""
        return (self.spellings[0],) if self.spellings else ("", self.display)


@dataclass(frozen=True)
class Unusable:
    """A line of a file, or a place in a list from 1 on, that gave no phrase, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, eq=False)
class PhraseList:
    """An immutable biasing list. Lists are equal when they have the same effect, in whatever order.

    Attributes:
        entries: the phrases, no two of the same words, sorted by them.
        unusable: what was given and is not among them, in the order given.
    """

    entries: tuple[Entry, ...] = ()
    unusable: tuple[Unusable, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    @cached_property
    def digest(self) -> str:
        """Hash of all that has an effect, for caches; line numbers and notes have none."""
        sha = hashlib.sha256()
        for entry in self.entries:
            effect = (entry.display, entry.spellings, entry.pronunciations, entry.boost)
            sha.update(repr(effect).encode())
        return sha.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PhraseList) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def read_phrases(path: str | Path) -> PhraseList:
    """Read a phrase file: UTF-8, one phrase a line, "#" starting a comment line.

    Columns separated by tabs: phrase, boost, sounds like, display; all but the first may be left out. A line
    of one column may end in " :2.0", its boost.

    Raises:
        PhraseError: no such file, a folder, or not UTF-8 text.
    """
    file = Path(path)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PhraseError(f"{file}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except IsADirectoryError as error:
        raise PhraseError(f"{file}: a folder; name a text file with one phrase a line") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhraseError(f"{file}: cannot be read ({reason}); name a text file, a phrase a line") from error
    lines = enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1)
    return _collect((n, line) for n, line in lines if line.strip() and not line.lstrip().startswith("#"))


def make_phrases(items: Iterable[str | Phrase]) -> PhraseList:
    """Make a list of phrases; strings may have the columns of a phrase file, and are never comments.

    Raises:
        PhraseError: a single string instead of several, a dict, or an item that is neither string nor
            `Phrase`.
    """
    if isinstance(items, str | bytes):
        raise PhraseError(f"phrases are one text, {items!r:.60}; give a list of them, or read_phrases(file)")
    if isinstance(items, Mapping) or not isinstance(items, Iterable):
        raise PhraseError(
            f"phrases are {items!r:.60} ({type(items).__name__}); accepted is a list of strings and "
            "Phrase(text, boost)"
        )
    given = list(items)
    for place, item in enumerate(given, start=1):
        if not isinstance(item, str | Phrase):
            raise PhraseError(f"phrase {place} is {item!r:.60}; give strings or Phrase(...)")
    return _collect(enumerate(given, start=1))


def joined(lists: Iterable[PhraseList]) -> PhraseList:
    """All phrases of several lists as one list."""
    listed = list(lists)
    unusable = tuple(chain.from_iterable(one.unusable for one in listed))
    return PhraseList(_by_words(chain.from_iterable(listed)), unusable)


def _by_words(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """One entry of those with the same words, sorted by them."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    return tuple(_merge(groups[key]) for key in sorted(groups))


def _collect(items: Iterable[tuple[int, str | Phrase]]) -> PhraseList:
    """Make an entry of each item, and one of those with the same words."""
    entries, unusable = [], []
    for line, item in items:
        try:
            entry = _entry(item) if isinstance(item, Phrase) else _entry_of_line(item)
            entries.append(replace(entry, lines=(line,)))
        except SpellingError as error:
            text = item.text if isinstance(item, Phrase) else item
            unusable.append(Unusable(line, _shown(text), _shown(str(error))))
    return PhraseList(_by_words(entries), tuple(unusable))


def _shown(text: str) -> str:
    """`text` in one line that any terminal can print, its end left out where it is long."""
    line = " ".join(text.split())
    line = line if len(line) <= _MOST_SHOWN else line[:_MOST_SHOWN] + "…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


@lru_cache(_LINES_REMEMBERED)
def _entry_of_line(line: str) -> Entry:
    """The entry of a line of a phrase file, wherever it is given: most lines of a list were in the last."""
    return _entry(_parse(line))


def _parse(line: str) -> Phrase:
    """Take a line of a phrase file apart."""
    columns = [column.strip() for column in line.split("\t")]
    while len(columns) > 1 and not columns[-1]:
        columns.pop()
    if len(columns) > _COLUMNS:
        raise SpellingError(f"has {len(columns)} columns; give phrase, boost, sounds like, display")
    text, boost, sounds_like, display = columns + [""] * (_COLUMNS - len(columns))
    colon = _COLON.fullmatch(text)
    if colon:
        if boost:
            raise SpellingError(f"has two boosts, :{colon[2]} and {boost}; give one")
        text, boost = colon[1], colon[2] or ":"
    return Phrase(text, _nats(boost), (sounds_like,), display or None)


def _nats(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise SpellingError(f"the boost {text!r} is no number; give nats as in 4 or -2.5") from error


def _entry(phrase: Phrase) -> Entry:
    """Check a phrase and put it into the alphabet of the search.

    Quotes around a phrase are not written, since nothing of them is heard, unless its display form has them.

    Raises:
        SpellingError: says why the phrase cannot be used.
    """
    if phrase.boost is not None and not math.isfinite(phrase.boost):
        raise SpellingError(f"the boost is {phrase.boost}; give a finite number of nats")
    if not phrase.text.strip():
        raise SpellingError("the phrase is empty")
    heard = [part.strip() for part in "|".join(phrase.sounds_like).split("|") if part.strip()]
    phones = sorted({_phones(part) for part in heard if part.startswith("/")})
    others = sorted({spoken_form(part)[0] for part in heard if not part.startswith("/")})
    notes = []
    try:
        words, left_out = spoken_form(phrase.text)
        spellings = (words, *others)
        notes += [f"{left_out} is left out"] if left_out else []
    except SpellingError as error:
        if not heard or "a-z" not in str(error):
            raise
        spellings = tuple(others)
        notes.append("heard only as what it sounds like")
    printable(phrase.display or "")
    shown = _DIRECTIONS.sub("", phrase.display or phrase.text.strip(_QUOTES))
    display = " ".join((shown.strip() or phrase.text).split())
    boost = None if phrase.boost is None else float(phrase.boost)
    return Entry(display, tuple(dict.fromkeys(spellings)), tuple(phones), boost, notes=tuple(notes))


def _phones(text: str) -> tuple[str, ...]:
    if len(text) < 2 or not text.endswith("/"):
        raise SpellingError(f"{text} lacks a slash; write phones as in /S IY R SH AH/")
    return phones_of(text[1:-1])


def _merge(same: list[Entry]) -> Entry:
    """Join entries of the same words: the largest boost that is given, all that they sound like.

    A display form that differs by more than case from the words wins over a plain one; among equals the
    first in the order of the alphabet, capitals first, so that the order of the list has no say.
    """
    if len(same) == 1:
        return same[0]
    first = min(same, key=lambda entry: (entry.display.lower() in entry.spellings, entry.display))
    own = first.spellings[:1]
    spellings = sorted(set(chain.from_iterable(entry.spellings for entry in same)) - set(own))
    pronunciations = sorted(set(chain.from_iterable(entry.pronunciations for entry in same)))
    boosts = [entry.boost for entry in same if entry.boost is not None]
    lines = tuple(chain.from_iterable(entry.lines for entry in same))
    note = f"given {len(same)} times, lines {', '.join(map(str, lines))}; joined as {first.display}"
    notes = (*dict.fromkeys(chain.from_iterable(entry.notes for entry in same)), note)
    joined = replace(first, spellings=(*own, *spellings), pronunciations=tuple(pronunciations))
    return replace(joined, boost=max(boosts, default=None), lines=lines, notes=notes)
