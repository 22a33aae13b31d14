"""Laws of the network, its 8-bit form, its files and its loss."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_networks import TINY, random_network

from asr.percepnet.bands import audio_format
from asr.percepnet.inference import infer, new_network_state
from asr.percepnet.model import DenoiserModelError, assemble, load_model, quantised, save_model
from asr.percepnet.network import SIZES, NetworkConfig, PercepNet
from asr.percepnet.training.config import LossConfig
from asr.percepnet.training.loss import denoiser_loss


def inferred(weights, features, chunks=(1000,)):
    bands = len(weights.gain_head.bias)
    gains, strengths = np.zeros((len(features), bands)), np.zeros((len(features), bands))
    state, done, turn = new_network_state(weights), 0, 0
    while done < len(features):
        part = slice(done, done + chunks[turn % len(chunks)])
        infer(weights, state, features[part], gains[part], strengths[part])
        done, turn = part.stop, turn + 1
    return gains, strengths


def test_the_published_shape_has_the_published_size():
    def count(config):
        return sum(parameter.numel() for parameter in PercepNet(config).parameters())

    assert count(replace(SIZES["published"], bands=34)) == 7_962_564
    assert count(SIZES["small"]) < 1e6


@pytest.mark.parametrize("config", [TINY, SIZES["small"]], ids=["tiny", "small"])
def test_eight_bits_say_what_the_floats_say(config):
    network = random_network(16_000, config)
    features = np.random.default_rng(0).normal(size=(60, 66)).astype(np.float32)
    gains, strengths = inferred(assemble(quantised(network)), features)
    with torch.inference_mode():
        wanted = [part[0].numpy() for part in network(torch.from_numpy(features)[None])]
    assert np.abs(gains - wanted[0]).mean() < 0.01
    assert np.abs(strengths - wanted[1]).mean() < 0.01
    assert np.std(wanted[0]) > 0.1


def test_inference_does_not_depend_on_chunks():
    weights = assemble(quantised(random_network(48_000)))
    features = np.random.default_rng(1).normal(size=(30, 70)).astype(np.float32)
    for one, other in zip(inferred(weights, features), inferred(weights, features, (1, 4)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_network_looks_back_only():
    network = random_network(16_000)
    features = torch.randn(1, 20, 66)
    changed = features.clone()
    changed[:, 12:] += 1
    with torch.inference_mode():
        for one, other in zip(network(features), network(changed), strict=True):
            torch.testing.assert_close(one[:, :12], other[:, :12], rtol=0, atol=0)
            assert not torch.equal(one[:, 12], other[:, 12])


def test_a_saved_model_is_the_same_model(tmp_path):
    network = random_network(48_000)
    save_model(network, 48_000, tmp_path)
    model = load_model(tmp_path)
    assert (model.sample_rate, model.name) == (48_000, tmp_path.name)
    features = np.random.default_rng(2).normal(size=(5, audio_format(48_000).features)).astype(np.float32)
    expected = inferred(assemble(quantised(network)), features)
    for one, other in zip(inferred(model.weights, features), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def spoil_json(folder):
    (folder / "config.json").write_text("{")


def spoil_rate(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sample_rate": 8000}))


def spoil_bands(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sample_rate": 48_000}))


def spoil_shape(folder):
    config = json.loads((folder / "config.json").read_text())
    config["network"]["gru"] += 1
    (folder / "config.json").write_text(json.dumps(config))


def spoil_weights(folder):
    (folder / "weights.safetensors").write_bytes(b"nothing")


def remove_weights(folder):
    (folder / "weights.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_json, "cannot be used"),
        (spoil_rate, "8000"),
        (spoil_bands, "32 bands"),
        (spoil_shape, "does not fit"),
        (spoil_weights, "cannot be used"),
        (remove_weights, "is missing"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(tmp_path, spoil, message):
    save_model(random_network(16_000), 16_000, tmp_path)
    spoil(tmp_path)
    with pytest.raises(DenoiserModelError, match=message) as refusal:
        load_model(tmp_path)
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_widths_are_checked():
    with pytest.raises(ValueError, match="1 or more"):
        NetworkConfig(gru=0)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0])
def test_loss_is_zero_for_equals_alone_and_finite_with_its_gradient_at_the_corners(exponent):
    config = LossConfig(gain_exponent=exponent)
    gains, strengths = torch.rand(2, 5, 32), torch.rand(2, 5, 32)
    weights = torch.ones(2, 5, 32)
    assert denoiser_loss((gains, strengths), (gains, strengths), weights, config).total == 0
    assert denoiser_loss((gains, strengths), (gains, strengths.flip(1)), weights, config).total > 0
    corner = [torch.zeros(2, 5, 32, requires_grad=True), torch.ones(2, 5, 32, requires_grad=True)]
    wrong = (corner[0].detach() + 1, corner[1].detach() - 1)
    for wanted in ((corner[0].detach(), corner[1].detach()), wrong):
        losses = denoiser_loss((corner[0], corner[1]), wanted, weights, config)
        losses.total.backward()
        assert torch.isfinite(losses.total)
        assert all(torch.isfinite(part.grad).all() for part in corner)


def test_bands_without_weight_do_not_count():
    wanted = torch.rand(1, 4, 32)
    weights = (torch.arange(32) < 20).float().expand(1, 4, 32)
    other = torch.where(weights > 0, wanted, 1 - wanted)
    config = LossConfig()
    assert denoiser_loss((other, wanted), (wanted, wanted), weights, config).total == 0
    assert denoiser_loss((other, wanted), (wanted, wanted), 0 * weights, config).total == 0


@pytest.mark.parametrize("exponent", [0.3, 0.5])
def test_in_doubt_the_best_gain_is_lower_the_lower_the_exponent(exponent):
    wanted = torch.tensor([0.02, 0.9]).reshape(2, 1, 1)
    tried = torch.linspace(0.02, 0.9, 500)
    ones, zeros = torch.ones(2, 1, 1), torch.zeros(2, 1, 1)

    def best(power: float) -> float:
        losses = [
            denoiser_loss((gain * ones, zeros), (wanted, zeros), ones, LossConfig(power)).total
            for gain in tried
        ]
        return float(tried[int(torch.stack(losses).argmin())])

    assert 0.02 < best(exponent) < best(2 * exponent) < 0.6


def test_gains_too_high_can_cost_more_than_gains_too_low():
    wanted, zeros, ones = torch.full((1, 3, 4), 0.5), torch.zeros(1, 3, 4), torch.ones(1, 3, 4)
    high, low = (
        [
            denoiser_loss((gain * ones, zeros), (wanted, zeros), ones, LossConfig(1.0, weight)).gain
            for weight in (1.0, 3.0)
        ]
        for gain in (0.6, 0.4)
    )
    assert high[1] > 2.9 * high[0]
    assert low[1] == low[0] == pytest.approx(float(high[0]))
