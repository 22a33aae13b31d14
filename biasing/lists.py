"""Biasing lists of benchmarks, one for each utterance."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
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


def read_lists(path: str | Path, faults: list[str] | None = None) -> dict[str, BiasingList]:
    """Read the lists of the LibriSpeech biasing benchmark (Le et al. 2021) as {utterance id: list}.

    A line has four columns separated by tabs: id, text, JSON list of the rare words of the text, and JSON
    list of these and distractors. Given `faults`, a line that cannot be used is described there and left out.

    Raises:
        ListsError: not readable, a line of another form, an id used twice, or no line at all.
    """
    source = Path(path)
    lists: dict[str, BiasingList] = {}
    for number, line in enumerate(_read(source, f"a file with {COLUMNS}").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            name, one = _list(line.rstrip("\r").split("\t"), f"{source}, line {number}", lists)
        except ListsError as error:
            if faults is None:
                raise
            faults.append(str(error))
        else:
            lists[name] = one
    if not lists:
        raise ListsError(f"{source}: holds no lists; give {COLUMNS}")
    return lists


def format_lists(lists: Mapping[str, BiasingList]) -> str:
    """Return lists in the form that `read_lists` reads; without `spoken` the third column is empty."""
    rows = (
        "\t".join((name, one.text, json.dumps(list(one.spoken or ())), json.dumps(list(one.phrases))))
        for name, one in lists.items()
    )
    return "".join(f"{row}\n" for row in rows)


def rare_words(text: str, common: Collection[str]) -> tuple[str, ...]:
    """Return the words of a text that are not common ones, each once, in their order."""
    return tuple(dict.fromkeys(word for word in text.split() if word not in common))


def draw_lists(
    texts: Mapping[str, str], own: Mapping[str, Sequence[str]], pool: Sequence[str], size: int, seed: int = 0
) -> dict[str, BiasingList]:
    """Give each utterance its own phrases and `size` distractors, in the manner of Le et al. 2021.

    Distractors are drawn from `pool` without those that stand in the text. A draw depends on seed, id and
    pool alone, and a longer list begins with the shorter one.

    Args:
        texts: what is said, {id: text}.
        own: the phrases of each text that count as biased.

    Raises:
        ListsError: the pool is too small.
    """
    distinct = sorted(set(pool))
    return {
        name: BiasingList(
            (*own[name], *_distractors(text, distinct, size, f"{seed} {name}")), tuple(own[name]), text
        )
        for name, text in texts.items()
    }


def _distractors(text: str, pool: Sequence[str], size: int, seed: str) -> Iterator[str]:
    spoken = f" {text} "
    rng, drawn = random.Random(seed), set[int]()
    while size > 0:
        if len(drawn) == len(pool):
            raise ListsError(
                f"{len(pool)} distractors are too few for lists of this size; {size} are missing, give more"
            )
        place = rng.randrange(len(pool))
        if place not in drawn:
            drawn.add(place)
            if f" {pool[place]} " not in spoken:
                size -= 1
                yield pool[place]


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


def _list(columns: list[str], where: str, known: Collection[str]) -> tuple[str, BiasingList]:
    if len(columns) != 4:
        raise ListsError(f"{where}: has {len(columns)} columns; give {COLUMNS}")
    if columns[0] in known:
        raise ListsError(f"{where}: a second list for {columns[0]!r}; give each utterance one")
    spoken, phrases = _words(columns[2], f"{where}, column 3"), _words(columns[3], f"{where}, column 4")
    absent = sorted(set(spoken) - set(phrases))
    if absent:
        raise ListsError(
            f"{where}: {absent[0]!r} of column 3 is missing in column 4, which must hold all of it"
        )
    return columns[0], BiasingList(phrases, spoken, columns[1])


def _words(text: str, where: str) -> tuple[str, ...]:
    try:
        words = json.loads(text)
    except ValueError as error:
        raise ListsError(f"{where}: not JSON ({error})") from error
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise ListsError(f'{where}: {text[:40]!r} is not a JSON list of words such as ["ann", "bob"]')
    return tuple(words)
