"""Laws of the oracle: its formula, its guards, and what it is worth."""

import numpy as np
import pytest

from asr.percepnet.analysis import Analysis
from asr.percepnet.bands import audio_format
from asr.percepnet.synthesis import Shaping, new_synthesis_state, synthesise
from asr.percepnet.targets import (
    analyse_signal,
    attenuation,
    comb_strengths,
    make_targets,
    measure_coherences,
    mixed_coherence,
)

FORM = audio_format(16_000)


def voice(seconds=1.5):
    """A buzz with a moving pitch and moving loudness, as voiced speech has."""
    n = np.arange(int(16_000 * seconds))
    frequency = 140 + 30 * np.sin(2 * np.pi * 1.3 * n / 16_000)
    phase = 2 * np.pi * np.cumsum(frequency) / 16_000
    buzz = sum(np.cos(k * phase + k) / (1 + 0.2 * k) for k in range(1, 25)) / 30
    return buzz * (0.2 + np.sin(2 * np.pi * 2.1 * n / 16_000) ** 2)


def noise_like(signal, snr_db, seed=0):
    """Noise that falls by 3 dB an octave."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=len(signal)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 30)), len(signal))
    return noise * np.sqrt(np.mean(signal**2) / np.mean(noise**2) / 10 ** (snr_db / 10))


def fidelity(clean, heard):
    """SI-SDR in dB (Le Roux et al. 2019)."""
    projected = clean * (heard @ clean) / (clean @ clean)
    return 10 * np.log10(np.sum(projected**2) / np.sum((heard - projected) ** 2))


def enhanced(found: Analysis, gains, strengths, length):
    out = np.zeros((len(gains), FORM.hop))
    shaping, state = Shaping(0.0, False), new_synthesis_state(FORM)
    synthesise(FORM, state, found.spectra, found.combed, gains, strengths, shaping, out)
    return out.ravel()[FORM.hop : FORM.hop + length]


@pytest.mark.parametrize("snr_db", [0, 5, 15])
def test_each_rung_of_the_oracle_ladder_is_better(snr_db):
    clean = voice()
    noisy = clean + noise_like(clean, snr_db)
    reference, found = analyse_signal(FORM, clean), analyse_signal(FORM, noisy)
    targets = make_targets(FORM, reference, found)
    nothing = np.zeros_like(targets.gains)
    bands = fidelity(clean, enhanced(found, targets.gains, nothing, len(clean)))
    combed = fidelity(clean, enhanced(found, targets.gains, targets.strengths, len(clean)))
    everywhere = fidelity(clean, enhanced(found, targets.gains, nothing + 1, len(clean)))
    assert fidelity(clean, noisy) + 1 < bands < combed
    # What repeats is all there is in a buzz; only where it is loud does the filter do more harm than good.
    assert everywhere < combed


def test_a_wrong_pitch_is_not_given_strength():
    clean = voice()
    noisy = clean + noise_like(clean, 5)
    reference, found = analyse_signal(FORM, clean), analyse_signal(FORM, noisy)
    other = analyse_signal(FORM, noise_like(clean, 0, seed=1))
    wrong = found._replace(combed=other.combed)
    # Above the last harmonic there is noise alone, whose coherences are as high as chance has it.
    voiced = slice(0, np.searchsorted(FORM.edges, 24 * 110 / 50))
    assert make_targets(FORM, reference, wrong).strengths[:, voiced].mean() < 0.1
    assert make_targets(FORM, reference, found).strengths[:, voiced].mean() > 0.4


def test_strength_solves_its_equation():
    clean = voice()
    found = measure_coherences(
        FORM, analyse_signal(FORM, clean), analyse_signal(FORM, clean + noise_like(clean, 5))
    )
    strengths = comb_strengths(found)
    solvable = (found.noisy < found.clean - 1e-3) & (found.clean < found.combed - 1e-3)
    assert solvable.sum() > 100
    reached = mixed_coherence(found, strengths)
    np.testing.assert_allclose(reached[solvable], found.clean[solvable], atol=1e-9)
    assert ((strengths >= 0) & (strengths <= 1)).all()
    assert (strengths[(found.combed <= found.noisy) | (found.clean <= found.noisy)] == 0).all()
    hopeless = (found.noisy < found.combed) & (found.combed < found.clean)
    assert (strengths[hopeless] == 1).all()


@pytest.mark.parametrize("name", ["silence", "constant", "clipped", "denormal", "noise"])
def test_targets_are_finite_for_any_signal(name):
    length = 4000
    noise = np.random.default_rng(2).normal(size=length)
    signals = {
        "silence": np.zeros(length),
        "constant": np.ones(length),
        "clipped": np.clip(100 * noise, -1, 1),
        "denormal": np.full(length, 1e-310),
        "noise": noise,
    }
    for clean in (signals[name], np.zeros(length)):
        reference, found = analyse_signal(FORM, clean), analyse_signal(FORM, signals[name])
        for attenuate in (False, True):
            targets = make_targets(FORM, reference, found, attenuate)
            for array in (found.features, targets.gains, targets.strengths, targets.weights):
                assert np.isfinite(array).all()
            assert ((targets.gains >= 0) & (targets.gains <= 1)).all()
            assert ((targets.strengths >= 0) & (targets.strengths <= 1)).all()


def test_clean_input_is_left_alone():
    clean = voice()
    found = analyse_signal(FORM, clean)
    targets = make_targets(FORM, found, found)
    heard = targets.weights > 0
    np.testing.assert_allclose(targets.gains[heard], 1, atol=1e-9)
    np.testing.assert_array_equal(targets.strengths, 0)


def test_attenuation_is_bounded_and_none_where_enough_is_reached():
    wanted, reached = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21))
    gain = attenuation(wanted, reached)
    assert 20 * np.log10(gain.min()) > -15.4
    np.testing.assert_array_equal(gain[reached >= wanted], 1)
    assert (gain[reached < wanted] < 1).all()
