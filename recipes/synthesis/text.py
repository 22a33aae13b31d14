"""Sentences and phrase files: what is read, and how it is written in a transcript."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import MissingError, TextError

_TRANSLATED = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l"}
)
_SPACED = re.compile(r"[\s\-‐-―/_.,;:!?…\"“”()\[\]]+")
_TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
_SHERPA_BOOST = re.compile(r"\s+:-?\d+(\.\d+)?$")


@dataclass(frozen=True)
class Sentence:
    """A sentence to be spoken.

    Attributes:
        text: as printed, with its punctuation; what the voice reads.
        entities: the names and terms in it, as they stand in the text.
        category: what kind of name it is built around ("drug", "place", ...), where known.
    """

    text: str
    entities: tuple[str, ...] = ()
    category: str | None = None


@dataclass(frozen=True)
class Phrase:
    """A line of a phrase file, as far as speaking it is concerned.

    Attributes:
        text: the phrase as printed.
        sounds: its pronunciations; each is ARPAbet or IPA between slashes, or words it sounds like.
            Empty: read as it is spelled.
    """

    text: str
    sounds: tuple[str, ...] = ()


def normalise(text: str) -> str:
    """Write `text` as a transcript: lower case, a-z, apostrophe and single spaces.

    Accents are folded, hyphens and punctuation become spaces, "&" becomes "and", titles are written out.

    Raises:
        TextError: digits or signs whose spoken form is unknown, or nothing left.
    """
    folded = unicodedata.normalize("NFKD", text.lower().translate(_TRANSLATED).replace("&", " and "))
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    words = (_unquoted(word) for word in _SPACED.sub(" ", plain).split())
    line = " ".join(_TITLES.get(word, word) for word in words if word)
    if strange := sorted(set(re.findall(r"[^a-z' ]", line))):
        raise TextError(f"{text!r} holds {' '.join(strange)}: spell out numbers and signs as they are spoken")
    if not line:
        raise TextError(f"{text!r} holds no words: give at least one word in letters")
    return line


def read_sentences(path: Path) -> list[Sentence]:
    """Read one sentence a line, with optional tab-separated entities (several between `|`) and category."""
    return [_sentence(line.split("\t")) for line in _lines(path)]


def read_phrases(path: Path) -> list[Phrase]:
    """Read the phrase and `sounds like` columns (first and third) of a phrase file."""
    return [_phrase(line.split("\t")) for line in _lines(path)]


def read_templates(path: Path) -> dict[str, list[str]]:
    """Read `category TAB sentence with {}` lines, grouped by category.

    Raises:
        TextError: a line without exactly one `{}` or without a category.
    """
    templates: dict[str, list[str]] = {}
    for line in _lines(path):
        category, _, sentence = line.partition("\t")
        if sentence.count("{}") != 1:
            raise TextError(f"{path}: {line!r} needs a category, a tab and a sentence with one {{}} in it")
        templates.setdefault(category.strip(), []).append(sentence.strip())
    return templates


def find_phrases(text: str, phrases: Sequence[Phrase]) -> list[tuple[int, int, Phrase]]:
    """Where phrases stand in `text` as whole words: (start, end, phrase); of two that overlap, the longer."""
    found: list[tuple[int, int, Phrase]] = []
    for phrase in sorted(phrases, key=lambda item: -len(item.text)):
        for match in re.finditer(rf"(?<![\w]){re.escape(phrase.text)}(?![\w])", text, re.IGNORECASE):
            if all(match.end() <= start or end <= match.start() for start, end, _ in found):
                found.append((match.start(), match.end(), phrase))
    return sorted(found, key=lambda item: item[0])


def readable(sentences: Sequence[Sentence], phrases: Sequence[Phrase]) -> tuple[list[Sentence], list[str]]:
    """The sentences that can be transcribed, with the phrases found in them; a message for each other."""
    readable, messages = [], []
    for sentence in sentences:
        names = (phrase.text for _, _, phrase in find_phrases(sentence.text, phrases))
        complete = with_entities(sentence, names)
        try:
            for text in (complete.text, *complete.entities):
                normalise(text)
        except TextError as error:
            messages.append(str(error))
        else:
            readable.append(complete)
    return readable, messages


def sounds_from_lexicon(phrase: str, lexicon: dict[str, str]) -> str | None:
    """The ARPAbet of `phrase` between slashes, when the lexicon has every one of its words."""
    words = normalise(phrase).split()
    if not all(word in lexicon for word in words):
        return None
    return "/" + " ".join(lexicon[word] for word in words) + "/"


def read_lexicon(path: Path) -> dict[str, str]:
    """Read `word PH ON ES` lines (CMUdict's format); of several pronunciations the first counts."""
    lexicon: dict[str, str] = {}
    for line in _lines(path):
        word, _, phones = line.partition(" ")
        if not word.endswith(")"):
            lexicon.setdefault(word.lower(), phones.split("#")[0].strip())
    return lexicon


def with_entities(sentence: Sentence, names: Iterable[str]) -> Sentence:
    """The sentence with further entities, none twice."""
    known = {name.lower() for name in sentence.entities}
    fresh = [name for name in dict.fromkeys(names) if name.lower() not in known]
    return Sentence(sentence.text, (*sentence.entities, *fresh), sentence.category)


def _lines(path: Path) -> Iterator[str]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MissingError(f"{path}: cannot be read ({error.strerror}); name a UTF-8 text file") from error
    except UnicodeDecodeError as error:
        raise TextError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    for line in content.splitlines():
        if line.strip() and not line.startswith(("#", ";;;")):
            yield line.strip("\r\n ")


def _unquoted(word: str) -> str:
    """The word without quotation marks; the apostrophe of "James'" stays."""
    bare = word.strip("'")
    return f"{bare}'" if bare.endswith("s") and word.endswith("'") and not word.startswith("'") else bare


def _sentence(columns: list[str]) -> Sentence:
    columns = [column.strip() for column in columns] + ["", ""]
    entities = tuple(name.strip() for name in columns[1].split("|") if name.strip())
    return Sentence(columns[0], entities, columns[2] or None)


def _phrase(columns: list[str]) -> Phrase:
    columns = [column.strip() for column in columns] + ["", ""]
    sounds = tuple(part.strip() for part in columns[2].split("|") if part.strip())
    return Phrase(_SHERPA_BOOST.sub("", columns[0]), sounds)
