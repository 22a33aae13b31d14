"""Bootstrap: the interval of a known distribution, shrinking with the data; p-values of known cases."""

import math

import numpy as np
import pytest

from biasing.intervals import Bootstrap, BootstrapError, compare, divide, draws, estimates, ratio, upper_limit


def coin(share: float, count: int, seed: int = 0):
    return (np.random.default_rng(seed).random(count) < share).astype(float)


def one(top, bottom, options=Bootstrap()):  # noqa: B008
    return estimates(ratio(top, bottom), len(top), options)[0]


def test_each_draw_has_as_many_utterances_and_is_repeatable(monkeypatch):
    options = Bootstrap(rounds=50, seed=3)
    (at_once,) = draws(7, options)
    assert at_once.shape == (50, 7)
    assert (at_once.sum(axis=1) == 7).all()
    assert len(np.unique(at_once, axis=0)) > 25
    monkeypatch.setattr("biasing.intervals.CELLS_AT_ONCE", 70)
    in_blocks = list(draws(7, options))
    assert len(in_blocks) == 5
    np.testing.assert_array_equal(np.concatenate(in_blocks), at_once)
    assert any((block != at_once[:10]).any() for block in draws(7, Bootstrap(rounds=50, seed=4)))


def test_the_interval_is_that_of_a_binomial():
    wrong = coin(0.2, 2000)
    found = one(wrong, np.ones(2000))
    half = 1.96 * math.sqrt(found.value * (1 - found.value) / 2000)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.003)


@pytest.mark.parametrize("seed", range(10))
def test_the_interval_holds_the_value_and_shrinks_with_the_root_of_the_count(seed):
    small = one(coin(0.3, 200, seed), np.ones(200))
    large = one(coin(0.3, 3200, seed), np.ones(3200))
    for found in (small, large):
        assert found.low < found.value < found.high
    assert large.high - large.low == pytest.approx((small.high - small.low) / 4, rel=0.25)


def test_wider_coverage_is_a_wider_interval():
    values = coin(0.3, 100)
    widths = [one(values, np.ones(100), Bootstrap(coverage=share)) for share in (0.5, 0.9, 0.99)]
    assert sorted(widths, key=lambda found: found.high - found.low) == widths


@pytest.mark.parametrize(("field", "value"), [("rounds", 0), ("coverage", 0.0), ("coverage", 95)])
def test_settings_without_an_interval_are_refused(field, value):
    with pytest.raises(BootstrapError, match=f"{field} is {value}; give"):
        Bootstrap(**{field: value})


def test_nothing_to_divide_by_is_nan_and_such_draws_are_left_out():
    nothing = one(np.zeros(3), np.zeros(3))
    assert all(map(math.isnan, (nothing.value, nothing.low, nothing.high)))
    rarely = one(np.array([1.0, 0, 0, 0]), np.array([2.0, 0, 0, 0]))
    assert (rarely.value, rarely.low, rarely.high) == (0.5, 0.5, 0.5)
    np.testing.assert_array_equal(divide(np.array([1.0, 0.0]), np.array([0.0, 2.0])), [np.nan, 0.0])


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_identical_systems_have_p_1(higher_is_better):
    statistic = ratio(coin(0.3, 50), np.ones(50))
    found = compare(statistic, statistic, 50, Bootstrap(), higher_is_better)
    assert found.p_value == 1
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)


def test_a_clear_difference_has_the_least_p_and_the_wrong_direction_p_1():
    errors = coin(0.5, 300)
    worse, better = ratio(errors + 1, np.ones(300)), ratio(errors, np.ones(300))
    options = Bootstrap(rounds=400)
    assert compare(worse, better, 300, options, higher_is_better=False).p_value == 1 / 401
    assert compare(better, worse, 300, options, higher_is_better=False).p_value == 1
    assert compare(better, worse, 300, options, higher_is_better=True).p_value == 1 / 401


def test_p_agrees_with_the_normal_distribution():
    gains = np.random.default_rng(0).normal(0.1, 1, 400)
    found = compare(
        ratio(np.zeros(400), np.ones(400)), ratio(gains, np.ones(400)), 400, Bootstrap(rounds=5000), True
    )
    z = gains.mean() / (gains.std() / 20)
    assert found.p_value == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)), abs=0.015)
    assert found.difference.value == pytest.approx(gains.mean())


def test_pairing_sees_a_difference_that_intervals_hide():
    errors = np.random.default_rng(1).integers(0, 20, 100).astype(float)
    a, b = ratio(errors + 1, np.full(100, 20.0)), ratio(errors, np.full(100, 20.0))
    (first,), (second,) = estimates(a, 100, Bootstrap()), estimates(b, 100, Bootstrap())
    assert first.low < second.high
    assert compare(a, b, 100, Bootstrap(), higher_is_better=False).p_value < 0.01


@pytest.mark.parametrize("events", [0, 1, 2, 7, 40])
def test_the_upper_limit_leaves_five_in_a_hundred(events):
    mean = upper_limit(events)
    fewer = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(events + 1))
    assert fewer == pytest.approx(0.05, abs=1e-6)
