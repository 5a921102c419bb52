"""p values that say what the gates say."""

import pytest
from scipy import stats

from harness.gates import Gate
from harness.stats import exact_p, mcnemar_midp, paired_p, rate_p
from harness.types import Outcome
from tests.results import paired, result


@pytest.mark.parametrize("n", [60, 149, 300])
@pytest.mark.parametrize(
    "gate", [Gate("accuracy", max_drop=0.05), Gate("accuracy", min_gain=0.0), Gate("accuracy", min_gain=0.05)], ids=str
)
def test_p_is_at_most_the_error_just_where_a_gate_passes(n, gate):
    """For every table around the border between PASS and INCONCLUSIVE, at each number of losses."""
    seen = set()
    for lost in (0, 1, 3, 8, 20):
        for gained in range(0, 40, 1 if n < 300 else 3):
            passed = gate.check(_pair(gained, lost, n)).outcome is Outcome.PASS
            p = paired_p(gained, lost, n, gate.required, gain=gate.kind == "gain")
            assert (p <= gate.error) == passed, (gained, lost, p)
            seen.add(passed)
    assert seen == {True, False}


def _pair(gained, lost, n):
    from harness.compare import Comparison

    return Comparison(*paired(gained, lost, n))


@pytest.mark.parametrize(("rate", "n"), [(0.95, 60), (0.95, 300), (0.5, 80), (1.0, 60)])
def test_p_of_a_rate_is_at_most_the_error_just_where_a_gate_passes(rate, n):
    """For every count of right answers."""
    gate = Gate("accuracy", at_least=rate)
    for right in range(n + 1):
        passed = gate.check_result(result([1.0] * right + [0.0] * (n - right))).outcome is Outcome.PASS
        assert (rate_p(right, n, rate) <= gate.error) == passed, right


def test_p_values_are_those_of_their_sources():
    """Binomial tail and normal score; no loss of so many has the chance that none is drawn; the mid-p of a gain."""
    assert rate_p(58, 60, 0.9) == pytest.approx(
        max(stats.binomtest(58, 60, 0.9, alternative="greater").pvalue, 0.0427), 1e-2
    )
    assert exact_p(0, 0, 59, -0.05) == pytest.approx(0.95**59, rel=1e-6)
    assert paired_p(20, 8, 100, 0.0, gain=True) >= mcnemar_midp(20, 8)


@pytest.mark.parametrize(("b", "c", "p"), [(50, 0, 0.0), (0, 50, 1.0)])
def test_p_of_the_clearest_tables(b, c, p):
    """All gained, all lost: as small and as large as a p can be."""
    assert paired_p(b, c, 50, 0.0, gain=True) == pytest.approx(p, abs=1e-6)
