"""The comb filter: what repeats with the pitch, from periods before and, within the look-ahead, after.

Source: PercepNet (Valin et al. 2020), section 4; the tap weights are a Hann window over eleven periods.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compiled_part
from asr.percepnet.bands import COMB_ORDER, KERNEL_PHASES, KERNEL_TAPS, LOOKAHEAD, Format

Float64 = NDArray[np.float64]

REACH_BACK, REACH_AHEAD = KERNEL_TAPS // 2 - 1, KERNEL_TAPS // 2
"""Samples that the interpolation needs before and after a place."""


def noise_power(form: Format, period: float) -> float:
    """Power of white noise after the comb filter, as a share of its power before, for whole periods."""
    weights = form.comb[: COMB_ORDER + 1 + periods_ahead(form.hop, period)]
    return float((weights**2).sum() / weights.sum() ** 2)


def periods_ahead(hop: int, period: float) -> int:
    """Periods after a sample that the comb filter can use without reaching beyond the look-ahead."""
    return min(COMB_ORDER, int((LOOKAHEAD * hop - REACH_AHEAD) // period))


_periods_ahead = compiled_part(periods_ahead)


@compiled_part
def comb(
    weights: Float64, kernel: Float64, samples: Float64, begin: int, period: float, out: Float64
) -> None:
    """Filter a frame `out` (2 hop,) from `begin` on; `samples` go on for `LOOKAHEAD` hops after it.

    Periods that reach beyond the look-ahead are left out and the weights of the others scaled to sum 1.
    `weights` and `kernel` are those of the format.
    """
    ahead = _periods_ahead(len(out) // 2, period)
    total = 0.0
    for k in range(-COMB_ORDER, ahead + 1):
        total += weights[COMB_ORDER + k]
    out[:] = 0.0
    for k in range(-COMB_ORDER, ahead + 1):
        weight = weights[COMB_ORDER + k] / total
        steps = math.floor(k * period * KERNEL_PHASES + 0.5)
        whole = math.floor(steps / KERNEL_PHASES)
        phase = steps - whole * KERNEL_PHASES
        if phase == 0:
            for n in range(len(out)):
                out[n] += weight * samples[begin + whole + n]
            continue
        for tap in range(KERNEL_TAPS):
            factor = weight * kernel[phase, tap]
            first = begin + whole + tap - REACH_BACK
            for n in range(len(out)):
                out[n] += factor * samples[first + n]
