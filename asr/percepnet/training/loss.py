"""The loss: compressed gains and strengths, as loudness is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asr.percepnet.training.config import LossConfig

STRENGTH_EXPONENT = 0.5
SMOOTHING = 1e-4
"""Added before the power, whose slope is infinite at zero."""
FOURTH_POWER = 10.0
"""Weight of the fourth power, which keeps single bands from being far off."""


Answer = tuple[Tensor, Tensor]
"""Gains and strengths, `(B, T, bands)` in [0, 1]."""


@dataclass(frozen=True)
class DenoiserLosses:
    """Means over the frames and bands that have weight."""

    total: Tensor
    gain: Tensor
    strength: Tensor


def perceptual_power(value: Tensor, exponent: float) -> Tensor:
    """`value^exponent` with a bounded slope; `value` is in [0, 1]."""
    return (value + SMOOTHING) ** exponent


def denoiser_loss(answer: Answer, wanted: Answer, weights: Tensor, config: LossConfig) -> DenoiserLosses:
    """Square and fourth power of the difference of compressed gains, square of that of compressed strengths.

    `weights` `(B, T, bands)` is 0 where nothing is to be learned. Source: Valin et al. 2020, who compare
    square roots of gains, too high or too low alike. In doubt the best answer is a mean of the powers: the
    lower the exponent, the lower.
    """
    share = weights.sum().clamp(min=1.0)
    gains, wanted_gains = (perceptual_power(one[0], config.gain_exponent) for one in (answer, wanted))
    excess = gains - wanted_gains
    squares = excess**2 * torch.where(excess > 0, config.excess_weight, 1.0)
    gain = (weights * (squares + FOURTH_POWER * squares**2)).sum() / share
    kept, wanted_kept = (perceptual_power(1 - one[1], STRENGTH_EXPONENT) for one in (answer, wanted))
    strength = (weights * (kept - wanted_kept) ** 2).sum() / share
    return DenoiserLosses(gain + config.strength_weight * strength, gain, strength)
