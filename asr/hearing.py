"""A recording as batches of segments for the encoder, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from asr.audio import AudioSource, stream_audio
from asr.features import SAMPLE_RATE
from asr.grouping import grouped
from asr.percepnet import Denoiser
from asr.percepnet.listening import denoised_blocks, listening_options
from asr.segmenter import AudioSegment, segments
from asr.workers import OnProgress

BATCH_SECONDS = 60.0
"""Audio that goes through the encoder at once, padding included: two cores kept busy in little memory."""


class Progress:
    """Turns what is done of each channel into what is done of the recording.

    The seconds never shrink, and the last call has as many done as in all; what a damaged recording states
    too much is told as the whole until then.
    """

    def __init__(self, on_progress: OnProgress | None, channels: int) -> None:
        self._on_progress, self._channels = on_progress, channels
        self._length = self._before = self._now = 0.0

    def opened(self, seconds: float) -> None:
        """A channel begins, of a recording that states so many seconds."""
        self._length = max(self._length, seconds)
        self._before, self._now = self._before + self._now, 0.0

    def heard(self, seconds: float) -> None:
        """So many seconds of the channel are done."""
        self._now = seconds
        self._length = max(self._length, seconds)
        self._tell(self._length)

    def finished(self, seconds: float) -> None:
        """All channels are done; the recording was so long."""
        self._before, self._now = self._channels * seconds, 0.0
        self._tell(seconds)

    def _tell(self, length: float) -> None:
        if self._on_progress is not None:
            self._on_progress((self._before + self._now) / self._channels, length)


def heard_batches(
    audio: AudioSource, denoise: bool | float, channel: int | None, progress: Progress
) -> Iterator[list[AudioSegment]]:
    """The segments of one channel, or of the mean of all, with less noise if that is asked for."""
    options = listening_options(denoise)
    blocks: Iterator[NDArray[np.float32]]
    blocks = stream_audio(audio, SAMPLE_RATE, channel=channel, on_open=progress.opened)
    if options is not None:
        blocks = denoised_blocks(blocks, Denoiser(SAMPLE_RATE, options=options))
    return grouped(segments(blocks), lambda one: len(one.samples), BATCH_SECONDS * SAMPLE_RATE)
