"""Features: padding, level and the future change nothing, and masks stay within their bounds."""

import numpy as np
import pytest
import torch
from samples import tones

from asr.features import LogMel, LogMelConfig, SpecAugmentConfig, spec_augment


def features_of(frontend, *sounds, longest=0):
    samples = torch.zeros(len(sounds), max(longest, *(len(sound) for sound in sounds)))
    for row, sound in zip(samples, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    return frontend(samples, torch.tensor([len(sound) for sound in sounds]))


@pytest.mark.parametrize("normalize", ["utterance", "running"])
def test_padding_changes_nothing(normalize):
    frontend = LogMel(LogMelConfig(normalize=normalize))
    sounds = [tones(count / 16_000, count) for count in (1, 159, 160, 161, 4003, 16_000)]
    together, lengths = features_of(frontend, *sounds, longest=20_000)
    for item, sound in enumerate(sounds):
        alone, (frames,) = features_of(frontend, sound)
        assert int(lengths[item]) == int(frames) == alone.shape[1] == len(sound) // 160 + 1
        torch.testing.assert_close(together[item, :frames], alone[0], atol=1e-3, rtol=1e-3)
        assert not together[item, frames:].any()


def test_silence_is_finite():
    for normalize in ("utterance", "running"):
        features, _ = features_of(LogMel(LogMelConfig(normalize=normalize)), np.zeros(8000, np.float32))
        assert features.isfinite().all()


def test_the_level_of_an_utterance_hardly_matters():
    sound = tones(1.5, 3)
    frontend = LogMel()
    full, half = features_of(frontend, sound)[0], features_of(frontend, 0.5 * sound)[0]
    assert (full - half).abs().mean() < 0.03
    assert full.mean().abs() < 1e-3
    assert full.std() == pytest.approx(1.0, abs=0.05)


def test_running_normalisation_knows_no_future():
    frontend = LogMel(LogMelConfig(normalize="running"))
    sound = tones(2.0, 7)
    other = sound.copy()
    other[16_000:] = 3 * tones(1.0, 8)
    first, second = features_of(frontend, sound)[0], features_of(frontend, other)[0]
    before = (16_000 - 256) // 160
    torch.testing.assert_close(first[:, :before], second[:, :before], atol=1e-4, rtol=1e-4)
    assert (first[:, before + 5 :] - second[:, before + 5 :]).abs().max() > 0.5


def test_masks_stay_within_their_bounds_and_repeat():
    config = SpecAugmentConfig(band_masks=2, band_width=9, time_masks_per_second=1.0, time_width=12)
    lengths = torch.tensor([400, 230, 3])
    features = torch.ones(3, 400, 80)
    original = features.clone()
    widest_bands = widest_times = 0
    for seed in range(40):
        masked = spec_augment(features, lengths, config, torch.Generator().manual_seed(seed))
        again = spec_augment(features, lengths, config, torch.Generator().manual_seed(seed))
        assert torch.equal(masked, again)
        assert set(masked.unique().tolist()) <= {0.0, 1.0}
        for item, length in enumerate(lengths.tolist()):
            hidden = masked[item] == 0
            bands, times = int(hidden.all(0).sum()), int(hidden[:length].all(1).sum())
            assert bands <= 2 * 9
            assert times <= min(round(length / 100) * 12, length)
            assert not hidden[length:].all(1).any()
            widest_bands, widest_times = max(widest_bands, bands), max(widest_times, times)
    assert torch.equal(features, original)
    assert widest_bands > 9
    assert widest_times > 12


def test_no_masks_change_nothing():
    features = torch.randn(2, 50, 80)
    config = SpecAugmentConfig(band_masks=0, time_masks_per_second=0.0)
    assert torch.equal(spec_augment(features, torch.tensor([50, 20]), config, torch.Generator()), features)
