"""Sample sizes and what can be seen."""

from math import comb, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import (
    clopper_pearson,
    critical_score,
    deciding_n,
    detectable_difference,
    detectable_mean,
    mcnemar_midp,
    score,
    tango,
    wilson,
    zero_loss_bound,
    zero_loss_n,
)


@pytest.mark.parametrize(("n", "bound"), [(20, -0.119), (50, -0.051), (100, -0.026), (133, -0.020), (200, -0.013)])
def test_zero_loss_bound_is_tangos(n, bound):
    """The closed form equals Tango's bound without discordant pairs, -z²/(n + z²)."""
    assert zero_loss_bound(n) == pytest.approx(bound, abs=6e-4)
    assert zero_loss_bound(n) == pytest.approx(tango(0, 0, n, 0.90).low, abs=1e-10)


def test_zero_loss_bound_needs_pairs():
    """Without pairs there is no bound."""
    with pytest.raises(ValueError, match="n > 0"):
        zero_loss_bound(0)


@pytest.mark.parametrize(("margin", "n"), [(0.02, 149), (0.01, 299), (0.05, 59), (0.5, 5)])
def test_smallest_n_of_a_margin(margin, n):
    """2 points need 149 examples, and 1 point 299: one fewer shows no loss by luck in more than 5 % of cases."""
    assert zero_loss_n("drop", margin) == n
    assert tango(0, 0, n, 0.90).low > -margin
    assert (1 - margin) ** n <= 0.05 < (1 - margin) ** (n - 1)
    assert score(0, 0, n, -margin) > critical_score(n, -margin)
    assert score(0, 0, n - 1, -margin) <= critical_score(n - 1, -margin)


@pytest.mark.parametrize("rate", [0.5, 0.95, 0.99])
def test_smallest_n_of_a_rate(rate):
    """That many right of as many show the rate, one fewer do not."""
    n = zero_loss_n("rate", rate)
    assert min(wilson(n, n, 0.90).low, clopper_pearson(n, n, 0.90).low) >= rate
    assert min(wilson(n - 1, n - 1, 0.90).low, clopper_pearson(n - 1, n - 1, 0.90).low) < rate


@pytest.mark.parametrize("gain", [0.0, 0.01, 0.2, 0.9])
def test_smallest_n_of_a_gain(gain):
    """That many gained of as many show the gain, one fewer do not."""
    n = zero_loss_n("gain", gain)
    assert tango(n, 0, n, 0.90).low > gain
    assert score(n, 0, n, gain) > critical_score(n, gain)
    assert score(n - 1, 0, n - 1, gain) <= critical_score(n - 1, gain)


def test_a_rate_or_gain_of_one_is_out_of_reach():
    """No count of right answers shows that all answers are right."""
    assert zero_loss_n("rate", 1.0) is None
    assert zero_loss_n("gain", 1.0) is None


@pytest.mark.parametrize(
    ("discordance", "margin", "n"),
    [(0.02, 0.02, 310), (0.05, 0.02, 773), (0.10, 0.02, 1546), (0.05, 0.05, 124), (0.20, 0.01, 12366)],
)
def test_deciding_n_matches_the_normal_approximation(discordance, margin, n):
    """(1.6449 + 0.8416)² ψ / margin², worked out by hand and rounded up."""
    assert deciding_n(discordance, margin) == pytest.approx(n, abs=1)


@pytest.mark.parametrize(
    ("deviation", "effect", "n"),
    [(1.0, 0.1, 785), (1.0, 0.2, 197), (1.0, 0.5, 32), (0.8, 0.2, 126), (1.3, 0.3, 148)],
)
def test_deciding_n_of_means_is_that_of_a_two_sided_z_test(deviation, effect, n):
    """(1.9600 + 0.8416)² SD² / effect²: what Miller's formula gives for judge scores, two-sided at 5 %."""
    assert deciding_n(deviation**2, effect, 0.95) == n


def test_answers_drawn_again_buy_examples():
    """With as much variance within a question as between, two answers for each need three quarters of the questions."""
    once, twice = (deciding_n(0.1 + 0.1 / answers, 0.03) for answers in (1, 2))
    assert twice / once == pytest.approx(0.75, abs=1e-3)


def test_more_power_needs_more_examples():
    """95 % needs 1.75 times what 80 % does."""
    assert deciding_n(0.05, 0.02, power=0.95) / deciding_n(0.05, 0.02) == pytest.approx(1.75, abs=0.01)


@pytest.mark.parametrize(("variance", "distance"), [(0.1, 0.0), (0.1, 1e-5), (1.0, 1e-200)])
def test_deciding_n_that_nobody_can_measure_is_none(variance, distance):
    """On the limit itself no number of examples decides."""
    assert deciding_n(variance, distance) is None


def test_deciding_n_without_variance_is_one():
    """Nothing varies: one example tells."""
    assert deciding_n(0.0, 0.1) == 1


@pytest.mark.parametrize(("n", "discordant"), [(100, 10), (200, 20), (200, 40), (300, 3), (100, 0)])
def test_detectable_difference_is_found_in_four_of_five_cases(n, discordant):
    """By exact enumeration, McNemar's mid-p test at one-sided 5 % finds such a difference with about 80 % power."""
    difference = detectable_difference(n, discordant)
    share = max(discordant / n, difference)
    gained, lost = (share + difference) / 2, max((share - difference) / 2, 0.0)
    power = sum(
        comb(n, b) * comb(n - b, c) * gained**b * lost**c * (1 - gained - lost) ** (n - b - c)
        for b in range(70)
        for c in range(40)
        if b + c <= n and mcnemar_midp(b, c) <= 0.05
    )
    assert 0.72 <= power <= 0.93


def test_detectable_difference_solves_connors_equation():
    """30 pairs of which 10 differ, moved towards 1/2, give d √n = z √p + z_power √(p - d²), worked out by hand."""
    share = (10 + 1.644854**2 / 2) / (30 + 1.644854**2)
    difference = detectable_difference(30, 10)
    expected = 1.644854 * share**0.5 + 0.841621 * (share - difference**2) ** 0.5
    assert difference * 30**0.5 == pytest.approx(expected, abs=1e-5)


@settings(deadline=None, database=None)
@given(st.integers(2, 5000), st.integers(0, 50))
def test_detectable_difference_shrinks_with_n_and_grows_with_discordance(n, discordant):
    """More pairs see less, more discordance hides more, and it is never 0."""
    discordant = min(discordant, n - 1)
    here = detectable_difference(n, discordant)
    assert 0 < here <= 1
    assert detectable_difference(2 * n, 2 * discordant) <= here
    assert detectable_difference(n, discordant + 1) >= here


def test_detectable_mean_follows_the_interval():
    """A half-width of 1.645 standard errors sees 2.486 of them, and never more than everything."""
    assert detectable_mean(0.0164485) == pytest.approx(0.024865, abs=1e-6)
    assert detectable_mean(0.9) == 1.0
    assert detectable_mean(inf) == 1.0
