"""A rate behind an imperfect judge."""

import numpy as np
import pytest

from harness.stats import Count, rogan_gladen

PERFECT = Count(100_000, 100_000)


def test_published_value():
    """23 of 150 cows tested positive at 96 % sensitivity and 89 % specificity: 5.1 in 100 (manual of R's epiR)."""
    found = rogan_gladen(Count(23, 150), Count(96, 100), Count(89, 100))
    assert found.value == pytest.approx(0.051, abs=5e-4)
    assert found.low < 0.051 < found.high


def test_a_perfect_judge_is_believed():
    """With a judge that never errs the rate stays, and the interval is about Wilson's."""
    found = rogan_gladen(Count(80, 100), PERFECT, PERFECT)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.711, 0.867), abs=2e-3)


def test_a_lenient_judge_is_corrected_downwards():
    """One that passes a quarter of the wrong answers flatters."""
    found = rogan_gladen(Count(773, 1000), PERFECT, Count(75_000, 100_000))
    assert found.value == pytest.approx((0.773 + 0.75 - 1) / 0.75, abs=1e-6)


def test_the_interval_carries_the_noise_of_the_calibration():
    """Fifty labels leave more doubt than five thousand."""
    few, many = (rogan_gladen(Count(700, 1000), Count(9 * k, 10 * k), Count(8 * k, 10 * k)) for k in (5, 500))
    assert few.high - few.low > 1.5 * (many.high - many.low)


@pytest.mark.parametrize(("rate", "labels"), [(0.7, 50), (0.9, 100), (0.3, 200)])
def test_the_interval_covers_the_truth(rate, labels):
    """In 1,500 simulated judgings with a new calibration each it holds the true rate in about 95 %."""
    rng = np.random.default_rng(labels)
    held = 0
    for _ in range(1500):
        judged = rng.binomial(400, rate * 0.9 + (1 - rate) * 0.2)
        right, wrong = rng.binomial(labels, 0.9), rng.binomial(labels, 0.8)
        found = rogan_gladen(Count(int(judged), 400), Count(int(right), labels), Count(int(wrong), labels))
        held += found is not None and found.low <= rate <= found.high
    assert held / 1500 > 0.935


def test_a_judge_that_guesses_cannot_be_corrected():
    """q0 + q1 of at most 1.2 says nothing, and that is said with None."""
    assert rogan_gladen(Count(50, 100), Count(60, 100), Count(60, 100)) is None


@pytest.mark.parametrize("count", [Count(0, 0), Count(5, 4), Count(-1, 4)])
def test_impossible_counts_are_refused(count):
    """Hits lie in [0, n], and n is above 0."""
    with pytest.raises(ValueError, match="hits"):
        rogan_gladen(Count(1, 2), count, PERFECT)
