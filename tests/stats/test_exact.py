"""The exact check behind a PASS, and power counted out."""

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as _loaded  # noqa: F401  # its import must not count as an example's time

from harness.stats import critical_score, critical_z, paired_power, score, tango

counts = st.integers(1, 300).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, n - b), st.just(n)))
)


def chance(passes, n, *, gained, lost):
    """P(PASS), added up from the definition of the trinomial distribution."""
    return sum(
        comb(n, b) * comb(n - b, c) * gained**b * lost**c * (1 - gained - lost) ** (n - b - c)
        for b in range(n + 1)
        for c in range(n - b + 1)
        if passes(b, c)
    )


@settings(deadline=None, database=None)
@given(counts, st.sampled_from([-0.9, -0.05, -0.02, 0.0, 0.2]))
def test_score_says_what_tangos_bound_says(bcn, limit):
    """It exceeds z just where Tango's lower bound exceeds the limit."""
    b, c, n = bcn
    above = tango(b, c, n, 0.90).low - limit
    if abs(above) > 1e-9:
        assert bool(score(b, c, n, limit) > critical_z(0.90)) == (above > 0)


def test_score_takes_many_tables_at_once():
    """Arrays give arrays, with the values of single tables."""
    found = score([0, 7, 1], [0, 1, 7], 21, -0.1)
    assert found.tolist() == [float(score(b, c, 21, -0.1)) for b, c in ((0, 0), (7, 1), (1, 7))]


def test_tangos_bound_alone_is_too_kind_to_rare_losses():
    """A true loss of 2 points without gains passes 6.2 % of all tables of 300 pairs; the critical score does not."""
    kind = paired_power(lambda b, c: tango(b, c, 300, 0.90).low > -0.02, 300, gained=0.0, lost=0.02)
    assert kind == pytest.approx(sum(comb(300, c) * 0.02**c * 0.98 ** (300 - c) for c in range(3)), abs=1e-12)
    assert kind > 0.06
    least = critical_score(300, -0.02)
    assert paired_power(lambda b, c: bool(score(b, c, 300, -0.02) > least), 300, gained=0.0, lost=0.02) <= 0.05


@pytest.mark.parametrize(("n", "limit"), [(20, -0.15), (45, -0.1), (45, 0.0), (45, 0.2), (30, -0.5)])
def test_no_discordance_breaks_the_promise(n, limit):
    """On another grid and by another sum, a difference of just the limit passes in at most 5 % of cases."""
    least = critical_score(n, limit)
    passing = {(b, c) for b in range(n + 1) for c in range(n - b + 1) if score(b, c, n, limit) > least}
    shares = [abs(limit) + (1 - abs(limit)) * step / 60 for step in range(61)]
    worst = max(chance(lambda b, c: (b, c) in passing, n, gained=(s + limit) / 2, lost=(s - limit) / 2) for s in shares)
    assert 0.02 < worst <= 0.0505


def test_critical_score_is_never_below_the_normal_one():
    """The check only ever makes a gate stricter, and little so where many pairs differ."""
    assert all(critical_z(0.90) <= critical_score(n, -0.05) < 1.8 for n in (60, 200, 1000))


def test_power_is_the_sum_over_all_tables():
    """It equals the sum from the definition, for a rule that depends on both counts."""
    passes = {(b, c): tango(b, c, 40, 0.90).low > -0.1 for b in range(41) for c in range(41 - b)}
    found = paired_power(lambda b, c: passes[b, c], 40, gained=0.1, lost=0.05)
    assert found == pytest.approx(chance(lambda b, c: passes[b, c], 40, gained=0.1, lost=0.05), abs=1e-12)


@pytest.mark.parametrize(("gained", "lost", "expected"), [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.0, 0.0, 0.0)])
def test_power_of_certain_tables(gained, lost, expected):
    """Where only one table can be, it is 0 or 1."""
    assert paired_power(lambda b, c: b > c, 30, gained=gained, lost=lost) == pytest.approx(expected)
