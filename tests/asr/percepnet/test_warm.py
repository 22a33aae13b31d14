"""Networks that begin with the weights of others."""

from dataclasses import replace

import numpy as np
import soxr
import torch
from scipy.signal import lfilter

from asr.percepnet.bands import audio_format
from asr.percepnet.network import SIZES, NetworkConfig, PercepNet
from asr.percepnet.targets import analyse_signal
from asr.percepnet.training.warm import moved, side_by_side


def test_weights_moved_to_another_rate_hear_the_same_energies_and_say_the_same_gains():
    narrow, wide = audio_format(16_000), audio_format(48_000)
    torch.manual_seed(0)
    network, other = (PercepNet(replace(SIZES["small"], bands=form.bands)).eval() for form in (narrow, wide))
    with torch.no_grad():
        # The band at 8 kHz is lost to the resampler, and noise has no coherence to speak of.
        network.dense.weight[:, narrow.bands - 1 :] = 0
    other.load_state_dict(moved(network.state_dict(), narrow, wide))
    samples = lfilter([1], [1, -0.9], 0.02 * np.random.default_rng(0).normal(size=16_000))
    with torch.inference_mode():
        first, second = (
            net.dense(torch.from_numpy(analyse_signal(form, heard).features))[5:95]
            for net, form, heard in (
                (network, narrow, samples),
                (other, wide, soxr.resample(samples, 16_000, 48_000)),
            )
        )
    assert (first - second).abs().mean() < 0.05
    gains = [net.gain_head.bias.detach().numpy() for net in (network, other)]
    told = np.interp(wide.edges, narrow.edges, gains[0])
    np.testing.assert_allclose(gains[1], told, atol=1e-6)


def test_two_networks_side_by_side_answer_with_the_mean_of_their_logits():
    torch.manual_seed(0)
    shape = NetworkConfig(bands=32, dense=6, conv=8, gru=8, strength_gru=4)
    one, other = PercepNet(shape), PercepNet(shape)
    both = PercepNet(NetworkConfig(bands=32, dense=12, conv=16, gru=16, strength_gru=8))
    both.load_state_dict(side_by_side(one.state_dict(), other.state_dict()))
    features = torch.randn(2, 30, shape.features)
    with torch.inference_mode():
        answers = zip(one(features), other(features), both(features), strict=True)
        for first, second, joined in answers:
            torch.testing.assert_close(
                joined.logit(), (first.logit() + second.logit()) / 2, atol=1e-4, rtol=1e-3
            )
