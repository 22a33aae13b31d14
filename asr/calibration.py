"""Word confidences that mean something: a map from the model's confidence to the share of right words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]

EDGE = 1e-4
"""Confidences nearer to 0 or 1 than this are taken for this near."""
RIDGE = 1e-3
"""Pull of slope and shift towards 1 and 0, in words; it keeps the fit finite when all words are right."""


class CalibrationError(ValueError):
    """Words that no map can be fitted to."""


@dataclass(frozen=True)
class Calibration:
    """Straight line on the log-odds of a confidence (Platt 1999); as it stands it changes nothing."""

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, confidence: float) -> float:
        """A calibrated confidence in [0, 1]."""
        if self == Calibration():
            return confidence
        inside = min(max(confidence, EDGE), 1 - EDGE)
        return 1 / (1 + math.exp(-self.slope * math.log(inside / (1 - inside)) - self.shift))


class Bin(NamedTuple):
    """Words of similar confidence."""

    confidence: float
    """Their mean."""
    right: float
    """Share of right words among them."""
    words: int


def fit_calibration(confidences: ArrayLike, right: Sequence[bool]) -> Calibration:
    """The map of least log-loss, by Newton's method.

    Args:
        confidences: uncalibrated ones, in [0, 1].
        right: whether each word was right.

    Raises:
        CalibrationError: no words, or lists of different lengths.
    """
    x, y = _log_odds(np.asarray(confidences, np.float64)), np.asarray(right, np.float64)
    if not len(x) or len(x) != len(y):
        raise CalibrationError(
            f"{len(x)} confidences and {len(y)} labels; give one of each for every word, and some words"
        )
    inputs, prior = np.stack([x, np.ones_like(x)], axis=1), np.array([1.0, 0.0])
    weights = prior.copy()
    for _ in range(100):
        said = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (said - y) + RIDGE * (weights - prior)
        curvature = (inputs * (said * (1 - said))[:, None]).T @ inputs + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 1.0 / float(np.abs(step).max(initial=1e-12)))
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(float(weights[0]), float(weights[1]))


def reliability(confidences: ArrayLike, right: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Words in `bins` equal ranges of confidence, those without words left out."""
    values, correct = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    return [
        Bin(float(values[place == b].mean()), float(correct[place == b].mean()), int((place == b).sum()))
        for b in range(bins)
        if (place == b).any()
    ]


def expected_calibration_error(confidences: ArrayLike, right: Sequence[bool], bins: int = 10) -> float:
    """Mean distance between confidence and share of right words over the words (Naeini et al. 2015)."""
    found = reliability(confidences, right, bins)
    words = sum(one.words for one in found)
    return sum(one.words * abs(one.confidence - one.right) for one in found) / max(words, 1)


def _log_odds(confidence: Float64) -> Float64:
    inside = np.clip(confidence, EDGE, 1 - EDGE)
    return np.asarray(np.log(inside / (1 - inside)))


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(1 / (1 + np.exp(-x)))
