"""Augmentation: what is asked for is what happens, and a seed repeats it."""

from dataclasses import replace

import numpy as np
import pytest
from samples import bursts, tones, write_wav

from asr.percepnet import Denoiser
from asr.training.augment import Augmenter, change_speed, mix_at_snr, room_response
from asr.training.cache import AudioCache
from asr.training.channels import BENDS_HZ, CODECS, equalize, recode, telephone
from asr.training.config import AugmentConfig

OFF = AugmentConfig(speed=(1.0, 1.0), noise_probability=0.0, room_probability=0.0, gain_db=(0.0, 0.0))
ALL = AugmentConfig(noise_probability=1.0, room_probability=1.0)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    files = tuple(
        write_wav(folder / f"{i}.wav", 0.1 + bursts(seconds, i)) for i, seconds in enumerate((0.3, 3.0))
    )
    return AudioCache.build(files, folder / "cache"), files


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5, 30.0])
def test_noise_is_added_at_the_ratio_asked_for(snr_db):
    speech, noise = tones(1.0, 1), bursts(1.0, 2) + 0.01
    added = mix_at_snr(speech, noise, snr_db).astype(np.float64) - speech
    assert 10 * np.log10(np.mean(speech.astype(np.float64) ** 2) / np.mean(added**2)) == pytest.approx(
        snr_db, abs=0.05
    )
    assert np.corrcoef(added, noise)[0, 1] > 0.999


def test_silent_noise_and_silent_speech_change_nothing():
    speech, silence = tones(0.5, 1), np.zeros(8000, np.float32)
    assert mix_at_snr(speech, silence, 10.0) is speech
    assert mix_at_snr(silence, speech, 10.0) is silence


@pytest.mark.parametrize("factor", [0.9, 0.95, 1.1])
def test_speed_changes_length_and_pitch(factor):
    time = np.arange(16_000) / 16_000
    changed = change_speed(np.sin(2 * np.pi * 500 * time).astype(np.float32), factor)
    assert abs(len(changed) - 16_000 / factor) <= 2
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed))))
    assert spectrum.argmax() * 16_000 / len(changed) == pytest.approx(500 * factor, abs=2)


def test_no_change_of_speed_is_no_change():
    sound = tones(0.5, 2)
    assert change_speed(sound, 1.0) is sound


def test_a_room_begins_with_the_direct_path():
    tails = []
    for seed in range(60):
        response = room_response(np.random.default_rng(seed))
        assert np.isfinite(response).all()
        assert response[0] == 1.0 == np.abs(response).max()
        assert len(response) <= 8000
        tails.append(float((response[1:] ** 2).sum()))
    assert min(tails) < 0.5 * max(tails)


def test_a_seed_repeats_the_chain(noise):
    augmenter, sound = Augmenter(ALL, *noise), tones(1.0, 3)
    first = augmenter(sound, np.random.default_rng(1))
    assert np.array_equal(first, augmenter(sound, np.random.default_rng(1)))
    other = augmenter(sound, np.random.default_rng(2))
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_samples_stay_in_range_and_finite(noise):
    augmenter = Augmenter(ALL, *noise)
    loud = np.sign(tones(0.4, 5))
    for seed in range(20):
        changed = augmenter(loud, np.random.default_rng(seed))
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max() <= 1.0 + 1e-6
        assert len(loud) / 1.11 < len(changed) < len(loud) / 0.89
    assert not augmenter(np.zeros(4000, np.float32), np.random.default_rng(0)).any()


def test_all_off_changes_nothing(noise):
    sound = 0.5 * tones(0.5, 6)
    np.testing.assert_allclose(Augmenter(OFF, *noise)(sound, np.random.default_rng(0)), sound, rtol=1e-6)
    assert len(Augmenter(ALL, None, ())(sound, np.random.default_rng(0)))


def gain_db(before, after, hertz):
    """Level change in dB of the band around a frequency."""
    window = np.hanning(len(before))
    place = slice(*(np.array([0.94, 1.06]) * hertz * len(before) / 16_000).astype(int))
    power = [np.sum(np.abs(np.fft.rfft(one * window)[place]) ** 2) for one in (before, after)]
    return 10 * np.log10(power[1] / power[0])


def test_an_equalizer_has_its_gains_at_its_bends():
    noise = np.random.default_rng(1).normal(size=64_000).astype(np.float32)
    gains = np.array([0.0, 8.0, -8.0, 3.0, 0.0, -5.0, 6.0, 0.0])
    bent = equalize(noise, gains)
    for hertz, wanted in list(zip(BENDS_HZ, gains, strict=True))[1:-1]:
        assert gain_db(noise, bent, hertz) == pytest.approx(wanted, abs=0.7)
    assert equalize(noise, np.zeros(8)) == pytest.approx(noise, abs=1e-5)


def test_a_telephone_keeps_its_band_and_drops_the_rest():
    noise = (0.1 * np.random.default_rng(2).normal(size=64_000)).astype(np.float32)
    heard = telephone(noise)
    for hertz in (400, 1000, 3000):
        assert abs(gain_db(noise, heard, hertz)) < 0.5
    for hertz in (150, 5000, 7000):
        assert gain_db(noise, heard, hertz) < -25
    assert not telephone(np.zeros(800, np.float32)).any()


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_length_place_and_most_of_the_sound(codec):
    sound = 0.5 * tones(1.03, 3)
    coded = recode(sound, codec, 0.6)
    assert coded.shape == sound.shape
    assert coded.dtype == np.float32
    lags = np.correlate(coded[2000:12_000], sound[4000:10_000])
    assert abs(int(lags.argmax()) - 2000) <= 2
    assert np.corrcoef(coded, sound)[0, 1] > 0.9


def test_where_nothing_is_said_there_is_noise_or_hiss(noise):
    augmenter = Augmenter(ALL, *noise)
    loudest = []
    for seed in range(40):
        samples = augmenter.nothing_said(5000, np.random.default_rng(seed))
        assert samples.shape == (5000,)
        assert samples.dtype == np.float32
        loudest.append(np.abs(samples).max())
    assert min(loudest) < 0.01 < max(loudest) <= 1.0


def test_every_channel_may_be_drawn():
    sound = 0.3 * tones(0.5, 4)
    for name in ("equalizer_probability", "telephone_probability", "codec_probability"):
        augmenter = Augmenter(replace(OFF, **{name: 1.0}), None, ())
        changed = augmenter(sound, np.random.default_rng(5))
        assert len(changed) == len(sound)
        assert np.abs(changed - sound).max() > 1e-3


def test_the_denoiser_hears_last_and_some_of_the_recording_is_mixed_back():
    sound = 0.2 * tones(1.0, 4) + 0.02 * np.random.default_rng(3).normal(size=16_000).astype(np.float32)
    augmenter = Augmenter(replace(OFF, denoise_probability=1.0), None, ())
    whole = Denoiser().denoise(sound) - sound
    shares = []
    for seed in range(6):
        changed = augmenter(sound, np.random.default_rng(seed)) - sound
        shares.append(float(changed @ whole / (whole @ whole)))
        np.testing.assert_allclose(changed, shares[-1] * whole, atol=1e-5)
    assert 0 <= min(shares) < 0.4
    assert 0.6 < max(shares) <= 1


def test_as_many_are_denoised_as_asked_for():
    sound = 0.2 * tones(0.3, 4)
    augmenter = Augmenter(replace(OFF, denoise_probability=0.3), None, ())
    same = [
        np.allclose(augmenter(sound, np.random.default_rng(seed)), sound, rtol=1e-6) for seed in range(60)
    ]
    assert 0.5 < np.mean(same) < 0.9
