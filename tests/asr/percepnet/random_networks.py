"""Networks with random weights, small enough to be made in a moment."""

from dataclasses import replace

import torch

from asr.percepnet.bands import audio_format
from asr.percepnet.network import NetworkConfig, PercepNet

TINY = NetworkConfig(dense=8, conv=16, gru=12, strength_gru=6)


def random_network(rate, config=TINY):
    """A network whose answers vary over the whole range."""
    torch.manual_seed(rate)
    network = PercepNet(replace(config, bands=audio_format(rate).bands)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)
    return network
