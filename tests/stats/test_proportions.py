"""Intervals of one rate, and that of the difference of two independent ones."""

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as _loaded  # noqa: F401  # its import must not count as an example's time
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from harness.stats import clopper_pearson, independent_difference, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_published_values(successes, n, low, high):
    """It gives the figures of Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3."""
    estimate = wilson(successes, n)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)
    assert (estimate.value, estimate.n, estimate.method) == (successes / n, n, "wilson")


@settings(deadline=None, database=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_agrees_with_statsmodels(counts, confidence):
    """It equals an implementation by others, for any count."""
    successes, n = counts
    low, high = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    estimate = wilson(successes, n, confidence)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-9)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(successes, n):
    """Counts that cannot be are an error, never a number."""
    with pytest.raises(ValueError, match="need n > 0"):
        wilson(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, float("nan")])
def test_impossible_confidence_is_refused(confidence):
    """A confidence outside (0, 1), such as 95 for 0.95, is an error."""
    with pytest.raises(ValueError, match="outside"):
        wilson(1, 2, confidence)


def test_published_difference():
    """56 of 70 against 48 of 80 is the first example of Newcombe 1998, Statistics in Medicine 17:873-890, method 10."""
    seen = independent_difference(wilson(56, 70), wilson(48, 80))
    assert (seen.value, seen.low, seen.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert (seen.n, seen.method) == (70, "newcombe")


@settings(deadline=None, database=None)
@given(st.integers(0, 60), st.integers(60, 500), st.integers(0, 60), st.integers(60, 500))
def test_difference_agrees_with_statsmodels(one, n, other, m):
    """It equals an implementation by others, for any two counts."""
    low, high = confint_proportions_2indep(one, n, other, m, method="newcomb", alpha=0.1)
    seen = independent_difference(wilson(one, n, 0.9), wilson(other, m, 0.9))
    assert (seen.low, seen.high) == pytest.approx((low, high), abs=1e-9)
    assert -1 <= seen.low <= seen.value <= seen.high <= 1


def test_exact_interval_of_mendels_peas():
    """682 of 925 give [0.7076683, 0.7654066] in the manual of R's binom.test (Conover 1971)."""
    found = clopper_pearson(682, 925)
    assert (found.low, found.high) == pytest.approx((0.7076683, 0.7654066), abs=1e-7)
    assert (found.n, found.method) == (925, "clopper-pearson")


@pytest.mark.parametrize(("n", "most"), [(20, 0.139), (60, 0.049), (100, 0.030), (150, 0.020), (300, 0.010)])
def test_no_failure_in_n_bounds_a_rate(n, most):
    """The one-sided bound of no failure is 1 - 0.05^(1/n)."""
    found = clopper_pearson(0, n, 0.90)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / n)) == pytest.approx(most, abs=6e-4)
    assert found.low == 0.0


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.95, 0.99])
def test_the_exact_bound_never_errs_more_than_promised(rate):
    """At the limit itself at most 5 % of all counts of 100 lie above it by the exact bound; by Wilson's up to 8 %."""
    chances = [comb(100, k) * rate**k * (1 - rate) ** (100 - k) for k in range(101)]
    exact = sum(p for k, p in enumerate(chances) if clopper_pearson(k, 100, 0.90).low >= rate)
    assert exact <= 0.05
