"""Calibration: the map that made the labels is found, order is kept, a perfect one has no error."""

import itertools

import numpy as np
import pytest

from asr.calibration import (
    Calibration,
    CalibrationError,
    expected_calibration_error,
    fit_calibration,
    reliability,
)


def labelled(words, truth, seed=0):
    """Confidences, and labels right as often as `truth` says."""
    rng = np.random.default_rng(seed)
    confidences = rng.uniform(0.01, 0.99, words)
    return confidences, [bool(rng.random() < truth(c)) for c in confidences]


def test_no_map_changes_nothing():
    assert [Calibration()(c) for c in (0.0, 0.123456, 1.0)] == [0.0, 0.123456, 1.0]


@pytest.mark.parametrize("truth", [Calibration(0.5, -1.0), Calibration(2.0, 0.7), Calibration(1.0, 0.0)])
def test_the_map_behind_the_labels_is_found(truth):
    found = fit_calibration(*labelled(40_000, truth))
    assert (found.slope, found.shift) == pytest.approx((truth.slope, truth.shift), abs=0.06)


def test_a_map_keeps_the_order_and_stays_within_bounds():
    mapped = [Calibration(0.7, -1.5)(c) for c in np.linspace(0, 1, 50)]
    assert all(0 < low <= high < 1 for low, high in itertools.pairwise(mapped))


def test_calibrating_lowers_the_error():
    confidences, right = labelled(5000, Calibration(0.6, -0.8))
    found = fit_calibration(confidences, right)
    held_out, labels = labelled(5000, Calibration(0.6, -0.8), seed=1)
    assert expected_calibration_error(held_out, labels) > 0.1
    assert expected_calibration_error([found(c) for c in held_out], labels) < 0.03


def test_the_error_by_hand():
    confidences, right = [0.05, 0.05, 0.95, 0.95], [False, True, True, True]
    assert expected_calibration_error(confidences, right) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)
    rows = reliability(confidences, right)
    assert [(row.right, row.words) for row in rows] == [(0.5, 2), (1.0, 2)]
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0.0


def test_words_all_right_or_none_at_all():
    assert np.isfinite(list(vars(fit_calibration([0.9, 0.8, 0.99], [True] * 3)).values())).all()
    with pytest.raises(CalibrationError, match="0 confidences"):
        fit_calibration([], [])
    with pytest.raises(CalibrationError, match="2 confidences and 1 labels"):
        fit_calibration([0.1, 0.2], [True])
