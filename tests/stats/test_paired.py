"""Tango's interval and McNemar's mid-p."""

from fractions import Fraction
from math import comb, inf, log, sqrt
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as _loaded  # noqa: F401  # its import must not count as an example's time
from scipy.optimize import minimize_scalar

from harness.stats import critical_z, mcnemar_midp, tango

Z95 = NormalDist().inv_cdf(0.975)
counts = st.integers(1, 400).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, n - b), st.just(n)))
)
any_settings = settings(deadline=None, database=None)


@pytest.mark.parametrize(
    ("b", "c", "n", "low", "high"),
    [
        # Airway reactivity before and after transplantation (Bentur et al. 2009); the interval is in
        # Fagerland, Lydersen, Laake 2014, Statistics in Medicine 33:2850-2875.
        (1, 7, 21, -0.5172, -0.0260),
        # The example in the manual of scoreci.mp in R's PropCIs.
        (40, 20, 160, 0.0309, 0.2181),
        (0, 0, 50, -0.0713, 0.0713),
    ],
)
def test_published_values(b, c, n, low, high):
    """It gives the published figures."""
    estimate = tango(b, c, n)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)
    assert (estimate.value, estimate.n, estimate.method) == ((b - c) / n, n, "tango")


@pytest.mark.parametrize("n", [1, 5, 50, 133, 1000])
def test_extremes_have_closed_forms(n):
    """No discordant pair gives ±z²/(n + z²), n gains give (n - z²)/(n + z²) up to 1, and n losses the mirror image."""
    edge = Z95**2 / (n + Z95**2)
    none, all_gained, all_lost = tango(0, 0, n), tango(n, 0, n), tango(0, n, n)
    assert (none.low, none.high) == pytest.approx((-edge, edge), abs=1e-10)
    assert (all_gained.low, all_gained.high) == pytest.approx((1 - 2 * edge, 1.0), abs=1e-10)
    assert (all_lost.low, all_lost.high) == pytest.approx((-1.0, 2 * edge - 1), abs=1e-10)


@pytest.mark.parametrize(("b", "c", "n"), [(3, 9, 60), (12, 1, 40), (0, 4, 133), (7, 0, 300), (50, 50, 101)])
def test_bounds_solve_the_score_equation(b, c, n):
    """At each bound the score statistic is z, with the discordance found by maximising the likelihood numerically."""
    estimate = tango(b, c, n)
    for bound in (estimate.low, estimate.high):
        assert abs(_score(bound, b, c, n)) == pytest.approx(Z95, rel=1e-4)


@any_settings
@given(counts)
def test_swapping_gains_and_losses_mirrors_the_interval(bcn):
    """What the candidate gains is what the base loses."""
    b, c, n = bcn
    one, other = tango(b, c, n), tango(c, b, n)
    assert (one.value, one.low, one.high) == (-other.value, -other.high, -other.low)


@any_settings
@given(counts, st.sampled_from([0.8, 0.9, 0.95]))
def test_interval_is_ordered_and_bounded(bcn, confidence):
    """It lies in [-1, 1], holds the estimate and never has width 0."""
    estimate = tango(*bcn, confidence)
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high


@any_settings
@given(counts)
def test_one_more_loss_lowers_both_bounds(bcn):
    """A pair that turns from no change to lost never helps the candidate."""
    b, c, n = bcn
    if b + c < n:
        before, after = tango(b, c, n), tango(b, c + 1, n)
        assert after.low <= before.low + 1e-9
        assert after.high <= before.high + 1e-9


@any_settings
@given(counts)
def test_more_confidence_is_wider(bcn):
    """The interval grows with the confidence."""
    narrow, wide = tango(*bcn, 0.8), tango(*bcn, 0.95)
    assert wide.low <= narrow.low + 1e-12
    assert narrow.high <= wide.high + 1e-12


@pytest.mark.parametrize(("n", "discordant"), [(20, 0.05), (50, 0.10), (100, 0.05), (200, 0.10)])
def test_false_no_regression_rate_is_nominal(n, discordant):
    """When the true loss equals a margin of 5 points, `low > -margin` comes out in at most about 5 % of cases.

    Wald's interval would say so in 36 % of them at n = 20.
    """
    lost, gained = discordant / 2 + 0.025, discordant / 2 - 0.025
    wrongly = sum(
        _trinomial(b, c, n, gained, lost)
        for b in range(20)
        for c in range(min(n - b, 40) + 1)
        if tango(b, c, n, 0.90).low > -0.05
    )
    assert wrongly <= 0.056


@pytest.mark.parametrize("arguments", [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(arguments):
    """Counts that cannot be are an error, never an interval."""
    with pytest.raises(ValueError, match="pairs"):
        tango(*arguments)


def test_midp_of_published_example():
    """Bentur's 7 against 1 has a two-sided mid-p of 0.0391 in Fagerland et al. 2013; one-sided half of it."""
    assert mcnemar_midp(7, 1) == pytest.approx(float(Fraction(5, 256)))
    assert 2 * mcnemar_midp(7, 1) == pytest.approx(0.0391, abs=5e-5)


@any_settings
@given(st.integers(0, 200), st.integers(0, 200))
def test_midp_of_both_directions_adds_up_to_one(b, c):
    """Mid-p splits the observed table between the two directions, and favours the larger count."""
    assert mcnemar_midp(b, c) + mcnemar_midp(c, b) == pytest.approx(1.0)
    if b > c:
        assert mcnemar_midp(b, c) < 0.5 < mcnemar_midp(c, b)


def test_midp_without_discordant_pairs_is_one_half():
    """Nothing seen is no evidence for either direction."""
    assert mcnemar_midp(0, 0) == 0.5


def test_midp_refuses_negative_counts():
    """Counts that cannot be are an error."""
    with pytest.raises(ValueError, match="negative"):
        mcnemar_midp(-1, 3)


def test_critical_values():
    """The familiar figures of any normal table."""
    assert critical_z(0.90) == pytest.approx(1.644854, abs=1e-6)
    assert critical_z(0.95) == pytest.approx(1.959964, abs=1e-6)


def _score(difference, b, c, n):
    """Tango's statistic from its definition: the likelihood over the lost share is maximised by a search."""
    concordant = n - b - c

    def loss(lost):
        gained = lost + difference
        terms = [(b, gained), (c, lost), (concordant, 1 - gained - lost)]
        return sum(-count * log(share) if share > 0 else (inf if count else 0.0) for count, share in terms)

    low, high = max(0.0, -difference), (1 - difference) / 2
    lost = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (b - c - n * difference) / sqrt(n * (2 * lost + difference * (1 - difference)))


def _trinomial(b, c, n, gained, lost):
    return comb(n, b) * comb(n - b, c) * gained**b * lost**c * (1 - gained - lost) ** (n - b - c)
