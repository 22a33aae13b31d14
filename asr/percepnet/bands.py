"""Framing and bands: 20 ms windows every 10 ms, triangular ERB bands, for each supported rate.

Source: Valin et al. 2020, "A Perceptually-Motivated Approach for Low-Complexity, Real-Time Enhancement of
Fullband Speech" (PercepNet), section 2.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.percepnet.fourier import Fourier, make_fourier

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

NARROWEST = 2
"""Fewest bins in a band: 100 Hz."""
COMB_ORDER = 5
"""Periods that the comb filter reaches to either side, where the look-ahead allows."""
LOOKAHEAD = 2
"""Frames of the future that a frame may use."""
KERNEL_TAPS, KERNEL_PHASES = 8, 32
"""Windowed-sinc interpolation between samples: taps, and positions between two samples."""
PITCH_RATE = 16_000
"""Rate at which the pitch is tracked, in Hz."""
LOWEST_LAG, HIGHEST_LAG = 20, 256
"""Pitch periods looked for, in samples at `PITCH_RATE`: 800 to 62.5 Hz."""
PREDICTION_ORDER = 16
"""Order of the linear prediction that whitens the signal before the pitch is measured."""


class FormatError(ValueError):
    """A sampling rate that the denoiser has no bands for."""


class Format(NamedTuple):
    """All constants of one sampling rate, as compiled code wants them."""

    sample_rate: int
    """In Hz."""
    hop: int
    """Samples from one frame to the next; a window is twice as long."""
    bands: int
    decimation: int
    """Samples per sample at `PITCH_RATE`."""
    edges: Int64
    """Centres of the bands `(bands,)` in bins of 50 Hz."""
    band: Int64
    """Lower of the two bands that each bin belongs to, `(hop + 1,)`."""
    share: Float64
    """Share of each bin in the upper one of its two bands, `(hop + 1,)`."""
    window: Float64
    """`(2 hop,)`."""
    comb: Float64
    """Hann weights of the comb filter, `(2 COMB_ORDER + 1,)`, before they are scaled to sum 1."""
    kernel: Float64
    """Interpolation between samples `(KERNEL_PHASES, KERNEL_TAPS)`."""
    decimator: Float64
    """Low-pass before decimation, of odd length; a single 1 where nothing is decimated."""
    fourier: Fourier

    @property
    def highest_lag(self) -> int:
        """Longest period in samples at `sample_rate`."""
        return HIGHEST_LAG * self.decimation

    @property
    def features(self) -> int:
        """Inputs of the network per frame: energy and coherence of each band, pitch, its correlation."""
        return 2 * self.bands + 2


@cache
def audio_format(sample_rate: int) -> Format:
    """The format of 16 or 48 kHz audio. Raises `FormatError` for other rates."""
    if sample_rate == 16_000:
        edges = edges_upward(32, 160)
    elif sample_rate == 48_000:
        edges = edges_downward(400)
    else:
        raise FormatError(f"sample rate {sample_rate!r} Hz; accepted are 16000 and 48000, so resample first")
    hop, decimation = sample_rate // 100, sample_rate // PITCH_RATE
    weights = band_weights(edges, hop + 1)
    band = np.minimum(np.searchsorted(edges, np.arange(hop + 1), side="right") - 1, len(edges) - 2)
    return Format(
        sample_rate,
        hop,
        len(edges),
        decimation,
        edges,
        band,
        weights[band + 1, np.arange(hop + 1)],
        vorbis_window(2 * hop),
        0.5 - 0.5 * np.cos(np.pi * np.arange(1, 2 * COMB_ORDER + 2) / (COMB_ORDER + 1)),
        interpolation_kernel(),
        decimation_filter(decimation),
        make_fourier(2 * hop),
    )


def vorbis_window(length: int) -> Float64:
    """The power-complementary window of Vorbis: `w[n]^2 + w[n + length / 2]^2 = 1`."""
    angle = 0.5 * np.pi * np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
    return np.asarray(np.sin(angle))


def edges_upward(count: int, last: int) -> Int64:
    """Band centres in bins, `count` equal steps on the ERB scale (Glasberg & Moore 1990), none too narrow."""

    def walk(step: float) -> Float64:
        edges = [0.0]
        for _ in range(count - 1):
            edges.append(max(edges[-1] + NARROWEST, _bins(_erb(edges[-1]) + step)))
        return np.array(edges)

    low, high = 0.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if walk(middle)[-1] < last else (low, middle)
    return np.round(walk(high)).astype(np.int64)


def edges_downward(last: int) -> Int64:
    """Band centres in bins, one ERB apart from the highest down; the two that the scale ends on merge.

    The table for full-band audio: 34 bands from 0 to 20 kHz.
    """
    edges = [last]
    while edges[-1] > 0:
        kilohertz = edges[-1] / 20
        edges.append(edges[-1] - max(NARROWEST, round(24.7 * (4.37 * kilohertz + 1) / 50)))
    upward = edges[::-1]
    place = upward.index(14)
    return np.array([*upward[:place], 15, *upward[place + 2 :]], np.int64)


def _erb(bins: float) -> float:
    return 9.265 * float(np.log(1 + bins * 50 / (24.7 * 9.265)))


def _bins(erb: float) -> float:
    return (float(np.exp(erb / 9.265)) - 1) * 24.7 * 9.265 / 50


def band_weights(edges: Int64, bins: int) -> Float64:
    """Triangles `(bands, bins)` that sum to 1 in every bin; the last band stays 1 up to the highest bin."""
    heights = np.eye(len(edges))
    return np.stack([np.interp(np.arange(bins), edges, height) for height in heights])


def interpolation_kernel() -> Float64:
    """Windowed-sinc weights: row `p` reads a signal `p / KERNEL_PHASES` after the fourth of eight samples."""
    offsets = np.arange(KERNEL_TAPS) - (KERNEL_TAPS // 2 - 1)
    position = offsets - np.arange(KERNEL_PHASES)[:, None] / KERNEL_PHASES
    taper = np.cos(np.pi * position / (KERNEL_TAPS + 1)) ** 2
    weights = np.sinc(position) * taper
    return np.asarray(weights / weights.sum(1, keepdims=True))


def decimation_filter(factor: int) -> Float64:
    """Hann-windowed sinc of 16 periods at the low rate, cut off at 7 kHz of `PITCH_RATE`."""
    if factor == 1:
        return np.ones(1)
    half = 8 * factor
    position = np.arange(-half, half + 1)
    taps = np.sinc(position * 14 / 16 / factor) * np.cos(np.pi * position / (2 * half + 2)) ** 2
    return np.asarray(taps / taps.sum())
