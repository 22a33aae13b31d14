"""The network: features to band gains and comb strengths.

The topology of PercepNet (Valin et al. 2020, figure 3): a dense layer, two convolutions over time, three
GRUs, and two heads, each with a GRU of its own. The convolutions look back only; all look-ahead is in the
features.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.percepnet.model import FIRST_KERNEL, SECOND_KERNEL
from asr.percepnet.recurrence import recur


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the layers."""

    bands: int = 32
    """Bands; there are `2 bands + 2` features."""
    dense: int = 128
    """Outputs of the first layer."""
    conv: int = 512
    """Channels of both convolutions."""
    gru: int = 512
    """Units of the three GRUs and of the one in front of the gains."""
    strength_gru: int = 128
    """Units of the GRU in front of the strengths."""

    def __post_init__(self) -> None:
        if min(dataclasses.astuple(self)) < 1:
            raise ValueError(f"{self}: all sizes must be 1 or more")

    @property
    def features(self) -> int:
        """Inputs per frame."""
        return 2 * self.bands + 2


SIZES = {
    "published": NetworkConfig(),
    "medium": NetworkConfig(dense=128, conv=256, gru=256, strength_gru=128),
    "small": NetworkConfig(dense=64, conv=128, gru=128, strength_gru=64),
}
"""The shape of the paper (7.9 M weights), one of 2.2 M and one of 0.58 M."""


class PercepNet(nn.Module):
    """`(B, T, features)` to gains and strengths `(B, T, bands)` in [0, 1]; files begin with state 0."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.dense = nn.Linear(c.features, c.dense)
        self.conv1 = nn.Conv1d(c.dense, c.conv, FIRST_KERNEL)
        self.conv2 = nn.Conv1d(c.conv, c.conv, SECOND_KERNEL)
        self.gru1 = nn.GRU(c.conv, c.gru, batch_first=True)
        self.gru2 = nn.GRU(c.gru, c.gru, batch_first=True)
        self.gru3 = nn.GRU(c.gru, c.gru, batch_first=True)
        self.gain_gru = nn.GRU(c.gru, c.gru, batch_first=True)
        self.gain_head = nn.Linear(c.conv + 4 * c.gru, c.bands)
        self.strength_gru = nn.GRU(c.gru + c.conv, c.strength_gru, batch_first=True)
        self.strength_head = nn.Linear(c.strength_gru, c.bands)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Gains and strengths of all frames of a batch of files."""
        x = torch.tanh(self.dense(features)).transpose(1, 2)
        x = torch.tanh(self.conv1(F.pad(x, (FIRST_KERNEL - 1, 0))))
        conv = torch.tanh(self.conv2(F.pad(x, (SECOND_KERNEL - 1, 0)))).transpose(1, 2)
        first = recur(self.gru1, conv)
        second = recur(self.gru2, first)
        third = recur(self.gru3, second)
        gain = recur(self.gain_gru, third)
        strength = recur(self.strength_gru, torch.cat((third, conv), -1))
        gains = torch.sigmoid(self.gain_head(torch.cat((conv, first, second, third, gain), -1)))
        return gains, torch.sigmoid(self.strength_head(strength))
