"""Evidence that may be looked at after every pair."""

from math import exp, log

import numpy as np
import pytest
from scipy.integrate import quad

from harness.stats import gain_log_e


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 0), (0, 3), (9, 2), (25, 20), (2, 12)])
def test_closed_form_is_the_integral(b, c):
    """It equals the mean likelihood ratio over all shares above one half, integrated numerically."""
    area, _ = quad(lambda p: p**b * (1 - p) ** c, 0.5, 1.0, epsabs=1e-15)
    assert exp(gain_log_e(b, c)) == pytest.approx(2 ** (b + c) * 2 * area, rel=1e-7)


def test_first_pairs_by_hand():
    """One gain is 3/2, one loss 1/2: their mean is 1, as that of any bet on a fair coin."""
    assert (exp(gain_log_e(1, 0)), exp(gain_log_e(0, 1))) == (pytest.approx(1.5), pytest.approx(0.5))


def test_it_is_a_fair_bet_after_any_table():
    """The mean over the next fair pair is what one has: a martingale."""
    b, c = np.meshgrid(np.arange(40), np.arange(40))
    after = (np.exp(gain_log_e(b + 1, c)) + np.exp(gain_log_e(b, c + 1))) / 2
    assert after == pytest.approx(np.exp(gain_log_e(b, c)), rel=1e-9)


def test_looking_after_every_pair_keeps_the_error():
    """Of 2,000 fair sequences of 400 pairs at most 5 % ever reach 20; a fixed test looked at so often errs far more."""
    b = np.cumsum(np.random.default_rng(1).integers(0, 2, size=(2000, 400)), axis=1)
    c = np.arange(1, 401) - b
    assert np.mean(np.any(gain_log_e(b, c) >= log(20), axis=1)) <= 0.05
    assert np.mean(np.any((b - c) / np.sqrt(b + c) > 1.645, axis=1)) > 0.25


def test_hopeless_evidence_is_minus_infinity_and_no_error():
    """Thousands of losses leave nothing, silently."""
    assert gain_log_e(0, 5000) == -np.inf
    assert gain_log_e(5000, 0) == pytest.approx(5001 * log(2) - log(5001))


def test_negative_counts_are_refused():
    """Counts that cannot be are an error."""
    with pytest.raises(ValueError, match="negative"):
        gain_log_e(-1, 2)
