"""Pronunciation lexicons in the format of CMUdict."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from biasing.phone_set import PHONES, strip_stress

Lexicon = dict[str, tuple[tuple[str, ...], ...]]

_PHONES = frozenset(PHONES)
_VARIANT = re.compile(r"\(\d+\)$")


class LexiconError(ValueError):
    """A lexicon that cannot be read; the message names the file, the line and what is accepted."""


def read_lexicon(path: str | Path) -> Lexicon:
    """The pronunciations of each word of a CMUdict file, in the order of the file, without stress.

    A line is a word and its phones, separated by spaces; `word(2)` is another pronunciation of `word`; what
    follows " #" and lines that begin with ";;;" are comments. Words are put into lower case.

    Raises:
        LexiconError: no such file, not text, a word without phones, or phones that are not ARPAbet.
    """
    file = Path(path)
    try:
        lines = file.read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise LexiconError(f"{file}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise LexiconError(f"{file}: {reason}; name a lexicon in CMUdict's format") from error
    return parse_lexicon(lines, str(file))


def parse_lexicon(lines: Iterable[str], name: str = "lexicon") -> Lexicon:
    """As `read_lexicon`, from lines; `name` is for the messages of errors."""
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for number, line in enumerate(lines, start=1):
        parts = line.split(" #")[0].split()
        if not parts or parts[0].startswith(";;;"):
            continue
        word, phones = _VARIANT.sub("", parts[0].lower()), tuple(map(strip_stress, parts[1:]))
        strange = [phone for phone in phones if phone not in _PHONES]
        if strange or not phones:
            what = f"{strange[0]} is no ARPAbet phone" if strange else f"{word} has no phones"
            raise LexiconError(f"{name}, line {number}: {what}; write a line as in: word W ER1 D")
        found.setdefault(word, {})[phones] = None
    return {word: tuple(ways) for word, ways in found.items()}
