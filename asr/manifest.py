"""Manifests: JSON lines that name recordings and what is said in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REQUIRED = ("audio_filepath", "duration", "text")
LONGEST_S = 1e9


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the file and the line."""


@dataclass(frozen=True)
class Utterance:
    """One recording of a manifest and its transcript.

    Attributes:
        id: unique in its manifest; the "id" field, else the stem of the audio file.
        audio: absolute path of the recording.
        duration: length in seconds.
        text: the reference transcript; empty when nothing is said.
        speaker: name of the speaker, where known.
        source: name of the corpus it came from, where known.
        entities: the names and terms spoken in it, as they stand in the text.
        where: the manifest and the line that it comes from, for messages.
    """

    id: str
    audio: Path
    duration: float
    text: str
    speaker: str | None = None
    source: str | None = None
    entities: tuple[str, ...] = ()
    where: str = field(default="", compare=False)


def read_manifest(
    path: str | Path, check_audio: bool = False, faults: list[str] | None = None
) -> list[Utterance]:
    """Read a NeMo style manifest, one JSON object a line.

    Each line has "audio_filepath" (absolute, or relative to the manifest's folder), "duration" (seconds) and
    "text"; "id", "speaker", "source" and "entities" (list of strings) are optional, other fields are ignored,
    and so are blank lines. With `check_audio` every recording must exist. Given `faults`, a line that cannot
    be used is described there and left out, instead of refusing the manifest.

    Raises:
        ManifestError: no such file, not UTF-8 JSON lines, a field missing or of the wrong type, an id used
            twice, a recording that does not exist, or no utterance at all.
    """
    manifest = Path(path)
    folder = manifest.absolute().parent
    first_line: dict[str, int] = {}
    utterances = []
    for number, line in _lines(manifest):
        where = f"{manifest}, line {number}"
        try:
            utterance = _utterance(_record(line, where), folder, where)
            if check_audio and not utterance.audio.is_file():
                raise ManifestError(f"{where}: there is no recording {utterance.audio}")
            if utterance.id in first_line:
                raise ManifestError(
                    f"{where}: id {utterance.id!r} was used on line {first_line[utterance.id]}; "
                    'give each line its own "id"'
                )
        except ManifestError as error:
            if faults is None:
                raise
            faults.append(str(error))
            continue
        first_line[utterance.id] = number
        utterances.append(utterance)
    if not utterances:
        because = f" ({faults[0]})" if faults else ""
        raise ManifestError(f"{manifest}: no utterances{because}; a manifest has one JSON object a line")
    return utterances


def read_audio_paths(path: str | Path) -> list[tuple[Path, Path]]:
    """The recordings that a manifest names, and where each lies below its folder; nothing else is read.

    A recording elsewhere lies below it by its name alone.

    Raises:
        ManifestError: no such file, not UTF-8 JSON lines, a line without "audio_filepath", or no line.
    """
    manifest = Path(path)
    folder = manifest.parent
    found = []
    for number, line in _lines(manifest):
        where = f"{manifest}, line {number}"
        fields = _record(line, where)
        name = _text(fields, "audio_filepath", where) if "audio_filepath" in fields else ""
        if not name:
            raise ManifestError(f"{where}: audio_filepath is missing or empty; name a recording")
        inside = not Path(name).is_absolute() and ".." not in Path(name).parts
        found.append((folder / name, Path(name) if inside else Path(Path(name).name)))
    if not found:
        raise ManifestError(f"{manifest}: no line; a manifest has one JSON object a line")
    return found


def _lines(manifest: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of every line that is not blank."""
    try:
        lines = manifest.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ManifestError(
            f"{manifest}: cannot be read ({error.strerror}); name a .jsonl manifest"
        ) from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{manifest}: not UTF-8 text; a manifest has one JSON object a line") from error
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise ManifestError(f"{where}: not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ManifestError(f"{where}: a JSON object is needed, not {line.strip()[:40]!r}")
    return fields


def _utterance(fields: dict[str, Any], folder: Path, where: str) -> Utterance:
    missing = [name for name in REQUIRED if name not in fields]
    if missing:
        raise ManifestError(f"{where}: missing {', '.join(missing)}; needed are {', '.join(REQUIRED)}")
    name = _text(fields, "audio_filepath", where)
    if not name:
        raise ManifestError(f"{where}: audio_filepath is empty; name a recording")
    audio = folder / name
    return Utterance(
        id=str(fields.get("id", audio.stem)),
        audio=audio,
        duration=_duration(fields["duration"], where),
        text=_text(fields, "text", where),
        speaker=_optional_text(fields, "speaker", where),
        source=_optional_text(fields, "source", where),
        entities=_entities(fields.get("entities"), where),
        where=where,
    )


def _text(fields: dict[str, Any], name: str, where: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise ManifestError(f"{where}: {name} must be a string, not {value!r}")
    return value


def _optional_text(fields: dict[str, Any], name: str, where: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name, where)


def _duration(value: object, where: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LONGEST_S:
        return float(value)
    raise ManifestError(f"{where}: duration must be a number of seconds, not {value!r}")


def _entities(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ManifestError(f"{where}: entities must be a list of strings, not {value!r}")
    return tuple(value)
