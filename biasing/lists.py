"""Biasing lists of benchmarks, one for each utterance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

COLUMNS = "the four columns id, text, JSON list of rare words, JSON list with distractors, separated by tabs"


class ListsError(ValueError):
    """A file of biasing lists that cannot be used; the message names file and line."""


@dataclass(frozen=True)
class BiasingList:
    """The phrases that one utterance was recognized with.

    phrases: everything the recognizer was given, phrases that are not spoken (distractors) among it.
    spoken: those whose words are charged to B-WER; None for the ones that stand in the reference.
    text: the reference that came with the list; empty without one.
    """

    phrases: tuple[str, ...]
    spoken: tuple[str, ...] | None = None
    text: str = ""


def read_lists(path: str | Path) -> dict[str, BiasingList]:
    """Read the lists of the LibriSpeech biasing benchmark (Le et al. 2021) as {utterance id: list}.

    A line has four columns separated by tabs: id, text, JSON list of the rare words of the text, and JSON
    list of these and distractors.

    Raises:
        ListsError: not readable, a line of another form, an id used twice, or no line at all.
    """
    source = Path(path)
    lists: dict[str, BiasingList] = {}
    for number, line in enumerate(_read(source, f"a file with {COLUMNS}").split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{source}, line {number}"
        columns = line.rstrip("\r").split("\t")
        if len(columns) != 4:
            raise ListsError(f"{where}: has {len(columns)} columns; give {COLUMNS}")
        if columns[0] in lists:
            raise ListsError(f"{where}: a second list for {columns[0]!r}; give each utterance one")
        lists[columns[0]] = _list(columns, where)
    if not lists:
        raise ListsError(f"{source}: holds no lists; give {COLUMNS}")
    return lists


def read_vocabulary(path: str | Path) -> frozenset[str]:
    """Read known words, a word a line; what follows the first word of a line, such as its count, is ignored.

    Raises:
        ListsError: not readable, or no words.
    """
    source = Path(path)
    words = frozenset(line.split()[0] for line in _read(source, "a word a line").split("\n") if line.strip())
    if not words:
        raise ListsError(f"{source}: holds no words; give a word a line")
    return words


def _read(source: Path, wanted: str) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ListsError(f"{source}: cannot be read ({error.strerror}); give {wanted}") from error
    except UnicodeDecodeError as error:
        raise ListsError(f"{source}: not UTF-8 text; give {wanted}") from error


def _list(columns: list[str], where: str) -> BiasingList:
    spoken, phrases = _words(columns[2], f"{where}, column 3"), _words(columns[3], f"{where}, column 4")
    absent = sorted(set(spoken) - set(phrases))
    if absent:
        raise ListsError(
            f"{where}: {absent[0]!r} of column 3 is missing in column 4, which must hold all of it"
        )
    return BiasingList(phrases, spoken, columns[1])


def _words(text: str, where: str) -> tuple[str, ...]:
    try:
        words = json.loads(text)
    except ValueError as error:
        raise ListsError(f"{where}: not JSON ({error})") from error
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise ListsError(f'{where}: {text[:40]!r} is not a JSON list of words such as ["ann", "bob"]')
    return tuple(words)
