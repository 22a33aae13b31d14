"""Many recordings: which files to transcribe, where their transcripts go, what to do when one fails."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from itertools import takewhile
from pathlib import Path

from asr.audio import AudioError
from asr.files import OutputError, write_text_atomic
from asr.manifest import read_audio_paths
from asr.result import Result
from asr.writers import WRITERS

log = logging.getLogger(__name__)

AUDIO_ENDINGS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64"}
)
"""File names that are taken for recordings when a folder is searched."""
MANIFEST = ".jsonl"
STDIN = "-"


class InputError(ValueError):
    """Recordings or outputs that cannot be what the user meant."""


@dataclass(frozen=True)
class Job:
    """One recording and the files that its transcript goes to, one a format; none means standard output."""

    audio: str
    outputs: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class Failure:
    """A recording that could not be transcribed, and why."""

    audio: str
    reason: str


def find_audio(inputs: Sequence[str], recursive: bool) -> list[tuple[str, Path]]:
    """Recordings named by files, folders, patterns, manifests and `-`, and where each lies below these.

    Raises:
        InputError: a folder holds no recording, or nothing fits a pattern.
        ManifestError: a manifest cannot be read.
    """
    found: list[tuple[str, Path]] = []
    for name in inputs:
        if not name:
            raise InputError("an empty name; give recordings, folders, or - for standard input")
        if name == STDIN:
            found.append((name, Path("stdin")))
        elif Path(name).is_dir():
            found += _in_folder(Path(name), recursive)
        elif Path(name).suffix == MANIFEST:
            found += [(os.fspath(file), relative) for file, relative in read_audio_paths(name)]
        elif has_magic(name) and not Path(name).exists():
            found += _fitting(name)
        else:
            found.append((name, Path(Path(name).name)))
    return found


def _in_folder(folder: Path, recursive: bool) -> list[tuple[str, Path]]:
    inside = folder.rglob("*") if recursive else folder.glob("*")
    files = sorted(file for file in inside if file.suffix.lower() in AUDIO_ENDINGS and file.is_file())
    if not files:
        hint = "" if recursive else "; use --recursive to search folders inside it"
        raise InputError(f"{folder}: a folder without recordings ({', '.join(sorted(AUDIO_ENDINGS))}){hint}")
    return [(os.fspath(file), file.relative_to(folder)) for file in files]


def _fitting(pattern: str) -> list[tuple[str, Path]]:
    """Files that fit a pattern that no shell has replaced; they keep their folders below its fixed part."""
    parts = Path(pattern).parts
    fixed = Path(*takewhile(lambda part: not has_magic(part), parts))
    fitting = fixed.glob("/".join(parts[len(fixed.parts) :]))
    files = sorted(file for file in fitting if file.is_file())
    if not files:
        raise InputError(f"{pattern}: no file fits this pattern; ** searches folders inside folders")
    return [(os.fspath(file), file.relative_to(fixed)) for file in files]


def plan_jobs(inputs: Sequence[str], recursive: bool, formats: Sequence[str], out: Path | None) -> list[Job]:
    """Jobs for all recordings. With `out`, transcripts keep their folders; two that collide are refused.

    Raises:
        InputError: an unknown format, more than one format for standard output, or two jobs with one output.
    """
    if unknown := [name for name in formats if name not in WRITERS]:
        raise InputError(f"unknown format {unknown[0]!r}; accepted are {', '.join(WRITERS)}")
    if out is None and len(formats) > 1:
        raise InputError("several formats need a folder: add -o DIR, or give one format")
    jobs = []
    claimed: dict[Path, str] = {}
    for audio, relative in find_audio(inputs, recursive):
        outputs = tuple((name, out / relative.with_suffix(f".{name}")) for name in formats) if out else ()
        for _, target in outputs:
            if target in claimed and claimed[target] != audio:
                raise InputError(
                    f"{audio} and {claimed[target]} would both be written to {target}; transcribe them apart"
                )
            claimed[target] = audio
        jobs.append(Job(audio, outputs))
    return list(dict.fromkeys(jobs))


def pending(jobs: Iterable[Job], overwrite: bool) -> list[Job]:
    """Jobs with an output that is not there yet; all of them with `overwrite`."""
    return [
        job
        for job in jobs
        if overwrite or not job.outputs or not all(path.exists() for _, path in job.outputs)
    ]


def run_jobs(
    jobs: Sequence[Job],
    writers: Mapping[str, Callable[[Result], str]],
    transcribe: Callable[[str], Result],
    show: Callable[[str, str], None],
) -> list[Failure]:
    """Transcribe each job and write it, or `show(audio, text)` what the first writer makes of it.

    A failure is reported and the rest go on.
    """
    failures = []
    for job in jobs:
        try:
            result = transcribe(job.audio)
            for name, target in job.outputs:
                _write(target, writers[name](result))
        except (AudioError, OutputError, UnicodeError) as error:
            log.error("%s", error)
            failures.append(Failure(job.audio, str(error)))
            continue
        if not job.outputs:
            show(job.audio, next(iter(writers.values()))(result))
    return failures


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent}: cannot be made ({error.strerror})") from error
    write_text_atomic(target, text)
