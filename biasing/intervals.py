"""How sure a number is: bootstrap over utterances, and the comparison of two systems on the same ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CELLS_AT_ONCE = 1 << 22

Floats = NDArray[np.float64]
# Takes how often each utterance counts, (draws, utterances), and gives numbers, (draws, numbers).
Statistic = Callable[[Floats], Floats]


class BootstrapError(ValueError):
    """Settings of a bootstrap that give no interval."""


@dataclass(frozen=True)
class Bootstrap:
    """How utterances are drawn anew.

    rounds: draws of as many utterances as there are, with replacement.
    coverage: share of the draws that an interval holds.
    seed: the same seed draws the same utterances.
    """

    rounds: int = 1000
    coverage: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what gives no interval.

        Raises:
            BootstrapError: names the field.
        """
        if self.rounds < 1:
            raise BootstrapError(f"rounds is {self.rounds}; give 1 or more, such as 1000")
        if not 0 < self.coverage < 1:
            raise BootstrapError(f"coverage is {self.coverage}; give a share between 0 and 1, such as 0.95")


@dataclass(frozen=True)
class Estimate:
    """A number and its bootstrap interval; nan where there is nothing to divide by."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same utterances.

    difference: the number of B less that of A, with its interval.
    p_value: share of the draws in which B is not better than A, both counts plus one. Draws in which they
        are equal count against B, so identical systems have 1.
    """

    a: float
    b: float
    difference: Estimate
    p_value: float


def draws(utterances: int, options: Bootstrap) -> Iterator[Floats]:
    """Yield blocks (draws, utterances) of how often each utterance was drawn; the sum of a row is fixed."""
    rng = np.random.default_rng(options.seed)
    block = max(1, CELLS_AT_ONCE // max(1, utterances))
    for first in range(0, options.rounds, block):
        rows = min(block, options.rounds - first)
        drawn = rng.integers(utterances, size=(rows, utterances))
        drawn += utterances * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * utterances)
        yield counts.reshape(rows, utterances).astype(np.float64)


def estimates(statistic: Statistic, utterances: int, options: Bootstrap) -> list[Estimate]:
    """Return each number of the statistic with its percentile interval; draws without a value are left out.

    After Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
    section 2.
    """
    values = statistic(np.ones((1, utterances)))[0]
    samples = np.concatenate([statistic(weights) for weights in draws(utterances, options)])
    return [
        _estimate(value, column, options.coverage) for value, column in zip(values, samples.T, strict=True)
    ]


def compare(
    a: Statistic, b: Statistic, utterances: int, options: Bootstrap, higher_is_better: bool
) -> Comparison:
    """Compare the first numbers of two statistics over the same draws.

    After Bisani and Ney 2004, section 3, whose "probability of improvement" is 1 less the p-value here.
    """
    whole = np.ones((1, utterances))
    value_a, value_b = float(a(whole)[0, 0]), float(b(whole)[0, 0])
    gains = np.concatenate([(b(weights) - a(weights))[:, 0] for weights in draws(utterances, options)])
    better = gains > 0 if higher_is_better else gains < 0
    p_value = (1 + np.count_nonzero(~better)) / (1 + len(gains))
    return Comparison(value_a, value_b, _estimate(value_b - value_a, gains, options.coverage), float(p_value))


def upper_limit(events: int, coverage: float = 0.95) -> float:
    """Mean of a Poisson distribution that has so few events or fewer in 1 - `coverage` of all cases.

    Where few events or none were seen, drawing utterances anew cannot tell how many there might have been.
    """
    low, high = 0.0, 2.0 * events + 10.0 - math.log(1 - coverage)
    while high - low > 1e-9 * high:
        mean = (low + high) / 2
        terms = [math.exp(-mean)]
        for k in range(1, events + 1):
            terms.append(terms[-1] * mean / k)
        low, high = (mean, high) if math.fsum(terms) > 1 - coverage else (low, mean)
    return high


def ratio(top: ArrayLike, bottom: ArrayLike) -> Statistic:
    """Return the statistic sum of `top` over sum of `bottom`, both (utterances,)."""
    tops, bottoms = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    return lambda weights: divide(weights @ tops, weights @ bottoms)[:, None]


def divide(top: Floats, bottom: Floats) -> Floats:
    """Divide, with nan where the divisor is 0."""
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom != 0)


def _estimate(value: float, samples: Floats, coverage: float) -> Estimate:
    defined = samples[~np.isnan(samples)]
    if np.isnan(value) or not len(defined):
        return Estimate(float(value), float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - coverage) / 2, (1 + coverage) / 2])
    return Estimate(float(value), float(low), float(high))
