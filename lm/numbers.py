"""Whole numbers, ordinals, years and decimals as English words."""

from __future__ import annotations

import re

_TEENS = (
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", *_TEENS)
_TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LARGEST = 10**12 - 1
_NUMBER = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(st|nd|rd|th|s)?(?!\w)")


def spell_cardinal(number: int) -> str:
    """Words of a whole number from 0 to 999,999,999,999: 1203 is "one thousand two hundred three".

    Raises:
        ValueError: the number is negative or too large.
    """
    if not 0 <= number <= _LARGEST:
        raise ValueError(f"{number} cannot be spelled; give a whole number from 0 to {_LARGEST}")
    for scale, name in _SCALES:
        if number >= scale:
            head, rest = divmod(number, scale)
            tail = f" {spell_cardinal(rest)}" if rest else ""
            return f"{spell_cardinal(head)} {name}{tail}"
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]} {_ONES[ones]}" if ones else _TENS[tens]


def spell_ordinal(number: int) -> str:
    """Words of a rank: 21 is "twenty first". Raises ValueError as `spell_cardinal` does."""
    head, _, last = spell_cardinal(number).rpartition(" ")
    ordinal = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return f"{head} {ordinal}".strip()


def spell_year(year: int) -> str:
    """Words of a year from 1100 to 1999 as they are read: 1862 is "eighteen sixty two"."""
    century, rest = divmod(year, 100)
    if not rest:
        return f"{spell_cardinal(century)} hundred"
    low = f"o {_ONES[rest]}" if rest < 10 else spell_cardinal(rest)
    return f"{spell_cardinal(century)} {low}"


def spell_numbers(text: str) -> str:
    """Replace the numbers that stand alone in `text` by words; four bare digits from 1100 to 1999 are a year.

    Numbers glued to letters ("b12") and numbers of more than twelve digits stay as they are.
    """
    return _NUMBER.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    digits, fraction, suffix = match.groups()
    number = int(digits.replace(",", ""))
    if number > _LARGEST or (fraction and suffix):
        return match.group()
    if suffix == "s":
        words = spell_year(number) if 1100 <= number <= 1999 else spell_cardinal(number)
        return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"
    if suffix:
        return spell_ordinal(number)
    if fraction:
        return f"{spell_cardinal(number)} point {' '.join(_ONES[int(digit)] for digit in fraction[1:])}"
    return spell_year(number) if len(digits) == 4 and 1100 <= number <= 1999 else spell_cardinal(number)
