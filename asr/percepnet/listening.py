"""The denoiser in front of the recognizer: block by block, in time with the recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from asr.audio import AudioError
from asr.percepnet.denoiser import DenoiseError, DenoiseOptions, Denoiser, DenoiserStream

Float32 = NDArray[np.float32]

TUNED_MIX = 0.7
"""Share of the recording beside the denoised one when no other is asked for, chosen on dev."""


def listening_options(denoise: bool | float) -> DenoiseOptions | None:
    """How to denoise for a recognizer, None for not at all.

    True takes the share of the recording that was tuned, a number is that share: 0 is denoised speech alone.
    The post-filter is off: what it takes from quiet speech costs words.

    Raises:
        DenoiseError: a share that is not from 0 to 1.
    """
    if denoise is False:
        return None
    if not isinstance(denoise, int | float):
        raise DenoiseError(f"denoise is {denoise!r:.60}; accepted are True, False, and a share from 0 to 1")
    return DenoiseOptions(mix=TUNED_MIX if denoise is True else float(denoise))


def denoised_blocks(blocks: Iterable[Float32], denoiser: Denoiser) -> Iterator[Float32]:
    """Blocks of samples `(n,)` to blocks of other lengths that together are as long, and in time with them.

    Raises:
        AudioError: samples that are not finite or far beyond full scale.
    """
    stream, late, told = DenoiserStream(denoiser), denoiser.latency_samples, 0
    for block in blocks:
        try:
            heard = stream.feed(block)
        except DenoiseError as error:
            raise AudioError(f"cannot be denoised: {error}") from error
        begin, told = max(late - told, 0), told + len(heard)
        if begin < len(heard):
            yield heard[begin:]
    yield stream.finish()[max(late - told, 0) :]
