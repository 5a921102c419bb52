"""Bounds of a mean that hold after every value."""

from math import log, sqrt

import numpy as np
import pytest

from harness.stats import betting_mean, log_capital


def capital(values, mean, level):
    """The bettor's capital by a loop, from the formulas of Waudby-Smith and Ramdas, section 4.2."""
    total, squares, wealth, before = 0.0, 0.0, 1.0, 0.25
    for t, x in enumerate(values, start=1):
        stake = min(sqrt(2 * log(1 / level) / (before * t * log(t + 1))), 0.5 / mean)
        wealth *= 1 + stake * (x - mean)
        total += x
        center = (0.5 + total) / (t + 1)
        squares += (x - center) ** 2
        before = (0.25 + squares) / (t + 1)
    return wealth


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
def test_capital_is_that_of_the_formulas(mean):
    """After each value it equals a plain loop's."""
    values = np.random.default_rng(1).random(30)
    found = np.exp(log_capital(values, mean, 0.05))
    assert found == pytest.approx([capital(values[: k + 1], mean, 0.05) for k in range(30)])


def test_bounds_are_where_the_capital_refutes():
    """At the lower bound the capital is just 1 / level, and at the upper one that of the mirror image."""
    values = np.random.default_rng(2).random(200).tolist()
    seen = betting_mean(values, (0.0, 1.0), 0.90)
    assert capital(values, seen.low, 0.05) == pytest.approx(20, rel=1e-4)
    assert capital([1 - x for x in values], 1 - seen.high, 0.05) == pytest.approx(20, rel=1e-4)
    assert seen.low < seen.value < seen.high
    assert (seen.n, seen.method) == (200, "betting")


def test_other_bounds_are_a_change_of_scale():
    """Differences in [-1, 1] are shares of [0, 1], stretched."""
    values = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], 100).tolist()
    wide, unit = betting_mean(values, (-1.0, 1.0)), betting_mean([(x + 1) / 2 for x in values], (0.0, 1.0))
    assert (wide.low, wide.high) == pytest.approx((2 * unit.low - 1, 2 * unit.high - 1))


def test_no_look_breaks_the_promise():
    """Of 2,000 sequences with a mean of exactly the limit, at most 5 % are ever above it, looked at after every row."""
    rows = np.random.default_rng(4).choice([-1.0, 0.0, 1.0], size=(2000, 400), p=[0.10, 0.85, 0.05])
    assert np.mean(np.any(log_capital((rows + 1) / 2, 0.475, 0.05) >= log(20), axis=1)) <= 0.05


def test_the_first_value_says_little():
    """One right answer bounds next to nothing, and equal values still leave a width."""
    assert betting_mean([1.0], (0.0, 1.0)).low < 0.05
    assert betting_mean([0.0] * 50, (-1.0, 1.0)).low < -0.05


@pytest.mark.parametrize("values", [[], [1.5], [float("nan")]])
def test_impossible_values_are_refused(values):
    """Nothing, and what is not within the bounds, is an error."""
    with pytest.raises(ValueError, match="within"):
        betting_mean(values, (0.0, 1.0))
