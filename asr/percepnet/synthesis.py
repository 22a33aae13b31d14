"""From spectra, gains and strengths back to samples, in compiled code.

Source: PercepNet (Valin et al. 2020), sections 4 and 5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compiled, compiled_part
from asr.percepnet.bands import Format
from asr.percepnet.fourier import irfft

Float64 = NDArray[np.float64]
Complex128 = NDArray[np.complex128]
Int64 = NDArray[np.int64]

POST_FILTER_BETA = 0.02
"""Bounds the post-filter's lift to 5.57 dB."""
HIGHEST_RESCALE = 10.0
"""Most that the comb filter's loss in a band is made up for, in amplitude."""
SILENCE = 1e-30
"""Energy below which ratios of energies are not formed."""


class SynthesisState(NamedTuple):
    """What the synthesis remembers, and its scratch."""

    overlap: Float64
    """Second half of the last frame `(hop,)`."""
    frame: Float64
    """Scratch `(2 hop,)`."""
    work: Float64
    """Scratch `(4, hop)`."""
    mixed: Complex128
    """Scratch `(hop + 1,)`."""
    energies: Float64
    """Scratch `(2, bands)`."""
    scale: Float64
    """Scratch `(bands,)`."""


def new_synthesis_state(form: Format) -> SynthesisState:
    """The state before the first frame."""
    return SynthesisState(
        np.zeros(form.hop),
        np.zeros(2 * form.hop),
        np.zeros((4, form.hop)),
        np.zeros(form.hop + 1, np.complex128),
        np.zeros((2, form.bands)),
        np.zeros(form.bands),
    )


class Shaping(NamedTuple):
    """How gains are used."""

    floor: float
    """Least gain."""
    post_filter: bool
    """Whether the envelope post-filter sharpens the gains."""


@compiled
def synthesise(  # noqa: PLR0913, PLR0917 - arrays of one frame each
    form: Format,
    state: SynthesisState,
    spectra: Complex128,
    combed: Complex128,
    gains: Float64,
    strengths: Float64,
    shaping: Shaping,
    out: Float64,
) -> None:
    """Fill `out` (n, hop): frame `l` gives the samples from `(l - 1) hop` to `l hop`.

    `spectra` and `combed` are (n, hop + 1); `gains` and `strengths` (n, bands).
    """
    # The parts get plain arrays: compiling is several times slower where they get these large tuples.
    hop, bands, band, share = form.hop, form.bands, form.band, form.share
    fourier, window, floor, sharpen = form.fourier, form.window, shaping.floor, shaping.post_filter
    overlap, frame, work, mixed = state.overlap, state.frame, state.work, state.mixed
    energies, scale = state.energies, state.scale
    for i in range(len(out)):
        _mix(spectra[i], combed[i], strengths[i], band, share, mixed)
        _measure(spectra[i], band, share, energies[0])
        _measure(mixed, band, share, energies[1])
        shape(gains[i], energies[0], floor, sharpen, scale)
        for b in range(bands):
            if energies[1, b] > SILENCE:
                scale[b] *= min(HIGHEST_RESCALE, math.sqrt(energies[0, b] / energies[1, b]))
        for k in range(hop + 1):
            mixed[k] *= (1 - share[k]) * scale[band[k]] + share[k] * scale[band[k] + 1]
        irfft(fourier, mixed, work, frame)
        for n in range(hop):
            out[i, n] = frame[n] * window[n] + overlap[n]
            overlap[n] = frame[hop + n] * window[hop + n]


@compiled_part
def _mix(
    heard: Complex128, combed: Complex128, strengths: Float64, band: Int64, share: Float64, out: Complex128
) -> None:
    """Mix the comb output in by strength."""
    for k in range(len(out)):
        strength = (1 - share[k]) * strengths[band[k]] + share[k] * strengths[band[k] + 1]
        out[k] = heard[k] + strength * (combed[k] - heard[k])


@compiled_part
def _measure(spectrum: Complex128, band: Int64, share: Float64, out: Float64) -> None:
    """Energy of each band."""
    out[:] = 0.0
    for k in range(len(spectrum)):
        energy = spectrum[k].real ** 2 + spectrum[k].imag ** 2
        out[band[k]] += (1 - share[k]) * energy
        out[band[k] + 1] += share[k] * energy


@compiled_part
def shape(gains: Float64, energies: Float64, floor: float, sharpen: bool, out: Float64) -> None:
    """The gains that are applied: not below the floor; sharpened, with one lift for all bands.

    `sharpen` asks for the post-filter of section 5: `g sin(pi/2 g)`, and a lift that gives back part of the
    energy lost.
    """
    before = after = 0.0
    for b in range(len(gains)):
        out[b] = max(gains[b], floor)
        warped = out[b] * math.sin(0.5 * math.pi * min(out[b], 1.0))
        before += out[b] ** 2 * energies[b]
        after += warped**2 * energies[b]
    if not sharpen:
        return
    lift = 1.0
    if after > SILENCE:
        ratio = before / after
        lift = math.sqrt((1 + POST_FILTER_BETA) * ratio / (1 + POST_FILTER_BETA * ratio * ratio))
    for b in range(len(gains)):
        out[b] *= lift * math.sin(0.5 * math.pi * min(out[b], 1.0))
