"""Text for language models: what counts as a word, and reading it line by line from plain or packed files."""

from __future__ import annotations

import gzip
import lzma
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lm.numbers import spell_numbers

NORMAL = re.compile(r"[a-z]+(?:'[a-z]+)*(?: [a-z]+(?:'[a-z]+)*)*")
"""A text that `normalise` leaves as it is."""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_SPELLED = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th"}
    | {"ð": "d", "ı": "i", "&": " and ", "%": " percent "}
)
_STDIN = "-"


class TextError(ValueError):
    """A text that cannot be read; the message names the file."""


def normalise(line: str) -> str | None:
    """Lower-case words of a-z and inner apostrophes, separated by single spaces.

    Accents are taken off, numbers that stand alone are spelled out, hyphens and other signs separate words,
    apostrophes at the edge of a word are dropped. Returns "" when nothing is said, and None when the line has
    letters or digits which that alphabet cannot write (another script, "b12"), so that the line is better
    left out than mutilated. What is normal already comes back unchanged.
    """
    if NORMAL.fullmatch(line):
        return line
    decomposed = unicodedata.normalize("NFKD", line.lower().translate(_SPELLED))
    text = spell_numbers("".join(char for char in decomposed if not unicodedata.combining(char)))
    if any(char.isalnum() and not "a" <= char <= "z" for char in text):
        return None
    return " ".join(_WORD.findall(text))


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Open a UTF-8 text for reading: plain, .gz or .xz by its suffix, or standard input for "-".

    Raises:
        TextError: no such file, or (while it is read) a damaged archive or text that is not UTF-8.
    """
    openers: dict[str, Callable[..., TextIO]] = {".gz": gzip.open, ".xz": lzma.open}  # type: ignore[dict-item]
    try:
        if str(path) == _STDIN:
            yield sys.stdin
            return
        with openers.get(Path(path).suffix, open)(path, mode="rt", encoding="utf-8") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise TextError(f"{path}: not UTF-8 text; convert it to UTF-8 first") from error
    except (OSError, EOFError, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TextError(f"{path}: cannot be read ({reason}); name a .txt, .gz or .xz text, or -") from error


def read_lines(path: str | Path) -> Iterator[str | None]:
    """Yield the normalised lines of a text, None for each line that `normalise` refuses; skip blank ones.

    Raises:
        TextError: as `open_text`.
    """
    with open_text(path) as stream:
        for line in stream:
            text = normalise(line.rstrip("\r\n"))
            if text != "":
                yield text
