"""From samples to spectra, pitch, comb output and features, frame after frame, in compiled code.

Frame `l` covers the samples from `(l - 1) hop` to `(l + 1) hop`. What leaves the analysis is the frame
`LOOKAHEAD` before the newest one: its features hold the band energies of the newest frame, and the coherence
and the pitch of its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compiled, compiled_part
from asr.percepnet.bands import COMB_ORDER, LOOKAHEAD, LOWEST_LAG, Format
from asr.percepnet.comb import REACH_BACK, comb
from asr.percepnet.fourier import rfft
from asr.percepnet.pitch import PitchState, new_pitch_state, refine, track

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Complex128 = NDArray[np.complex128]
Int64 = NDArray[np.int64]

ENERGY_FLOOR = 1e-7
"""Added to a band's energy before the logarithm; full scale is about 1e4."""
LOG_OFFSET = 3.0
"""Added to the logarithm, which centres speech of usual level."""
PITCH_OFFSET = 2.0
"""Taken from the octaves above the shortest period, which centres them."""
CORRELATION_OFFSET = 0.5
"""Taken from the pitch correlation, which centres it."""


class AnalysisState(NamedTuple):
    """What the analysis remembers, and its scratch."""

    samples: Float64
    """The last samples, enough for the oldest period of the comb filter."""
    spectra: Complex128
    """The last frames, newest first, `(LOOKAHEAD + 1, hop + 1)`."""
    pitch: PitchState
    frame: Float64
    """Scratch `(2 hop,)`."""
    work: Float64
    """Scratch `(4, hop)`."""
    sums: Float64
    """Scratch `(3, bands)`."""


class Analysis(NamedTuple):
    """What is known of `n` frames."""

    features: Float32
    """`(n, features)`."""
    spectra: Complex128
    """`(n, hop + 1)`, as heard."""
    combed: Complex128
    """`(n, hop + 1)`, after the comb filter."""
    pitch: Float64
    """`(n, 2)`: period in samples, correlation of the whitened signal."""


def new_analysis_state(form: Format) -> AnalysisState:
    """The state before the first sample."""
    history = COMB_ORDER * form.highest_lag + REACH_BACK + 1
    return AnalysisState(
        np.zeros(history + (2 + LOOKAHEAD) * form.hop),
        np.zeros((LOOKAHEAD + 1, form.hop + 1), np.complex128),
        new_pitch_state(),
        np.zeros(2 * form.hop),
        np.zeros((4, form.hop)),
        np.zeros((3, form.bands)),
    )


def empty_analysis(form: Format, frames: int) -> Analysis:
    """Room for `frames` frames."""
    return Analysis(
        np.zeros((frames, form.features), np.float32),
        np.zeros((frames, form.hop + 1), np.complex128),
        np.zeros((frames, form.hop + 1), np.complex128),
        np.zeros((frames, 2)),
    )


@compiled
def analyse(form: Format, state: AnalysisState, hops: Float64, out: Analysis) -> None:
    """Take `hops` (n, hop) and fill `out`: row `i` is the frame `LOOKAHEAD` before that of `hops[i]`."""
    # The parts get plain arrays: compiling is several times slower where they get these large tuples.
    hop, decimation, window, fourier = form.hop, form.decimation, form.window, form.fourier
    band, share, weights, kernel, taps = form.band, form.share, form.comb, form.kernel, form.decimator
    samples, recent, frame, work, sums = state.samples, state.spectra, state.frame, state.work, state.sums
    pitch, features, bands = state.pitch, out.features, form.bands
    begin = len(samples) - (2 + LOOKAHEAD) * hop
    for i in range(len(hops)):
        _append(samples, hops[i])
        _append_decimated(pitch.stretch, samples, taps, hop, decimation)
        for age in range(LOOKAHEAD, 0, -1):
            for k in range(hop + 1):
                recent[age, k] = recent[age - 1, k]
        for n in range(2 * hop):
            frame[n] = samples[len(samples) - 2 * hop + n] * window[n]
        rfft(fourier, frame, work, recent[0])
        lag, correlation = track(pitch)
        period = refine(samples, begin, 2 * hop, lag, decimation)
        comb(weights, kernel, samples, begin, period, frame)
        for n in range(2 * hop):
            frame[n] *= window[n]
        rfft(fourier, frame, work, out.combed[i])
        for k in range(hop + 1):
            out.spectra[i, k] = recent[LOOKAHEAD, k]
        _energies(recent[0], band, share, sums[0], features[i, :bands])
        _coherences(out.spectra[i], out.combed[i], band, share, sums, features[i, bands : 2 * bands])
        features[i, 2 * bands] = math.log2(period / (LOWEST_LAG * decimation)) - PITCH_OFFSET
        features[i, 2 * bands + 1] = correlation - CORRELATION_OFFSET
        out.pitch[i, 0] = period
        out.pitch[i, 1] = correlation


@compiled_part
def _append(history: Float64, samples: Float64) -> None:
    """Append samples to a history and drop its oldest."""
    kept = len(history) - len(samples)
    for n in range(kept):
        history[n] = history[n + len(samples)]
    for n in range(len(samples)):
        history[kept + n] = samples[n]


@compiled_part
def _append_decimated(stretch: Float64, samples: Float64, taps: Float64, hop: int, decimation: int) -> None:
    """Append the newest hop to `stretch` at 16 kHz, late by half the length of the low-pass."""
    count = hop // decimation
    kept = len(stretch) - count
    for n in range(kept):
        stretch[n] = stretch[n + count]
    first = len(samples) - hop + decimation - len(taps)
    for n in range(count):
        total = 0.0
        for k in range(len(taps)):
            total += taps[k] * samples[first + n * decimation + k]
        stretch[kept + n] = total


@compiled_part
def _energies(spectrum: Complex128, band: Int64, share: Float64, sums: Float64, out: Float32) -> None:
    """Log energies of the bands of a spectrum."""
    sums[:] = 0.0
    for k in range(len(spectrum)):
        energy = spectrum[k].real ** 2 + spectrum[k].imag ** 2
        sums[band[k]] += (1 - share[k]) * energy
        sums[band[k] + 1] += share[k] * energy
    for b in range(len(out)):
        out[b] = math.log10(ENERGY_FLOOR + sums[b]) + LOG_OFFSET


@compiled_part
def _coherences(
    heard: Complex128, combed: Complex128, band: Int64, share: Float64, sums: Float64, out: Float32
) -> None:
    """Coherence of two spectra in each band, in [-1, 1], zero where one is silent."""
    sums[:] = 0.0
    for k in range(len(heard)):
        lower, upper, part = band[k], band[k] + 1, share[k]
        first = heard[k].real ** 2 + heard[k].imag ** 2
        second = combed[k].real ** 2 + combed[k].imag ** 2
        both = heard[k].real * combed[k].real + heard[k].imag * combed[k].imag
        sums[0, lower] += (1 - part) * first
        sums[0, upper] += part * first
        sums[1, lower] += (1 - part) * second
        sums[1, upper] += part * second
        sums[2, lower] += (1 - part) * both
        sums[2, upper] += part * both
    for b in range(len(out)):
        norm = math.sqrt(sums[0, b] * sums[1, b])
        out[b] = min(max(sums[2, b] / norm, -1.0), 1.0) if norm > 0.0 else 0.0
