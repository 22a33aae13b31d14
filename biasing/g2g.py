"""Other ways in which a phrase may be written when it is heard: respellings, inflections, letters, splits.

A recognizer that has never seen a name writes it as it sounds: "katie" for Kaity. The idea of listening for
such respellings is that of "G2G" (Le et al. 2019, arXiv 1910.12612); here they are made from spelling to
sound and back, both ways with the joint model of `biasing.g2p`, which has learned from a lexicon what letters
stand for what sounds and which letters follow each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from biasing.g2p import Pronouncer, Pronunciation, PronunciationError, is_initials
from biasing.phrases import Entry

Kind = Literal["spelling", "letters", "compound", "possessive", "plural"]

INFLECTIONS = frozenset(("possessive", "plural"))
"""Kinds of variants that are other words than the phrase, and are shown so."""

_CAPITALS = re.compile(r"[A-Z]{2,6}")
_CAPITALS_IN_PLURAL = re.compile(r"([A-Z]{2,6})'?s")
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HISSING = re.compile(r"(?:s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile(r"[^aeiou]y$")
_SHORTEST_PART = 3
_SEARCHED = (
    64  # spellings taken into account, however many are asked for, so that more asked for are only more
)


class VariantError(ValueError):
    """Options that no variants can be made with."""


@dataclass(frozen=True)
class VariantOptions:
    """Which variants are made. Log probabilities are natural logarithms.

    Attributes:
        most: variants kept of a phrase, the most probable ones.
        pronunciations: ways to say a word that are spelled again.
        least: variants with a smaller log probability are left out.
        letters: log probability of an acronym being written letter by letter.
        compound: of a word being written as two.
        possessive: of the phrase with 's being said.
        plural: of the phrase in the plural being said.
    """

    most: int = 8
    pronunciations: int = 3
    least: float = -7.0
    letters: float = -0.5
    compound: float = -1.0
    possessive: float = -2.0
    plural: float = -3.0

    def __post_init__(self) -> None:
        priors = (self.least, self.letters, self.compound, self.possessive, self.plural)
        if self.most < 1 or self.pronunciations < 1 or not all(prior <= 0 for prior in priors):
            raise VariantError(f"{self}: most and pronunciations are 1 or more, log probabilities 0 or less")


@dataclass(frozen=True)
class Variant:
    """One other way in which a phrase may be heard.

    Attributes:
        words: what is heard, in a-z, apostrophe and space.
        log_prob: natural logarithm of how probable this is for the phrase, at most 0.
        kind: how it was made.
        display: how it is shown: as the phrase, but "Kaity's" for the possessive of Kaity and "Kaitys" for
            its plural, as these are other words, not other spellings.
    """

    words: str
    log_prob: float
    kind: Kind
    display: str


def variants(
    words: str,
    pronouncer: Pronouncer,
    options: VariantOptions | None = None,
    common: Collection[str] = frozenset(),
    display: str | None = None,
) -> list[Variant]:
    """The variants of a phrase, the most probable first; never the phrase itself, never a common word.

    Args:
        words: the phrase in a-z, apostrophe and space.
        pronouncer: how it is said and how that is written.
        options: which variants.
        common: frequent words; they are no variants, and within a phrase of several words they are not
            respelled. The parts of a compound have to be among them.
        display: how the phrase is written; its capitals tell acronyms ("GPU") and compounds ("NVLink").

    Raises:
        PronunciationError: words that are not of a-z and apostrophe.
    """
    options, shown = options or VariantOptions(), display or words
    found = [
        *_spellings(words.split(), pronouncer, options, common, shown),
        *_by_letters(words.split(), options, shown),
        *_compounds(words.split(), options, common, shown),
        *_inflections(words, options, shown),
    ]
    best: dict[str, Variant] = {}
    for variant in sorted(found, key=lambda one: (-one.log_prob, one.words)):
        if variant.words != words and variant.words not in common and variant.log_prob >= options.least:
            best.setdefault(variant.words, variant)
    return list(best.values())[: options.most]


def entry_variants(
    entry: Entry,
    pronouncer: Pronouncer,
    options: VariantOptions | None = None,
    common: Collection[str] = frozenset(),
) -> list[Variant]:
    """As `variants`, of an entry of a phrase list, with those of what it sounds like, in words or phones.

    What cannot be pronounced, as a word of a hundred letters, has none.
    """
    options, found = options or VariantOptions(), list[Variant]()
    said = [Pronunciation(phones, 1.0) for phones in entry.pronunciations]
    for place, text in enumerate(entry.spellings):
        with suppress(PronunciationError):
            if place == 0:
                found += variants(text, pronouncer, options, common, entry.display)
            else:
                said += pronouncer.pronounce_phrase(text, options.pronunciations)
    found += [Variant(one, score, "spelling", entry.display) for one, score in _written(said, pronouncer)]
    best: dict[str, Variant] = {}
    for variant in sorted(found, key=lambda one: (-one.log_prob, one.words)):
        fresh = variant.words not in entry.spellings and variant.words not in common
        if fresh and variant.log_prob >= options.least:
            best.setdefault(variant.words, variant)
    return list(best.values())[: options.most]


def with_variants(
    phrases: Iterable[Entry],
    pronouncer: Pronouncer,
    options: VariantOptions | None = None,
    common: Collection[str] = frozenset(),
) -> tuple[Entry, ...]:
    """The entries with their variants as further spellings, then one entry for each inflected form.

    Inflected forms are entries of their own because they are shown otherwise: "Kaity's" beside Kaity. What is
    a spelling of one entry is never a variant of another, and a variant of several belongs to the one for
    which it is most probable, so that the order of the list has no say.
    """
    entries = tuple(phrases)
    taken = {words for entry in entries for words in entry.spellings}
    claims: dict[str, tuple[float, tuple[str, ...], int, Variant]] = {}
    for number, entry in enumerate(entries):
        for variant in entry_variants(entry, pronouncer, options, common):
            claim = (-variant.log_prob, entry.key, number, variant)
            if variant.words not in taken and claim[:3] < claims.get(variant.words, (math.inf, (), 0))[:3]:
                claims[variant.words] = claim
    more: list[list[str]] = [[] for _ in entries]
    inflected = []
    for words, (_, _, number, variant) in sorted(claims.items(), key=lambda one: one[1][:3]):
        if variant.kind in INFLECTIONS:
            inflected.append(
                replace(entries[number], display=variant.display, spellings=(words,), pronunciations=())
            )
        else:
            more[number].append(words)
    longer = [
        replace(entry, spellings=(*entry.spellings, *new)) for entry, new in zip(entries, more, strict=True)
    ]
    return (*longer, *sorted(inflected, key=lambda entry: entry.key))


def respell(word: str, pronouncer: Pronouncer, options: VariantOptions) -> list[tuple[str, float]]:
    """Other spellings of how a word is said, with log probabilities, best first."""
    written = _written(pronouncer.pronounce(word, options.pronunciations), pronouncer)
    return [(spelling, score) for spelling, score in written if spelling != word]


def _written(said: Iterable[Pronunciation], pronouncer: Pronouncer) -> list[tuple[str, float]]:
    """How pronunciations may be written as one word, with log probabilities, best first."""
    total: dict[str, float] = {}
    for way in said:
        for spelling, share in pronouncer.spell(way.phones, _SEARCHED):
            total[spelling] = total.get(spelling, 0.0) + way.probability * share
    ranked = sorted(total.items(), key=lambda one: (-one[1], one[0]))
    return [(one, min(0.0, math.log(share))) for one, share in ranked if share > 0 and _is_word(one)]


def _is_word(spelling: str) -> bool:
    """Whether what the model wrote is a variant: one letter is none, and endings with 's are made here."""
    return len(spelling) > 1 and "'" not in spelling


def _spellings(
    row: list[str], pronouncer: Pronouncer, options: VariantOptions, common: Collection[str], shown: str
) -> list[Variant]:
    """The phrase with one word or several written as they sound."""
    ways: list[tuple[tuple[str, ...], float]] = [((), 0.0)]
    for word in row:
        others = [(word, 0.0)]
        if not is_initials(word) and (len(row) == 1 or word not in common):
            others += respell(word, pronouncer, options)
        longer = [((*done, one), score + added) for done, score in ways for one, added in others]
        ways = sorted(longer, key=lambda way: (-way[1], way[0]))[:_SEARCHED]
    return [Variant(" ".join(way), score, "spelling", shown) for way, score in ways]


def _by_letters(row: list[str], options: VariantOptions, shown: str) -> Iterable[Variant]:
    """The phrase with its acronyms letter by letter: "g p u" for GPU, "n v link" for NVLink."""
    tokens = shown.split() if len(shown.split()) == len(row) else row
    spelled = [_letters(word, token) for word, token in zip(row, tokens, strict=True)]
    if any(spelled):
        heard = (new or word for new, word in zip(spelled, row, strict=True))
        yield Variant(" ".join(heard), options.letters, "letters", shown)


def _letters(word: str, token: str) -> str | None:
    """A word with its letters apart where they are said one by one, None where none are."""
    plural = _CAPITALS_IN_PLURAL.fullmatch(token)
    if plural:
        return " ".join(plural[1].lower()) + "'s"
    if is_initials(word):
        return " ".join(word)
    humps = _humps(word, token)
    if not any(map(_CAPITALS.fullmatch, humps)):
        return None
    return " ".join(" ".join(hump.lower()) if _CAPITALS.fullmatch(hump) else hump.lower() for hump in humps)


def _humps(word: str, token: str) -> list[str]:
    """A word cut where its written form goes from small letters to capitals: ["NV", "Link"]."""
    humps = [] if _CAPITALS_IN_PLURAL.fullmatch(token) else _HUMPS.findall(token)
    return humps if "".join(humps).lower() == word else [word]


def _compounds(
    row: list[str], options: VariantOptions, common: Collection[str], shown: str
) -> Iterable[Variant]:
    """The phrase with one of its words written as two, and with all that its capitals tell apart."""
    tokens = shown.split()
    if len(tokens) == len(row):
        cut = " ".join(" ".join(_humps(*pair)) for pair in zip(row, tokens, strict=True))
        yield Variant(cut.lower(), options.compound, "compound", shown)
    for place, word in enumerate(row):
        for end in range(2, len(word) - 1):
            parts = (word[:end], word[end:])
            known = [part in common and len(part) >= _SHORTEST_PART for part in parts]
            if any(known) and all(fine or is_initials(part) for fine, part in zip(known, parts, strict=True)):
                yield Variant(
                    " ".join((*row[:place], *parts, *row[place + 1 :])), options.compound, "compound", shown
                )


def _inflections(words: str, options: VariantOptions, shown: str) -> Iterable[Variant]:
    """The phrase with its last word in the possessive and in the plural, and so written."""
    last, written = words.rsplit(maxsplit=1)[-1], shown.rsplit(maxsplit=1)[-1]
    if "'" in last or _CAPITALS_IN_PLURAL.fullmatch(written):
        return
    yield Variant(f"{words}'s", options.possessive, "possessive", f"{shown}'s")
    ending, cut = "s", 0
    if _HISSING.search(last):
        ending = "es"
    elif _CONSONANT_Y.search(last) and written.islower():  # names keep their y: the Kennedys
        ending, cut = "ies", 1
    plural = f"{words[: len(words) - cut]}{ending}"
    yield Variant(plural, options.plural, "plural", f"{shown[: len(shown) - cut]}{ending}")
