"""The pitch tracker: whitened correlation, octave guard, Viterbi with a fixed lag, refined between samples.

All of a frame's evidence comes from a stretch of signal that ends with the frame, and only the Viterbi scores
go from frame to frame, so that a stream and a whole file give the same track. Periods are sought at 16 kHz.

Sources: the whitening, the octave guard and the transition costs follow the published tracker of LPCNet
(Valin & Skoglund 2019); the lag of the decision is the look-ahead of the denoiser.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compiled_part
from asr.percepnet.bands import HIGHEST_LAG, LOOKAHEAD, LOWEST_LAG, PREDICTION_ORDER

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

HOP = 160
"""Samples of a frame's advance at 16 kHz."""
LAGS = HIGHEST_LAG - LOWEST_LAG + 1
WARM_UP = 2 * PREDICTION_ORDER
STRETCH = HIGHEST_LAG + WARM_UP + 2 * HOP
"""Samples at 16 kHz that a frame's pitch is found from."""
LEAKAGE = 0.7
"""Pole that tilts the whitened signal back towards low frequencies."""
WHITENING_FLOOR = 1e-4
"""White noise added before prediction, relative to the power."""
WHITENING_WIDTH = 40.0
"""Width in Hz that the lag window smears spectral lines to."""
SILENCE = 1e-20
"""Energy of a whitened frame below which it has no pitch."""
OCTAVE_MARGIN, OCTAVE_PENALTY = 1.1, 0.8
"""A period keeps its score only where it beats half of itself by this factor; else it is scaled down."""
REACH = 8
"""Largest step of the period between frames, in samples at 16 kHz, short of a jump."""
STEP_COST = 0.005
"""Cost of a step, times its square."""
JUMP_COST = 1.5
"""Cost of a jump to any period."""


class PitchState(NamedTuple):
    """What the tracker remembers."""

    stretch: Float64
    """The last `STRETCH` samples at 16 kHz."""
    scores: Float64
    """Viterbi scores `(LAGS,)`, the best one 0."""
    origins: Int64
    """Back pointers of the last frames, newest first, `(LOOKAHEAD, LAGS)`."""
    correlations: Float64
    """Correlations of the last frames, newest first, `(LOOKAHEAD + 1, LAGS)`."""
    whitened: Float64
    """Scratch `(STRETCH - WARM_UP,)`."""
    prediction: Float64
    """Scratch `(2, PREDICTION_ORDER + 1)`."""
    row: Float64
    """Scratch `(LAGS,)`."""


def new_pitch_state() -> PitchState:
    """The state before the first sample."""
    return PitchState(
        np.zeros(STRETCH),
        np.zeros(LAGS),
        np.zeros((LOOKAHEAD, LAGS), np.int64),
        np.zeros((LOOKAHEAD + 1, LAGS)),
        np.zeros(STRETCH - WARM_UP),
        np.zeros((2, PREDICTION_ORDER + 1)),
        np.zeros(LAGS),
    )


@compiled_part
def _predict(stretch: Float64, correlation: Float64, taps: Float64) -> None:
    """Linear prediction of `stretch` by the autocorrelation method; `taps[0]` is 1."""
    correlation[:] = 0.0
    for n in range(PREDICTION_ORDER, len(stretch)):
        for k in range(PREDICTION_ORDER + 1):
            correlation[k] += stretch[n] * stretch[n - k]
    for k in range(PREDICTION_ORDER + 1):
        angle = 2 * math.pi * WHITENING_WIDTH / (100 * HOP) * k
        correlation[k] *= math.exp(-0.5 * angle * angle)
    error = correlation[0] * (1 + WHITENING_FLOOR)
    taps[:] = 0.0
    taps[0] = 1.0
    for order in range(1, PREDICTION_ORDER + 1):
        if error <= 0.0:
            return
        total = 0.0
        for k in range(order):
            total += taps[k] * correlation[order - k]
        reflection = -total / error
        for k in range((order + 1) // 2):
            a, b = taps[k], taps[order - k]
            taps[k], taps[order - k] = a + reflection * b, b + reflection * a
        if order % 2 == 0:
            taps[order // 2] *= 1 + reflection
        error *= 1 - reflection * reflection


@compiled_part
def _whiten(stretch: Float64, correlation: Float64, taps: Float64, whitened: Float64) -> None:
    """The residual of the prediction, tilted by a leaky sum, without the samples where both begin."""
    _predict(stretch, correlation, taps)
    whitened[:] = 0.0
    for k in range(PREDICTION_ORDER + 1):
        begin = WARM_UP - k
        for n in range(len(whitened)):
            whitened[n] += taps[k] * stretch[begin + n]
    for n in range(1, len(whitened)):
        whitened[n] += LEAKAGE * whitened[n - 1]


@compiled_part
def _correlate(whitened: Float64, products: Float64, out: Float64) -> None:
    """Normalised correlations `(LAGS,)` of the whitened frame with itself a period ago, in [-1, 1]."""
    products[:] = 0.0
    for n in range(HIGHEST_LAG, HIGHEST_LAG + 2 * HOP, 4):
        a, b, c, d = whitened[n], whitened[n + 1], whitened[n + 2], whitened[n + 3]
        begin = n - HIGHEST_LAG
        for i in range(LAGS):  # row `i` holds the lag `HIGHEST_LAG - i`
            products[i] += (
                a * whitened[begin + i]
                + b * whitened[begin + i + 1]
                + c * whitened[begin + i + 2]
                + d * whitened[begin + i + 3]
            )
    energy = earlier = 0.0
    for n in range(2 * HOP):
        energy += whitened[HIGHEST_LAG + n] ** 2
        earlier += whitened[n] ** 2
    for i in range(LAGS):
        both = energy + earlier
        out[LAGS - 1 - i] = 2 * products[i] / both if both > SILENCE else 0.0
        earlier = max(0.0, earlier + whitened[2 * HOP + i] ** 2 - whitened[i] ** 2)


@compiled_part
def _guard_octaves(correlations: Float64, scores: Float64) -> None:
    """Scores of the lags: correlations, less where half the lag explains the frame nearly as well."""
    for i in range(LAGS):
        half = (LOWEST_LAG + i) // 2 - LOWEST_LAG
        scores[i] = correlations[i]
        if half >= 0 and correlations[i] < OCTAVE_MARGIN * max(correlations[half], correlations[half + 1]):
            scores[i] *= OCTAVE_PENALTY


@compiled_part
def _advance(scores: Float64, local: Float64, origins: Int64) -> None:
    """One Viterbi step; the newest back pointers go to row 0."""
    for age in range(LOOKAHEAD - 1, 0, -1):
        for i in range(LAGS):
            origins[age, i] = origins[age - 1, i]
    best = _place_of_highest(scores)
    for i in range(LAGS):
        score, origin = scores[best] - JUMP_COST, best
        for j in range(max(0, i - REACH), min(LAGS, i + REACH + 1)):
            stepped = scores[j] - STEP_COST * (i - j) ** 2
            if stepped > score:
                score, origin = stepped, j
        origins[0, i] = origin
        local[i] += score
    highest = local[_place_of_highest(local)]
    for i in range(LAGS):
        scores[i] = local[i] - highest


@compiled_part
def _place_of_highest(values: Float64) -> int:
    place = 0
    for i in range(len(values)):
        if values[i] > values[place]:
            place = i
    return place


@compiled_part
def track(state: PitchState) -> tuple[int, float]:
    """The lag at 16 kHz, and its correlation, of the frame `LOOKAHEAD` before the one that ends `stretch`."""
    stretch, whitened, row, origins = state.stretch, state.whitened, state.row, state.origins
    scores, correlations, prediction = state.scores, state.correlations, state.prediction
    for age in range(LOOKAHEAD, 0, -1):
        for i in range(LAGS):
            correlations[age, i] = correlations[age - 1, i]
    _whiten(stretch, prediction[0], prediction[1], whitened)
    _correlate(whitened, row, correlations[0])
    _guard_octaves(correlations[0], row)
    _advance(scores, row, origins)
    place = _place_of_highest(scores)
    for age in range(LOOKAHEAD):
        place = origins[age, place]
    return LOWEST_LAG + place, correlations[LOOKAHEAD, place]


@compiled_part
def _correlation_at(samples: Float64, begin: int, length: int, lag: int) -> float:
    """Normalised correlation of `length` samples from `begin` on with those `lag` before."""
    product = energy = earlier = 0.0
    for n in range(begin, begin + length):
        product += samples[n] * samples[n - lag]
        energy += samples[n] ** 2
        earlier += samples[n - lag] ** 2
    both = energy + earlier
    return 2 * product / both if both > SILENCE else 0.0


@compiled_part
def refine(samples: Float64, begin: int, length: int, lag: int, decimation: int) -> float:
    """The period near `lag` at 16 kHz in samples of `samples`, which has `decimation` times the rate.

    The raw correlation is searched within one sample at 16 kHz, and a parabola put through its peak.
    """
    lowest, highest = LOWEST_LAG * decimation, HIGHEST_LAG * decimation
    first = max(lowest, (lag - 1) * decimation)
    last = min(highest, (lag + 1) * decimation)
    place, peak = first, -2.0
    for candidate in range(first, last + 1):
        correlation = _correlation_at(samples, begin, length, candidate)
        if correlation > peak:
            place, peak = candidate, correlation
    if place in (lowest, highest):
        return float(place)
    before = _correlation_at(samples, begin, length, place - 1)
    after = _correlation_at(samples, begin, length, place + 1)
    curvature = before - 2 * peak + after
    if curvature >= 0.0:  # the peak lies outside the range: a slope
        return float(place)
    return place + min(max(0.5 * (before - after) / curvature, -0.5), 0.5)
