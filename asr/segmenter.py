"""Cutting long audio at its silences, so that each piece fits the recognizer and no word is cut in two.

The pieces tile the input: nothing is dropped, overlapped or changed, so no word can be lost or heard twice.
Each cut depends on nothing but the samples since the cut before it, so the blocks they came in do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 10
# Energy is averaged over this many frames before it is compared, as one frame of noise says little.
SMOOTHED_FRAMES = 3
# Not the minimum: a drop-out of the transmission is quieter than any background and says nothing about it.
FLOOR_PERCENTILE = 5
# Frames between two estimates of the floor, which is much slower than speech.
FLOOR_STEP = 25
SILENT_DB = -120.0
# The loudest frames of 30 s of white noise are 1.1 dB above its median, those of clips of the speech of
# LibriSpeech in white noise 5 dB louder than itself 3.0 dB or more.
STEADY_DB = 2.0
STEADY_FRAMES = 100


class SegmenterError(ValueError):
    """Segmenter options that contradict each other."""


@dataclass(frozen=True)
class SegmenterOptions:
    """When and where long audio is cut.

    Attributes:
        sample_rate: rate of the samples in Hz.
        max_segment_s: no segment is longer than this.
        min_segment_s: no cut is made earlier than this after the one before; the longest silence between here
            and `max_segment_s` is the place of the cut.
        min_silence_ms: a shorter pause may be the inside of a word and does not count as a silence.
        margin_db: a frame is silent up to this much above the noise floor around it.
        floor_window_s: the noise floor is taken from the quietest frames within this distance to either side,
            so that it follows a background that changes.
        contrast_db: a frame is not silent unless it is this much below the loud frames of the segment;
            without it a long steady sound would become its own noise floor.
        absolute_silence_db: below this level (dB re full scale) a frame is silent whatever surrounds it.
    """

    sample_rate: int = 16_000
    max_segment_s: float = 30.0
    min_segment_s: float = 10.0
    min_silence_ms: float = 100.0
    margin_db: float = 9.0
    floor_window_s: float = 4.0
    contrast_db: float = 6.0
    absolute_silence_db: float = -70.0

    def __post_init__(self) -> None:
        if self.sample_rate < 1000:
            raise SegmenterError(f"sample_rate must be 1000 Hz or more, not {self.sample_rate}")
        room_s = self.max_segment_s - self.min_segment_s
        if not (self.min_segment_s > 0 and room_s * 1000 >= 2 * FRAME_MS):
            raise SegmenterError(
                f"min_segment_s {self.min_segment_s} and max_segment_s {self.max_segment_s}: "
                f"needed are 0 < min_segment_s and {2 * FRAME_MS} ms between the two"
            )
        if not (self.min_silence_ms > 0 and self.floor_window_s > 0):
            raise SegmenterError("min_silence_ms and floor_window_s must be above 0")

    @property
    def frame(self) -> int:
        """Samples in a frame of 10 ms."""
        return round(self.sample_rate * FRAME_MS / 1000)

    @property
    def max_samples(self) -> int:
        """Samples in the longest segment."""
        return int(self.max_segment_s * self.sample_rate)


@dataclass(frozen=True, eq=False)
class AudioSegment:
    """A stretch of the input: where it starts, in seconds, and its samples (n,) float32."""

    start_s: float
    samples: NDArray[np.float32]


def segments(
    blocks: Iterable[NDArray[np.float32]], options: SegmenterOptions | None = None
) -> Iterator[AudioSegment]:
    """Cut a stream of sample blocks, each (n,) of any length, into segments at silences.

    The segments joined are the input bit for bit, and none is longer than `max_segment_s`. Where the
    admissible stretch has no silence, the cut goes through its quietest 10 ms. At most one segment and one
    block are held.
    """
    options = options or SegmenterOptions()
    start = 0
    for samples in _tiles(blocks, options):
        yield AudioSegment(start / options.sample_rate, samples)
        start += len(samples)


def _tiles(blocks: Iterable[NDArray[np.float32]], options: SegmenterOptions) -> Iterator[NDArray[np.float32]]:
    held: list[NDArray[np.float32]] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count <= options.max_samples:
            continue
        samples = np.concatenate(held)
        done = 0
        while count - done > options.max_samples:
            end = done + cut_position(samples[done : done + options.max_samples], options)
            # A copy, for a slice would keep the whole of a large block alive as long as the segment.
            yield samples[done:end].copy()
            done = end
        held = [samples[done:]]
        count -= done
    if count:
        yield np.concatenate(held)


def cut_position(samples: NDArray[np.float32], options: SegmenterOptions) -> int:
    """Return where to end the segment that starts with these `max_segment_s` of samples (n,).

    It is the middle of the longest silence after `min_segment_s` (of the last one, if several are as long),
    or the middle of the quietest frame.
    """
    levels = frame_levels_db(samples, options.frame)
    first = int(np.ceil(options.min_segment_s * options.sample_rate / options.frame))
    silent = silent_frames(levels, options)[first:]
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False))
    begins, ends = edges[::2], edges[1::2]
    lengths = ends - begins
    if len(lengths) and lengths.max() * FRAME_MS >= options.min_silence_ms:
        longest = len(lengths) - 1 - int(np.argmax(lengths[::-1]))
        middle = 2 * first + int(begins[longest] + ends[longest])
    else:
        middle = 2 * (first + int(np.argmin(levels[first:]))) + 1
    return middle * options.frame // 2


def frame_levels_db(samples: NDArray[np.float32], frame: int) -> NDArray[np.float64]:
    """Return the level of each whole frame in dB re full scale (F,), with any constant offset taken out."""
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power = whole.var(axis=1, dtype=np.float64)
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (SILENT_DB / 10))), np.float64)


def silent_frames(levels: NDArray[np.float64], options: SegmenterOptions) -> NDArray[np.bool_]:
    """Tell for each frame (F,) whether it is silence.

    The noise floor is a low quantile of the smoothed level over a window, after Stahl, Fischer and Bippus
    2000, "Quantile based noise estimation for spectral subtraction and Wiener filtering", on the broadband
    energy alone and looking both ways, as the whole segment is at hand.
    """
    smooth = _smooth(levels)
    around = _windows(smooth, round(options.floor_window_s * 1000 / FRAME_MS))
    floor = np.percentile(around[::FLOOR_STEP], FLOOR_PERCENTILE, axis=1).repeat(FLOOR_STEP)[: len(smooth)]
    loud = np.percentile(smooth, 95)
    threshold = np.minimum(floor + options.margin_db, loud - options.contrast_db)
    return np.asarray(smooth <= np.maximum(threshold, options.absolute_silence_db))


def is_steady(samples: NDArray[np.float32]) -> bool:
    """Tell whether 16 kHz samples (n,), 1 s or more, are as loud throughout as no speech is, even in noise.

    A recognizer may take letters out of hiss when nothing was said. Shorter sounds say too little to tell.
    """
    levels = frame_levels_db(samples, SegmenterOptions().frame)
    if len(levels) < STEADY_FRAMES:
        return False
    smooth = _smooth(levels)
    return bool(smooth.max() - np.median(smooth) < STEADY_DB)


def _smooth(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return levels (F,) in dB of the mean energy of some frames around each."""
    energy = _windows(10 ** (levels / 10), SMOOTHED_FRAMES // 2).mean(axis=1)
    return np.asarray(10 * np.log10(energy), np.float64)


def _windows(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return for each value those within `reach` of it, (F, 2 reach + 1), the ends being repeated."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, mode="edge"), 2 * reach + 1)
