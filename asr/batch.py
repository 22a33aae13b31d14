"""Many recordings: which files to transcribe, where their transcripts go, what to do when one fails."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from asr.audio import AudioError
from asr.files import OutputError, write_text_atomic
from asr.manifest import read_audio_paths
from asr.stopping import stop_if_asked
from asr.workers import Done, OnProgress, shared_out
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
class Transcript:
    """What is made of a recording: its text in each format that is asked for, and what is told of it."""

    texts: Mapping[str, str]
    told: str = ""


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


class Progress(Protocol):
    """Hears how far recordings are; see `asr.progress.AudioProgress`."""

    def tell(self, audio: str, done: float, total: float) -> None:
        """So many seconds of a recording are done."""

    def end(self, audio: str) -> None:
        """No more of it will be."""


def run_jobs(
    jobs: Sequence[Job],
    hear: Callable[[str, OnProgress], Transcript],
    show: Callable[[Job, Transcript], None],
    progress: Progress,
    workers: int = 1,
) -> list[Failure]:
    """Hear each recording, write what is made of it, and show it, in the order of the jobs.

    A failure is reported and the rest go on. Files are written as soon as their recording is done, by this
    process; with several `workers`, forked processes do the hearing (see `asr.workers`).

    Raises:
        InputError: standard input is among recordings that several workers share.
    """
    if workers > 1 and any(job.audio == STDIN for job in jobs):
        raise InputError("standard input cannot be read by several processes; transcribe it by itself")
    failures, held = [], dict[int, Done[Transcript | Failure]]()
    with closing(_all_heard(jobs, hear, progress, workers)) as arriving:
        turn = 0
        for done in arriving:
            stop_if_asked()  # before anything is made of a recording that may have been heard in part
            held[done.place] = replace(done, result=_kept(jobs[done.place], done))
            progress.end(jobs[done.place].audio)
            while turn in held:
                failures += _told(jobs[turn], held.pop(turn), show)
                turn += 1
    return failures


def _all_heard(
    jobs: Sequence[Job],
    hear: Callable[[str, OnProgress], Transcript],
    progress: Progress,
    workers: int,
) -> Generator[Done[Transcript | Failure], None, None]:
    """What becomes of each recording, as it is done."""

    def work(place: int, on_progress: OnProgress) -> Transcript | Failure:
        audio = jobs[place].audio
        try:
            return hear(audio, on_progress)
        except (AudioError, UnicodeError) as error:
            return Failure(audio, str(error))

    def tell(place: int, done: float, total: float) -> None:
        progress.tell(jobs[place].audio, done, total)

    if workers > 1:
        yield from shared_out(work, len(jobs), workers, tell)
    else:
        for place in range(len(jobs)):
            yield Done(place, work(place, partial(tell, place)))


def _kept(job: Job, done: Done[Transcript | Failure]) -> Transcript | Failure:
    """What was heard, once it is written."""
    if done.result is None:
        code = done.ended or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return Failure(job.audio, f"{job.audio}: its process was ended {how}; fewer --jobs need less memory")
    if isinstance(done.result, Transcript):
        try:
            for name, target in job.outputs:
                _write(target, done.result.texts[name])
        except (OutputError, UnicodeError) as error:
            return Failure(job.audio, str(error))
    return done.result


def _told(
    job: Job, done: Done[Transcript | Failure], show: Callable[[Job, Transcript], None]
) -> list[Failure]:
    """Say what became of a recording; returns its failure, if it is one."""
    for one in done.logged:
        logging.getLogger(one.logger).log(one.level, "%s", one.text)
    if isinstance(done.result, Failure):
        log.error("%s", done.result.reason)
        return [done.result]
    if done.result is not None:
        show(job, done.result)
    return []


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent}: cannot be made ({error.strerror})") from error
    write_text_atomic(target, text)
