"""What a gate decides."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as _loaded  # noqa: F401  # its import must not count as an example's time

from harness.compare import Comparison
from harness.errors import BadSpec
from harness.gates import Gate, aggregate, measured
from harness.stats import critical_score, score, tango, wilson
from harness.types import Outcome
from tests.results import paired, result

PASS, FAIL, INCONCLUSIVE, INVALID, NOT_RUN, CUT = Outcome
DROP = Gate("accuracy", max_drop=0.02)
GAIN = Gate("accuracy", min_gain=0.20)
RATE = Gate("accuracy", at_least=0.95)
tables = st.sampled_from([1, 2, 9, 60, 150, 300]).flatmap(  # few sizes: the exact check is worked out once for each
    lambda n: st.tuples(st.integers(0, n // 2), st.integers(0, n // 2), st.just(n))
)


def decide(gate, gained, lost, n):
    """The verdict about a candidate with that many gained and lost of n."""
    return gate.check(Comparison(*paired(gained, lost, n)))


def rate(gate, right, n):
    """The verdict about a model with that many right of n."""
    return gate.check_result(result([1.0] * right + [0.0] * (n - right)))


@pytest.mark.parametrize(
    ("gate", "text", "required"),
    [
        (Gate("valid_json", at_least=0.95), "valid_json>=0.95", 0.95),
        (Gate("accuracy", max_drop=0.02), "accuracy-drop<=0.02", -0.02),
        (Gate("exact_match", min_gain=0.20), "exact_match-gain>=0.2", 0.2),
    ],
)
def test_a_gate_names_itself(gate, text, required):
    """Its text is its pytest id, and its limit is signed like a difference."""
    assert (str(gate), gate.required) == (text, required)
    assert gate.absolute == (gate.at_least is not None)


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"at_least": 0.9, "max_drop": 0.1},
        {"max_drop": 0.1, "min_gain": 0.1},
        {"at_least": 85},
        {"at_least": 0.0},
        {"max_drop": 0},
        {"max_drop": -0.02},
        {"min_gain": math.nan},
        {"min_gain": math.inf},
        {"at_least": "0.95"},
        {"at_least": True},
        {"at_least": 0.9, "confidence": 95},
        {"at_least": 0.9, "confidence": 1.0},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limits):
    """Exactly one limit, a finite rate in (0, 1]; 85 for 0.85 is an error."""
    with pytest.raises(BadSpec, match="gate on 'accuracy'"):
        Gate("accuracy", **limits)


def test_a_misspelt_limit_is_refused():
    """`at_lest` is no limit that is silently ignored."""
    with pytest.raises(TypeError, match="at_lest"):
        Gate("accuracy", at_lest=0.9)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "outcome"),
    [
        (0, 0, 149, PASS),  # the smallest n that shows 2 points
        (0, 0, 148, INCONCLUSIVE),
        (0, 0, 20, INCONCLUSIVE),  # few examples without a loss prove nothing
        (40, 0, 400, PASS),
        (3, 3, 1000, PASS),
        (18, 23, 3000, PASS),
        (30, 40, 500, INCONCLUSIVE),
        (0, 40, 400, FAIL),
        (5, 60, 500, FAIL),
        (0, 5, 5, FAIL),
    ],
)
def test_a_drop_must_be_ruled_out(gained, lost, n, outcome):
    """PASS when the lower bound is above the margin, FAIL when the upper one is below it, else INCONCLUSIVE."""
    verdict = decide(DROP, gained, lost, n)
    assert verdict.outcome is outcome
    assert verdict.observed == tango(gained, lost, n, 0.90)
    assert (verdict.n, verdict.gained, verdict.lost, verdict.required) == (n, gained, lost, -0.02)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "outcome"),
    [
        (200, 5, 400, PASS),
        (90, 5, 400, INCONCLUSIVE),  # more than 20 points seen, not shown
        (80, 0, 400, INCONCLUSIVE),  # exactly the limit
        (40, 0, 400, FAIL),  # a gain, but too small
        (0, 40, 400, FAIL),
        (6, 0, 6, PASS),
        (5, 0, 5, INCONCLUSIVE),
    ],
)
def test_a_gain_must_be_shown(gained, lost, n, outcome):
    """PASS when the lower bound exceeds the gain, FAIL when the upper one stays below it."""
    assert decide(GAIN, gained, lost, n).outcome is outcome


def test_a_gain_needs_the_midp_too():
    """Three gained of three discordant: the interval lies above 0, but the mid-p of 1/16 is above 5 %."""
    assert min(tango(3, 0, 100, 0.90).low, score(3, 0, 100, 0.0) - critical_score(100, 0.0)) > 0  # all else is for it
    assert [decide(Gate("accuracy", min_gain=0.0), b, 0, 100).outcome for b in (3, 5)] == [INCONCLUSIVE, PASS]


@pytest.mark.parametrize(
    ("gate", "gained", "lost", "n"),
    [(DROP, 0, 0, 140), (DROP, 0, 2, 300), (Gate("accuracy", min_gain=0.01), 4, 0, 4)],
)
def test_an_interval_that_is_too_kind_does_not_pass(gate, gained, lost, n):
    """Where Tango's bound is clear of the limit, but luck does as much in more than 5 % of cases, the gate says so."""
    verdict = decide(gate, gained, lost, n)
    assert verdict.observed.low > verdict.required
    assert verdict.outcome is INCONCLUSIVE
    assert "an exact test does not confirm it" in verdict.reason
    assert verdict.needed > n


def test_a_rate_needs_the_exact_bound_too():
    """55 of 55 lie above 95 % by Wilson's bound, and come up in 6 % of all cases when the rate is just that."""
    assert rate(RATE, 55, 55).observed.low >= 0.95
    assert (rate(RATE, 55, 55).outcome, "an exact test" in rate(RATE, 55, 55).reason) == (INCONCLUSIVE, True)


def test_any_gain_at_all_can_be_asked_for():
    """A gain of 0 passes by Tango, mid-p and the exact test, and fails when a loss is shown."""
    any_gain = Gate("accuracy", min_gain=0.0)
    assert str(any_gain) == "accuracy-gain>=0"
    assert decide(any_gain, 30, 10, 400).outcome is PASS
    assert [decide(any_gain, b, c, 400).outcome for b, c in ((14, 10), (10, 30))] == [INCONCLUSIVE, FAIL]


@pytest.mark.parametrize(
    ("right", "n", "outcome"),
    [
        (59, 59, PASS),  # the smallest n that shows 95 %
        (58, 58, INCONCLUSIVE),
        (390, 400, PASS),
        (384, 400, INCONCLUSIVE),  # 96 % of 400 may still be 94 %
        (360, 400, FAIL),
        (0, 5, FAIL),
    ],
)
def test_a_rate_must_be_shown(right, n, outcome):
    """PASS when Wilson's lower bound reaches the rate, FAIL when the upper one stays below it."""
    verdict = rate(RATE, right, n)
    assert verdict.outcome is outcome
    assert verdict.observed == wilson(right, n, 0.90)
    assert (verdict.gained, verdict.lost, verdict.detectable) == (None, None, None)


def test_an_absolute_gate_looks_at_the_candidate_alone():
    """The base may be as bad as it likes."""
    comparison = Comparison(result([0.0] * 100, model="base"), result([1.0] * 100))
    assert RATE.check(comparison) == RATE.check_result(comparison.candidate)
    assert RATE.check(comparison).outcome is PASS


def test_a_paired_gate_refuses_to_judge_alone():
    """Without a base there is no drop to speak of."""
    with pytest.raises(BadSpec, match="compares with a base"):
        DROP.check_result(result([1.0] * 500))


@pytest.mark.parametrize("gate", [DROP, GAIN, RATE])
@pytest.mark.parametrize("value", [math.nan, 1.5, -1.0])
def test_a_score_that_is_no_rate_never_passes(gate, value):
    """One NaN among a thousand right answers makes the verdict INVALID, with the row in the reason."""
    base, candidate = result([0.0] * 1000, model="base"), result([1.0] * 999 + [value])
    verdict = gate.check(Comparison(base, candidate))
    assert (verdict.outcome, verdict.observed) == (INVALID, None)
    assert "r999" in verdict.reason


@pytest.mark.parametrize("gate", [DROP, GAIN, RATE])
def test_nothing_scored_is_invalid(gate):
    """No score at all, or no rows at all, is INVALID."""
    assert gate.check(Comparison(result([0.0] * 9, model="base"), result([None] * 9))).outcome is INVALID
    assert gate.check(Comparison(result([], model="base"), result([]))).outcome is INVALID


@pytest.mark.parametrize("gate", [DROP, GAIN, RATE])
def test_a_metric_that_was_not_measured_is_invalid(gate):
    """A gate on a metric that the rows lack is INVALID."""
    comparison = Comparison(result([0.0], model="base", metric="other"), result([1.0], metric="other"))
    assert gate.check(comparison).outcome is INVALID


def test_missing_scores_that_could_turn_the_verdict_make_it_inconclusive():
    """390 of 390 right would pass, but 30 unscored rows might all be wrong."""
    verdict = RATE.check_result(result([1.0] * 390 + [None] * 30))
    assert verdict.outcome is INCONCLUSIVE
    assert "missing data: 30 unscored rows would make it FAIL at worst and PASS at best" in verdict.reason
    assert verdict.n == 420


def test_missing_scores_that_cannot_turn_the_verdict_are_told():
    """One unscored row among many leaves the verdict, and is named."""
    verdict = RATE.check_result(result([1.0] * 500 + [None]))
    assert verdict.outcome is PASS
    assert "1 unscored rows could not change this" in verdict.reason


def test_missing_base_scores_count_against_the_candidate_at_worst():
    """What the base could not be scored on, it may have had right."""
    base = result([0.0] * 300 + [None] * 10, model="base")
    assert DROP.check(Comparison(base, result([0.0] * 310))).outcome is INCONCLUSIVE
    assert DROP.check(Comparison(base, result([0.0] * 300 + [1.0] * 10))).outcome is PASS


def test_the_exact_test_sees_missing_scores_at_worst():
    """Two hundred pairs without a loss pass a bound of 2 points, but not when one more may have been lost."""
    base = result([1.0] * 200, model="base")
    assert DROP.check(Comparison(base, result([1.0] * 200))).outcome is PASS
    verdict = DROP.check(Comparison(base, result([1.0] * 198 + [None] * 2)))
    assert verdict.outcome is INCONCLUSIVE
    assert "2 unscored rows would make it INCONCLUSIVE at worst and PASS at best" in verdict.reason


def test_few_clusters_are_inconclusive():
    """Nine sources with fifty equal rows each decide nothing, however clear they look."""
    clusters = [f"c{i % 9}" for i in range(450)]
    base = result([1.0] * 450, model="base", clusters=clusters)
    verdict = DROP.check(Comparison(base, result([0.0] * 450, clusters=clusters)))
    assert (verdict.outcome, verdict.needed) == (INCONCLUSIVE, None)
    assert "9 independent clusters" in verdict.reason


def test_many_clusters_decide():
    """A handful of repeated rows among many does not stop a verdict."""
    clusters = [f"c{i // 2}" for i in range(600)]
    base = result([1.0] * 600, model="base", clusters=clusters)
    assert DROP.check(Comparison(base, result([1.0] * 600, clusters=clusters))).outcome is PASS
    assert DROP.check(Comparison(base, result([0.0] * 600, clusters=clusters))).outcome is FAIL


def test_shares_are_judged_by_their_mean():
    """A metric with values between 0 and 1 passes and fails by its mean difference."""
    base = result([0.75, 0.5] * 200, model="base")
    assert DROP.check(Comparison(base, result([0.75, 0.5] * 200))).outcome is PASS
    assert DROP.check(Comparison(base, result([0.5, 0.25] * 200))).outcome is FAIL
    assert Gate("accuracy", at_least=0.6).check_result(result([0.75, 0.5] * 200)).outcome is PASS


def test_an_inconclusive_verdict_says_what_would_decide():
    """Its reason follows one template: interval, limit, discordant pairs, and about how many examples would decide."""
    verdict = decide(DROP, 3, 3, 150)
    assert verdict.needed == 745
    assert verdict.reason == (
        "accuracy changed by +0.0 points [-3.2, +3.2]; a drop of 2 points is neither shown nor ruled out;"
        " 6 of 150 examples discordant (3 gained, 3 lost); about 750 examples would decide"
    )


def test_a_value_on_the_limit_cannot_be_decided():
    """19 of 20 right at a limit of 95 %: no number of examples tells, and the reason says so."""
    verdict = rate(RATE, 380, 400)
    assert (verdict.outcome, verdict.needed) == (INCONCLUSIVE, None)
    assert verdict.reason.endswith("too close to the limit for any feasible number of examples")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (decide(DROP, 0, 40, 400), "changed by -10.0 points [-12.7, -7.8]; a drop of 2 points is exceeded"),
        (decide(DROP, 40, 0, 400), "a drop of 2 points is ruled out"),
        (decide(GAIN, 200, 5, 400), "changed by +48.8 points [+44.4, +53.0]; a gain of more than 20 points is shown"),
        (decide(GAIN, 5, 5, 400), "a gain of more than 20 points is ruled out"),
        (rate(RATE, 400, 400), "is 100.0 % [99.3, 100.0]; the required 95 % is shown; 400 examples"),
        (rate(RATE, 100, 400), "the required 95 % is ruled out"),
    ],
)
def test_reasons_are_sentences_in_points(verdict, said):
    """A reviewer reads percent and points, never bare fractions."""
    assert said in verdict.reason


def test_the_needed_number_of_examples_decides():
    """With the rates as they are, the verdict on that many examples is no longer INCONCLUSIVE."""
    verdict = decide(DROP, 3, 3, 150)
    assert verdict.outcome is INCONCLUSIVE
    assert verdict.needed is not None
    scale = verdict.needed / 150
    assert decide(DROP, round(3 * scale), round(3 * scale), verdict.needed).outcome is PASS


@pytest.mark.parametrize(("gate", "n"), [(DROP, 148), (Gate("m", max_drop=0.01), 298), (RATE, 58), (GAIN, 5)])
def test_an_undecidable_gate_is_refused_at_collection(gate, n):
    """One example fewer than a flawless candidate needs is refused, with the number in the message."""
    gate.refuse_undecidable(n + 1)
    with pytest.raises(BadSpec, match=f"use at least {n + 1} examples"):
        gate.refuse_undecidable(n)


@pytest.mark.parametrize("limit", [{"at_least": 1.0}, {"min_gain": 1.0}])
def test_perfection_cannot_be_shown(limit):
    """A rate or gain of 1 is refused whatever n."""
    with pytest.raises(BadSpec, match="no number of examples"):
        Gate("accuracy", **limit).refuse_undecidable(10**9)


def test_advisory_is_carried_over():
    """An advisory gate gives advisory verdicts."""
    assert Gate("accuracy", at_least=0.5, advisory=True).check_result(result([1.0] * 50)).advisory


@settings(deadline=None, database=None, max_examples=60)
@given(tables)
def test_a_wider_margin_never_turns_pass_into_fail(bcn):
    """Outcomes are ordered by the margin: FAIL, INCONCLUSIVE, PASS."""
    rank = {FAIL: 0, INCONCLUSIVE: 1, PASS: 2}
    ranks = [rank[decide(Gate("accuracy", max_drop=m), *bcn).outcome] for m in (0.01, 0.05, 0.2, 0.9)]
    assert ranks == sorted(ranks)


@settings(deadline=None, database=None, max_examples=60)
@given(tables)
def test_equal_models_are_never_shown_to_be_worse_or_better(bcn):
    """As many gained as lost: no gate on a difference may FAIL a drop or PASS a gain."""
    same, _, n = bcn
    assert decide(DROP, same, same, n).outcome is not FAIL
    assert decide(GAIN, same, same, n).outcome is not PASS


def test_measured_passes_a_base_that_was_measured():
    """Every row scored, and not below chance."""
    verdict = measured(result([1.0] * 70 + [0.0] * 30, model="base"), chance=0.25)
    assert (verdict.outcome, verdict.gate, verdict.n, verdict.required) == (PASS, "measured", 100, 0.25)
    assert verdict.observed == wilson(70, 100, 0.90)


def test_measured_takes_a_base_that_guesses():
    """A small base may know nothing; chance itself is no fault of the instrument."""
    assert measured(result([1.0] * 22 + [0.0] * 78), chance=0.25).outcome is PASS


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0] * 10 + [0.0] * 90, "below chance"),
        ([1.0] * 99 + [None], "1 of 100 rows lack a accuracy score"),
        ([1.0] * 99 + [math.nan], "is nan"),
        ([], "no row was measured"),
    ],
)
def test_measured_distrusts(values, said):
    """A base below chance, an unscored row, NaN or no rows are INVALID, and the reason says which."""
    verdict = measured(result(values), chance=0.25)
    assert verdict.outcome is INVALID
    assert said in verdict.reason


def _verdicts(*outcomes, advisory=False):
    template = rate(RATE, 100, 100)
    return [replace(template, outcome=outcome, advisory=advisory) for outcome in outcomes]


def test_aggregate_is_the_worst_of_its_parts():
    """For every set of outcomes: INVALID, NOT_RUN or CUT, then FAIL, then INCONCLUSIVE, and PASS only when all pass."""
    for size in (1, 2, 3):
        for outcomes in itertools.product(Outcome, repeat=size):
            expected = (
                INVALID
                if {INVALID, NOT_RUN, CUT} & set(outcomes)
                else next((worst for worst in (FAIL, INCONCLUSIVE) if worst in outcomes), PASS)
            )
            assert aggregate(_verdicts(*outcomes)) is expected


def test_aggregate_of_nothing_is_invalid():
    """No verdicts, or only advisory ones, are no evidence."""
    assert aggregate([]) is INVALID
    assert aggregate(_verdicts(PASS, advisory=True)) is INVALID


def test_advisory_verdicts_are_left_out():
    """An advisory FAIL is shown, not counted."""
    assert aggregate(_verdicts(PASS) + _verdicts(FAIL, INVALID, advisory=True)) is PASS
