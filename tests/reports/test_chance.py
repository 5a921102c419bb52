"""The p value beside a verdict: the one that its counts have, and none that says otherwise."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.stats import paired_p, rate_p, tango, wilson
from harness.types import Outcome, Verdict
from reports.chance import p_value, p_words

GATES = (
    {"text": "right-drop<=0.05", "min_gain": None, "confidence": 0.9},
    {"text": "right-gain>=0", "min_gain": 0.0, "confidence": 0.9},
    {"text": "right>=0.9", "min_gain": None, "confidence": 0.9},
)
RUN = SimpleNamespace(plan={"options": {"attempts": "count"}, "suites": [{"name": "asks", "gates": GATES}]})


def paired(gate, outcome, *, gained=12, lost=2, n=200, required=0.0, **changes):
    """A verdict on a difference."""
    counts = {"gained": gained, "lost": lost, "n": n}
    made = Verdict(outcome, "asks", gate, "m", "right", tango(gained, lost, n, 0.9), required, **counts)
    return replace(made, **changes)


def test_a_difference_has_the_p_of_its_table():
    """By the limit of its gate; a gain must stand McNemar's mid-p too."""
    drop = paired("right-drop<=0.05", Outcome.PASS, required=-0.05)
    assert p_value(RUN, drop) == paired_p(12, 2, 200, -0.05, gain=False)
    gain = paired("right-gain>=0", Outcome.PASS)
    assert p_value(RUN, gain) == paired_p(12, 2, 200, 0.0, gain=True)


def test_a_rate_has_the_p_of_its_count():
    """Of at least the rate that the gate asks for."""
    rate = Verdict(Outcome.PASS, "asks", "right>=0.9", "m", "right", wilson(195, 200, 0.9), 0.9, 200)
    assert p_value(RUN, rate) == rate_p(195, 200, 0.9)


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_a_p_that_contradicts_the_verdict_is_not_shown(outcome):
    """A pinned case broke, or the base is not like itself: the table alone would have passed."""
    assert p_value(RUN, paired("right-gain>=0", outcome)) is None
    assert p_value(RUN, paired("right-gain>=0", outcome, gained=3, lost=3)) is not None
    assert p_value(RUN, paired("right-gain>=0", Outcome.PASS, gained=3, lost=3)) is None


@pytest.mark.parametrize(
    "changes", [{"observed": None}, {"read": 100}, {"n": 210}, {"gate": "right-drop<=0.07"}, {"suite": "else"}]
)
def test_where_there_is_no_such_p_none_is_shown(changes):
    """Nothing measured, several looks, rows without a score, a gate that is not planned."""
    assert p_value(RUN, replace(paired("right-gain>=0", Outcome.PASS), **changes)) is None
    spent = SimpleNamespace(plan=RUN.plan | {"options": {"attempts": "spend"}})
    assert p_value(spent, paired("right-gain>=0", Outcome.PASS)) is None
    clustered = replace(tango(12, 2, 200, 0.9), method="clustered t")
    assert p_value(RUN, paired("right-gain>=0", Outcome.PASS, observed=clustered)) is None


def test_a_p_in_words():
    """Four digits, a floor, and a dash for none."""
    assert [p_words(p) for p in (0.03124, 1.0, 0.00001, None)] == ["0.0312", "1.0000", "< 0.0001", "–"]
