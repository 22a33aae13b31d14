"""What the network should say: gains and comb strengths from clean and noisy speech together.

The comb output of the noisy signal is the one that the runtime pitch tracker leads to; the periodic part of
the clean signal comes from the track of the clean signal. Source: PercepNet (Valin et al. 2020), sections 3
and 4; the strength solves the paper's equation with measured coherences instead of modelled ones, and is zero
where the comb filter would not help.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.percepnet.analysis import Analysis, analyse, empty_analysis, new_analysis_state
from asr.percepnet.bands import LOOKAHEAD, Format, audio_format, band_weights

Float64 = NDArray[np.float64]
Complex128 = NDArray[np.complex128]

ATTENUATION_FLOOR = 0.03
"""`n0` of section 3: limits the extra attenuation to 15.4 dB."""
SILENT_BAND = 1e-6
"""Energy below which a band of both signals has no gain to learn."""
NOTHING = 1e-30


@dataclass(frozen=True)
class Targets:
    """Arrays `(n, bands)`."""

    gains: Float64
    """In [0, 1]."""
    strengths: Float64
    """In [0, 1]: 0 leaves the noisy signal, 1 puts the comb output in its place."""
    weights: Float64
    """0 where a band has no energy to learn from, else 1."""


@dataclass(frozen=True)
class Coherences:
    """How alike the bands of noisy signal, comb output and clean periodic part are, arrays `(n, bands)`."""

    clean: Float64
    """Clean signal and its periodic part."""
    noisy: Float64
    """Noisy signal and the clean periodic part."""
    combed: Float64
    """Comb output and the clean periodic part."""
    between: Float64
    """Noisy signal and comb output."""
    ratio: Float64
    """Amplitude of the comb output over that of the noisy signal."""


def analyse_signal(form: Format, samples: NDArray[np.floating[Any]]) -> Analysis:
    """All frames `0 .. ceil(N / hop)` of a whole signal `(N,)`; beyond its ends are zeros."""
    count = -(-len(samples) // form.hop) + 1
    hops = np.zeros((count + LOOKAHEAD) * form.hop)
    hops[: len(samples)] = samples
    found = empty_analysis(form, count + LOOKAHEAD)
    analyse(form, new_analysis_state(form), hops.reshape(-1, form.hop), found)
    return Analysis(
        found.features[LOOKAHEAD:],
        found.spectra[LOOKAHEAD:],
        found.combed[LOOKAHEAD:],
        found.pitch[LOOKAHEAD:],
    )


def make_targets(form: Format, clean: Analysis, noisy: Analysis, attenuate: bool = False) -> Targets:
    """Targets of frames analysed from clean speech and the same speech in noise.

    `attenuate` lowers the gain of bands that stay noisier than clean speech even after the comb filter
    (section 3); it makes noise less audible between harmonics and is of no use to a recognizer.
    """
    energy_clean = band_products(form, clean.spectra, clean.spectra)
    energy_noisy = band_products(form, noisy.spectra, noisy.spectra)
    gains = np.sqrt(np.clip(energy_clean / np.maximum(energy_noisy, NOTHING), 0.0, 1.0))
    found = measure_coherences(form, clean, noisy)
    strengths = comb_strengths(found)
    if attenuate:
        gains = gains * attenuation(found.clean, mixed_coherence(found, strengths))
    heard = (energy_clean > SILENT_BAND) | (energy_noisy > SILENT_BAND)
    return Targets(gains, strengths, heard.astype(np.float64))


def band_products(form: Format, first: Complex128, second: Complex128) -> Float64:
    """Inner products `(n, bands)` of two spectra `(n, hop + 1)` in each band, the real part."""
    product = first.real * second.real + first.imag * second.imag
    return np.asarray(product @ _weights(form.sample_rate).T)


@cache
def _weights(sample_rate: int) -> Float64:
    form = audio_format(sample_rate)
    return band_weights(form.edges, form.hop + 1)


def measure_coherences(form: Format, clean: Analysis, noisy: Analysis) -> Coherences:
    """Coherences of the bands, zero where a band is silent."""

    def norms(spectra: Complex128) -> Float64:
        return np.asarray(np.sqrt(np.maximum(band_products(form, spectra, spectra), 0.0)))

    def coherence(a: Complex128, b: Complex128) -> Float64:
        return np.asarray(
            np.clip(band_products(form, a, b) / np.maximum(norms(a) * norms(b), NOTHING), -1.0, 1.0)
        )

    periodic = clean.combed
    return Coherences(
        clean=np.maximum(coherence(clean.spectra, periodic), 0.0),
        noisy=np.maximum(coherence(noisy.spectra, periodic), 0.0),
        combed=np.maximum(coherence(noisy.combed, periodic), 0.0),
        between=coherence(noisy.spectra, noisy.combed),
        ratio=norms(noisy.combed) / np.maximum(norms(noisy.spectra), NOTHING),
    )


def comb_strengths(found: Coherences) -> Float64:
    """The strength that gives the mix the coherence of the clean signal, in [0, 1].

    With `y` and `p` of norm 1, the coherence of `y + u p` is that of the clean signal where
    `a u^2 + 2 b u = c`; full strength where the comb output is still less coherent than the clean signal,
    none where it is no more coherent than the noisy one or the noisy one is coherent enough.
    """
    q_x, q_y, q_p = found.clean, found.noisy, found.combed
    a = q_p**2 - q_x**2
    b = q_p * q_y - q_x**2 * found.between
    c = q_x**2 - q_y**2
    root = np.sqrt(np.maximum(b**2 + a * c, 0.0))
    # c / (b + root) is (root - b) / a without the division by a vanishing a.
    ratio = np.maximum(c / np.where(b + root > NOTHING, b + root, np.inf), 0.0)
    weight = ratio / np.maximum(found.ratio, NOTHING)
    strengths = weight / (1 + weight)
    strengths = np.where(q_p < q_x, 1.0, strengths)
    return np.where((q_p <= q_y) | (q_x <= q_y), 0.0, strengths)


def mixed_coherence(found: Coherences, strengths: Float64) -> Float64:
    """Coherence of the mix with the clean periodic part."""
    keep, add = 1 - strengths, strengths * found.ratio
    power = keep**2 + add**2 + 2 * keep * add * found.between
    return np.asarray((keep * found.noisy + add * found.combed) / np.sqrt(np.maximum(power, 1e-12)))


def attenuation(wanted: Float64, reached: Float64) -> Float64:
    """Extra gain, at most 1, of bands whose coherence stays below that of clean speech (section 3)."""
    power = (1 + ATTENUATION_FLOOR - wanted**2) / (1 + ATTENUATION_FLOOR - np.minimum(reached, 1.0) ** 2)
    return np.asarray(np.sqrt(np.minimum(power, 1.0)))
