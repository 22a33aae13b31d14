"""Denoising files: which, where to, every channel by itself, in the rate, length and format they came in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from asr.audio import AudioError, duration, read_audio
from asr.batch import STDIN, InputError, Progress, find_audio
from asr.files import OutputError
from asr.percepnet.denoiser import DenoiseError, DenoiseOptions, Denoiser
from asr.percepnet.model import DenoiserModel, load_model
from asr.percepnet.plots import plot_denoised
from asr.percepnet.shipped import shipped_folder

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]

NARROW, WIDE = 16_000, 48_000
"""Rates that denoisers come for."""


@dataclass(frozen=True)
class DenoiseJob:
    """A recording and the file that its denoised version goes to."""

    audio: str
    target: Path


def plan(inputs: Sequence[str], recursive: bool, out: Path) -> list[DenoiseJob]:
    """Jobs for all recordings, which keep their names and folders below `out`.

    Raises:
        InputError: standard input, two recordings with one target, or a recording that is its own target.
    """
    jobs: dict[Path, DenoiseJob] = {}
    for audio, relative in find_audio(inputs, recursive):
        if audio == STDIN:
            raise InputError("standard input has no format to write in; name files or folders")
        target = out / relative
        if target.exists() and Path(audio).exists() and target.samefile(audio):
            raise InputError(f"{audio} would be written over itself; name another folder with -o")
        if target in jobs and jobs[target].audio != audio:
            raise InputError(
                f"{audio} and {jobs[target].audio} would both be written to {target}; denoise them apart"
            )
        jobs[target] = DenoiseJob(audio, target)
    return list(jobs.values())


@dataclass(frozen=True)
class RecordingDenoiser:
    """What is done to each recording."""

    model: DenoiserModel | None
    """None: the one that comes with this version for the recording's rate."""
    options: DenoiseOptions
    plot: bool = False
    """Whether a picture is drawn beside each result."""

    def __call__(self, job: DenoiseJob) -> None:
        """Denoise one recording.

        Raises:
            AudioError, DenoiseError: it cannot be read or used.
            OutputError: the result cannot be written.
        """
        duration(job.audio)  # names what is wrong with a file that is no audio
        info = soundfile.info(job.audio)
        model = self.model or shipped_model(info.samplerate)
        rate = model.sample_rate
        if info.samplerate > rate:
            log.warning("%s: sound above %d Hz is lost, the denoiser ends there", job.audio, rate // 2)
        columns = []
        for channel in range(info.channels):
            heard = read_audio(job.audio, info.samplerate, channel)
            noisy = soxr.resample(heard, info.samplerate, rate, quality="HQ")
            denoiser = Denoiser(rate, model, self.options)
            clean = denoiser.denoise(noisy)
            if self.plot:
                suffix = f".{channel + 1}.png" if info.channels > 1 else ".png"
                _make_folder(job.target.parent)
                plot_denoised(denoiser, noisy, clean, job.target.with_suffix(suffix))
            column = np.zeros_like(heard)
            restored = soxr.resample(clean, rate, info.samplerate, quality="HQ")[: len(column)]
            column[: len(restored)] = restored
            columns.append(column)
        _write(job.target, np.stack(columns, 1), info)


@cache
def shipped_model(sample_rate: int) -> DenoiserModel:
    """The shipped model that keeps all that a recording of this rate holds, or most of it."""
    return load_model(shipped_folder(NARROW if sample_rate <= NARROW else WIDE))


def denoise_all(
    jobs: Sequence[DenoiseJob],
    work: Callable[[DenoiseJob], None],
    progress: Progress,
) -> int:
    """Denoise each job; a failure is reported and the rest go on. Returns how many failed."""
    failed = 0
    for job in jobs:
        try:
            work(job)
            seconds = soundfile.info(job.audio).duration
            progress.tell(job.audio, seconds, seconds)
        except (AudioError, DenoiseError, OutputError) as error:
            log.error("%s", error)
            failed += 1
            progress.end(job.audio)
    return failed


def _write(target: Path, samples: Samples, info: soundfile._SoundFileInfo) -> None:
    """Write `(N, channels)` in the format that `info` describes; the file is whole or absent."""
    partial = target.with_name(f".{target.name}.part")
    try:
        _make_folder(target.parent)
        try:
            clipped = np.clip(samples, -1.0, 1.0)
            soundfile.write(partial, clipped, info.samplerate, format=info.format, subtype=info.subtype)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise OutputError(f"{target}: cannot be written ({error})") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error
