"""Verdicts that stand on nothing."""

import pytest

from harness.compare import Comparison
from harness.decide import decide
from harness.errors import BadSpec
from harness.gates import Gate
from harness.types import Outcome
from tests.results import paired, result

DROP, GAIN = Gate("accuracy", max_drop=0.05), Gate("accuracy", min_gain=0.2)


def outcome(gate, base, candidate):
    """What is decided about results made by hand."""
    return decide(gate, base, candidate, chance=0.0)


@pytest.mark.parametrize("right", [0, 3, 10])
def test_a_base_with_nothing_to_lose_lets_nothing_pass(right):
    """At most 10 of 400 are right, and 5 points may be lost: a candidate that says nothing would pass."""
    base = result([1.0] * right + [0.0] * (400 - right), model="base")
    verdict = outcome(DROP, base, result([0.0] * 400))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.observed is not None
    assert "so this gate cannot fail" in verdict.reason


def test_a_base_that_can_lose_is_a_yardstick():
    """One more right answer than may be lost, and the gate can fail; with no loss at all it passes."""
    base = result([1.0] * 21 + [0.0] * 379, model="base")
    lost = outcome(DROP, base, result([0.0] * 400))
    assert (lost.outcome, "cannot fail" in lost.reason) == (Outcome.INCONCLUSIVE, False)
    assert outcome(DROP, base, result([1.0] * 21 + [0.0] * 379)).outcome is Outcome.PASS


def test_a_gain_rules_out_any_drop():
    """A candidate that learned what its base never could has lost nothing: 380 gained of 400."""
    assert outcome(DROP, *paired(380, 0, 400)).outcome is Outcome.PASS


def test_a_gain_that_nobody_can_reach_is_said():
    """Above a base at 90 % no candidate gains 20 points: the verdict stays, and its reason says why."""
    verdict = outcome(GAIN, *paired(40, 0, 400, both_right=360))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.endswith("no headroom: the base scores 90.0%, so no candidate can gain more than 10.0 points")


def test_room_enough_is_not_mentioned():
    """With room to gain and to lose the gate's own verdict is left as it is."""
    for gate in (DROP, GAIN):
        base, candidate = paired(150, 2, 400, both_right=100)
        assert outcome(gate, base, candidate) == gate.check(Comparison(base, candidate))


@pytest.mark.parametrize(("n", "min_n", "expected"), [(49, 50, "INCONCLUSIVE"), (50, 50, "PASS"), (49, 49, "PASS")])
def test_few_examples_never_pass(n, min_n, expected):
    """All right, and the interval lies above the limit: below `min_n` that is still no PASS, while a FAIL stays one."""
    gate = Gate("accuracy", at_least=0.5, min_n=min_n)
    verdict = outcome(gate, result([1.0] * n), None)
    assert verdict.outcome == expected
    assert ("are too few to pass" in verdict.reason, verdict.needed) == (n < min_n, min_n if n < min_n else None)
    assert outcome(gate, result([0.0] * n), None).outcome is Outcome.FAIL
    assert outcome(Gate("accuracy", max_drop=0.3, min_n=min_n), *paired(0, 0, n, both_right=n)).outcome == expected


@pytest.mark.parametrize("min_n", [0, -1, 1.5, "50", True, None])
def test_min_n_is_a_count(min_n):
    """Nobody switches it off by a slip."""
    with pytest.raises(BadSpec, match="min_n"):
        Gate("accuracy", at_least=0.5, min_n=min_n)
