"""What a phrase is made of: its words in a-z and apostrophe, or its phones."""

from __future__ import annotations

import re
import unicodedata

from biasing.phone_set import PHONES, strip_stress
from lm.numbers import spell_cardinal
from lm.text import NORMAL, normalise

MOST_CHARACTERS = 1000
"""Longer phrases are refused: such a line is a text that strayed into a phrase file."""

_PHONES = frozenset(PHONES)
_SIGNS = str.maketrans(dict.fromkeys("`´′ʹʻˈ‛＇", "'") | {"+": " plus ", "@": " at "})
_ORDINARY = frozenset(".,:;!?-\u2010\u2011\u2012\u2013\u2014\u2015'’‘ʼ\"“”„«»()[]{}/\\_…&%·•|~")
_INVISIBLE = re.compile("[\ufe00-\ufe0f]")
_LETTER_THEN_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")
_DIGIT_THEN_LETTER = re.compile(r"(?<=\d)(?!(?:st|nd|rd|th|s)\b)(?=[^\W\d_])")
_LEADING_ZERO = re.compile(r"(?<![\w.,])0\d+(?![\w.,]*\d)")
_LONE_DIGIT = re.compile(r"\d")


class SpellingError(ValueError):
    """A text that cannot be said; the message is the reason alone, for people to read."""


def spoken_form(text: str) -> tuple[str, str]:
    """Return the words of `text` in a-z and inner apostrophes, and the signs that were left out of them.

    Beyond `lm.text.normalise`: full-width and other compatibility forms are folded, invisible characters
    dropped, digits parted from letters ("b12" is "b twelve"), digits with a leading zero or that form no
    number read one by one, "+" and "@" read out. Usual punctuation leaves no note, other signs do.

    Raises:
        SpellingError: nothing in it is said, letters outside a-z, control characters, or too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise SpellingError(f"{len(text)} characters; give {MOST_CHARACTERS} at most")
    lowered = text.lower()
    if NORMAL.fullmatch(lowered):  # most phrases are: what follows would cost ten times as much
        return lowered, ""
    printable(text)
    if "▁" in text:
        raise SpellingError("has the sub-word mark ▁; give plain words, they are cut into pieces here")
    folded = unicodedata.normalize("NFKC", "".join(map(_plain, text.translate(_SIGNS)))).lower()
    words = normalise(_spell_digits(folded))
    if words is None:
        strange = " ".join(dict.fromkeys(char for char in folded if _strange(char)))
        raise SpellingError(f"cannot be written in a-z: {strange}; add Latin letters, or how it sounds")
    if not words:
        raise SpellingError("has nothing to say in it: no letter and no digit")
    signs = dict.fromkeys(char for char in folded if not (char.isalnum() or char.isspace()))
    left_out = [char for char in signs if char not in _ORDINARY and unicodedata.category(char)[0] != "M"]
    return words, " ".join(left_out)


def printable(text: str) -> None:
    """Refuse control characters, and halves of characters that no file can hold.

    Raises:
        SpellingError: names the first one.
    """
    for char in "" if text.isprintable() else text:
        if unicodedata.category(char) in {"Cc", "Cs"} and not char.isspace():
            raise SpellingError(f"has the unprintable character U+{ord(char):04X}; take it out")


def phones_of(text: str) -> tuple[str, ...]:
    """ARPAbet phones separated by spaces, in any case, stress marks dropped: "S IY1" is ("S", "IY").

    Raises:
        SpellingError: no phones, or one that is none of the 39.
    """
    phones = tuple(strip_stress(phone) for phone in text.upper().split())
    for phone in phones:
        if phone not in _PHONES:
            raise SpellingError(f"{phone} is no ARPAbet phone; accepted are {' '.join(PHONES)}")
    if not phones:
        raise SpellingError("has no phones between the slashes; give some as in /S IY R SH AH/")
    return phones


def _plain(char: str) -> str:
    """A character without the invisible ones, any script's decimal digits as 0-9."""
    category = unicodedata.category(char)
    if category == "Cf" or _INVISIBLE.match(char):
        return ""
    return str(unicodedata.decimal(char)) if category == "Nd" else char


def _spell_digits(text: str) -> str:
    """Part digits from letters, and spell those that `lm.numbers` would leave or read as a number wrongly."""
    parted = _DIGIT_THEN_LETTER.sub(" ", _LETTER_THEN_DIGIT.sub(" ", text))
    parted = _LEADING_ZERO.sub(lambda zeros: _one_by_one(zeros.group()), parted)
    if normalise(parted) is not None:
        return parted
    return _LONE_DIGIT.sub(lambda digit: _one_by_one(digit.group()), _readable_numbers(parted))


def _readable_numbers(text: str) -> str:
    """Spell the numbers that can be, so that only digits without a reading are left."""
    return " ".join(normalise(word) or word for word in text.split())


def _one_by_one(digits: str) -> str:
    return " ".join(["", *(spell_cardinal(int(digit)) for digit in digits), ""])


def _strange(char: str) -> bool:
    """Whether no a-z is left of a letter when its accents are taken off."""
    return char.isalnum() and not char.isdecimal() and normalise(char) is None
