"""Reading reference and recognized texts from the files they usually come in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ACCEPTED = (
    "accepted are .txt (a line an utterance, or 'id text'), .trn, manifest .jsonl, "
    "the .json of a transcription, and a folder of .json or .txt files"
)
_TRN = re.compile(r"(?P<text>.*)\((?P<id>[^()]+)\)\s*$")
_LIKE_AN_ID = re.compile(r"(?=.*\d)(?=.*[^\W\d]|.*[-_])\S+$")


class TranscriptError(ValueError):
    """A file of transcripts that cannot be used; the message names it."""


def load_transcripts(path: str | Path) -> dict[str, str]:
    """Read transcripts as {utterance id: text}, in the order of the file.

    - `.jsonl`: objects with "text"; the id is "id", else the stem of "audio_filepath".
    - `.json`: one transcription of ours; the id is the stem of its "audio", else of the file.
    - `.trn`: lines `text (id)`.
    - a folder: each `.json` in it, or if it has none each `.txt`, whose id is its stem.
    - anything else: Kaldi's `id text` when the name is `text` or ends in `.trans.txt`, or when every line
      starts with a word of its own that has digits and letters, "-" or "_"; otherwise a line an utterance,
      with the ids "line 1", "line 2" ...

    Raises:
        TranscriptError: not readable, not of its format, an id used twice, or no utterance at all.
    """
    source = Path(path)
    texts: dict[str, str] = {}
    for name, text in _reader(source)(source):
        if name in texts:
            raise TranscriptError(f"{source}: two utterances are called {name!r}; each needs its own id")
        texts[name] = text
    if not texts:
        raise TranscriptError(f"{source}: holds no transcripts; {ACCEPTED}")
    return texts


def _reader(source: Path) -> Callable[[Path], Iterator[tuple[str, str]]]:
    if source.is_dir():
        return _from_folder
    return {".jsonl": _from_jsonl, ".json": _from_json, ".trn": _from_trn}.get(
        source.suffix.lower(), _from_text
    )


def _read(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TranscriptError(f"{source}: cannot be read ({error.strerror}); {ACCEPTED}") from error
    except UnicodeDecodeError as error:
        raise TranscriptError(f"{source}: not UTF-8 text; {ACCEPTED}") from error


def _lines(source: Path) -> list[str]:
    """Return the lines without the line ends; an empty line counts, the end of the last line does not."""
    lines = [line.rstrip("\r") for line in _read(source).split("\n")]
    return lines[:-1] if not lines[-1] else lines


def _from_folder(folder: Path) -> Iterator[tuple[str, str]]:
    found = sorted(folder.rglob("*.json"))
    for path in found:
        yield from _from_json(path)
    for path in [] if found else sorted(folder.rglob("*.txt")):
        yield path.stem, " ".join(_read(path).split())


def _from_json(source: Path) -> Iterator[tuple[str, str]]:
    fields = _object(_read(source), str(source))
    name = Path(str(fields.get("audio") or source)).stem
    yield name, _string(fields, "text", str(source))


def _from_jsonl(source: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(source), start=1):
        if line.strip():
            where = f"{source}, line {number}"
            fields = _object(line, where)
            name = fields["id"] if "id" in fields else Path(_string(fields, "audio_filepath", where)).stem
            yield str(name), _string(fields, "text", where)


def _from_trn(source: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(source), start=1):
        if line.strip():
            parts = _TRN.match(line)
            if parts is None:
                raise TranscriptError(f"{source}, line {number}: does not end in '(id)' as .trn lines do")
            yield parts["id"].strip(), parts["text"].strip()


def _from_text(source: Path) -> Iterator[tuple[str, str]]:
    lines = _lines(source)
    filled = [line for line in lines if line.strip()]
    first_words = [line.split()[0] for line in filled]
    named = source.name == "text" or source.name.endswith(".trans.txt")
    if named or (len(set(first_words)) == len(filled) and all(map(_LIKE_AN_ID.match, first_words))):
        for line in filled:
            name, *text = line.split(maxsplit=1)
            yield name, " ".join(text).strip()
    else:
        for number, line in enumerate(lines, start=1):
            yield f"line {number}", line.strip()


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise TranscriptError(f"{where}: not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise TranscriptError(f"{where}: a JSON object with 'text' is needed, not {text.strip()[:40]!r}")
    return fields


def _string(fields: dict[str, Any], name: str, where: str) -> str:
    if not isinstance(fields.get(name), str):
        raise TranscriptError(f"{where}: {name!r} must be a string, not {fields.get(name)!r}")
    return str(fields[name])
