"""The loss: compressed gains and strengths, as loudness is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

EXPONENT = 0.5
SMOOTHING = 1e-4
"""Added before the power, whose slope is infinite at zero."""
FOURTH_POWER = 10.0
"""Weight of the fourth power, which keeps single bands from being far off."""


@dataclass(frozen=True)
class DenoiserLosses:
    """Means over the frames and bands that have weight."""

    total: Tensor
    gain: Tensor
    strength: Tensor


def perceptual_power(value: Tensor) -> Tensor:
    """`value^0.5` with a bounded slope; `value` is in [0, 1]."""
    return (value + SMOOTHING) ** EXPONENT


def denoiser_loss(
    gains: Tensor, strengths: Tensor, target_gains: Tensor, target_strengths: Tensor, weights: Tensor
) -> DenoiserLosses:
    """Square and fourth power of the difference of compressed gains, square of that of compressed strengths.

    All tensors are `(B, T, bands)`; `weights` is 0 where nothing is to be learned. Source: Valin et al. 2020.
    """
    share = weights.sum().clamp(min=1.0)
    squares = (perceptual_power(gains) - perceptual_power(target_gains)) ** 2
    gain = (weights * (squares + FOURTH_POWER * squares**2)).sum() / share
    kept = (perceptual_power(1 - strengths) - perceptual_power(1 - target_strengths)) ** 2
    strength = (weights * kept).sum() / share
    return DenoiserLosses(gain + strength, gain, strength)
