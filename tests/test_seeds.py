"""What a sweep over seeds says of a configuration."""

import numpy as np
import pytest
from scipy import stats

from harness.seeds import mean_over_seeds, seed_claims
from harness.sweeps import Point, Ranking
from harness.types import ModelRef
from tests.results import result

RANKING = Ranking("suite", "accuracy", {}, (), "base")


def point(name, **settings):
    """A point with these settings."""
    return Point(name, ModelRef(name, "embedded"), settings, job=name, parameters=1)


def claims(points, **right):
    """What is said of points that are right on so many of 100 rows; the base on 50."""
    scores = {"base": 50, **right}
    measured = {("suite", name): result([1.0] * n + [0.0] * (100 - n), model=name) for name, n in scores.items()}
    return seed_claims(points, RANKING, measured)


def test_seeds_are_the_unit():
    """Three seeds that gain 10, 12 and 17 points: scipy's t interval of three numbers."""
    points = [point(f"s{i}", seed=i, rank=8) for i in range(3)]
    expected = stats.ttest_1samp([0.10, 0.12, 0.17], 0).confidence_interval(0.90)
    seen = mean_over_seeds([0.10, 0.12, 0.17])
    assert (seen.value, seen.low, seen.high) == pytest.approx((0.13, expected.low, expected.high))
    (said,) = claims(points, s0=60, s1=62, s2=67)
    assert said.startswith("s0, s1, s2: over 3 seeds their configuration gains +13.0 points of accuracy")
    assert f"[{100 * seen.low:+.1f}, {100 * seen.high:+.1f}], with the seed as the unit" in said


def test_configurations_are_kept_apart():
    """Seeds of rank 8 say nothing of rank 16, and a sweep without seeds makes no claim."""
    points = [point(f"r{rank}s{i}", seed=i, rank=rank) for rank in (8, 16) for i in range(3)]
    right = {each.name: 60 for each in points}
    assert len(claims(points, **right)) == 2
    assert claims([point("r8", rank=8), point("r16", rank=16)], r8=60, r16=60) == ()


def test_two_seeds_are_too_few():
    """A claim about a configuration needs three trainings."""
    assert "too few" in claims([point("a", seed=0), point("b", seed=1)], a=60, b=60)[0]
    with pytest.raises(ValueError, match="at least two"):
        mean_over_seeds([0.1])


def test_a_seed_that_was_not_measured_leaves_no_claim():
    """The mean of those that happened to succeed is not the configuration's."""
    assert "not all of its seeds were measured" in claims([point("a", seed=0), point("b", seed=1)], a=60)[0]


def test_one_lucky_seed_is_no_configuration():
    """Configurations that gain nothing on average, with 3 points between seeds: examples alone call a third a gain."""
    rng, by_seed, by_rows = np.random.default_rng(1), 0, 0
    for _ in range(400):
        gains = rng.normal(0, 0.03, 3) + rng.normal(0, 0.015, 3)
        by_seed += mean_over_seeds(gains.tolist()).low > 0
        by_rows += gains[0] - 1.645 * 0.015 > 0
    assert by_seed / 400 <= 0.08
    assert by_rows / 400 > 0.15
