"""How strict a gate is made for so many rows."""

import pytest

from harness.gates import Gate
from harness.power import chance_to_pass
from harness.starter.thresholds import POWER, RATES, findable_gain, likely, rate_for


def test_more_rows_never_make_a_gate_laxer_and_end_at_the_strictest():
    """From 50 rows to 1,000 the limit rises from .6 to .95."""
    found = [rate_for("m", n) for n in (50, 60, 75, 100, 150, 250, 440, 1000)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0.6, 0.95)


@pytest.mark.parametrize("n", [50, 60, 100, 140, 250, 440])
def test_the_limit_is_the_strictest_that_is_likely_to_be_shown(n):
    """A candidate half way to 1 passes with 80 %; at the next stricter limit it would not."""
    rate = rate_for("m", n)
    Gate("m", at_least=rate).refuse_undecidable(n)
    assert likely("m", rate, n) >= POWER
    assert all(likely("m", stricter, n) < POWER for stricter in RATES if stricter > rate)


def test_chances_are_those_of_the_power_table():
    """`chance_to_pass` counts what `tunegate power` counts; of 14 rows all must be right for a rate of .8."""
    assert chance_to_pass(Gate("m", at_least=0.8), 14) == pytest.approx(0.9**14, rel=1e-9)
    assert chance_to_pass(Gate("m", max_drop=0.05), 247) == pytest.approx(0.8, abs=0.05)


def test_more_rows_find_smaller_gains():
    """With 140 rows a gain of 7 points is found, with 1,000 one of 2.5; as the power table has it."""
    assert findable_gain(140) == pytest.approx(0.068, abs=0.002)
    assert findable_gain(1000) == pytest.approx(0.025, abs=0.002)
