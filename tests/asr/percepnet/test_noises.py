"""Noises that are made or heard differently, and what is learned from speech that was cut off."""

from pathlib import Path

import numpy as np
import pytest
import soxr

from asr.percepnet.bands import audio_format
from asr.percepnet.training.mixing import Sounds, learnable
from asr.percepnet.training.noises import bent, clatter, coloured_noise, hum, swollen


@pytest.mark.parametrize("speed", [0.7, 1.5])
def test_speed_moves_the_pitch(speed):
    tone = np.sin(2 * np.pi * 1000 / 16_000 * np.arange(64_000)).astype(np.float32)
    audio = {Path("tone"): tone}
    sounds = Sounds(audio, (Path("tone"),), np.ones(1), np.zeros(1, np.int64))
    for samples in (
        sounds.cut(16_000, (speed, speed), np.random.default_rng(0)),
        sounds.string(16_000, 0, (speed, speed), np.random.default_rng(0)),
    ):
        assert np.abs(np.fft.rfft(samples)).argmax() == pytest.approx(1000 * speed, abs=2)


def test_made_noises_are_finite_and_their_equalizer_does_what_it_says():
    generator = np.random.default_rng(0)
    for rate in (16_000, 48_000):
        for noise in (
            coloured_noise(rate, generator),
            hum(rate, rate, generator),
            clatter(rate, rate, generator),
        ):
            assert noise.shape == (rate,)
            assert np.isfinite(noise).all()
            assert noise.std() > 0
    white = generator.normal(size=400_000).astype(np.float32)
    np.testing.assert_allclose(bent(white, 0.0, generator), white, atol=1e-5)
    spreads = []
    for _ in range(30):
        ratio = np.abs(np.fft.rfft(bent(white, 5.0, generator))) / np.abs(np.fft.rfft(white))
        octaves = np.geomspace(2000, len(ratio) - 1, 50).astype(int)
        spreads.append(20 * np.log10(ratio[octaves]))
    assert np.std(spreads) == pytest.approx(5.0, rel=0.2)


def test_swollen_noise_stays_within_its_depth():
    ones = np.ones(32_000, np.float32)
    levels = 20 * np.log10(swollen(ones, 6.0, 16_000, np.random.default_rng(1)))
    assert np.abs(levels).max() <= 6.0 + 1e-4
    assert levels.std() > 1.0


def test_bands_that_speech_was_cut_off_in_have_no_weight():
    form = audio_format(48_000)
    generator = np.random.default_rng(3)
    narrow = soxr.resample(0.1 * generator.normal(size=16_000), 16_000, 48_000).astype(np.float32)
    noisy = narrow + 0.05 * generator.normal(size=len(narrow)).astype(np.float32)
    weights = learnable(form, narrow, noisy, False)[3]
    centres = 50 * form.edges
    assert (weights[2:-2, centres < 7000] == 1).all()
    assert (weights[:, centres > 10_000] == 0).all()
