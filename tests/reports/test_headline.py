"""The sentence on the first screen follows from the verdicts."""

from dataclasses import replace

import pytest

from harness.types import Estimate, Outcome, Verdict
from reports.headline import absolute, bounds, candidate_banner, cost_tile, rule, run_banner, tiles
from reports.load import load
from tests.reports.maker import demo


def make(outcome, gate="accuracy-drop<=0.02", **changes):
    """A verdict on 400 examples."""
    seen = Estimate(-0.01, -0.03, 0.01, 400, "Tango")
    known = {
        "suite": "mmlu",
        "model": "r16",
        "metric": "accuracy",
        "observed": seen,
        "required": 0.02,
        "n": 400,
        "lost": 3,
    }
    return Verdict(outcome=outcome, gate=gate, **{**known, **changes})


def banner(tmp_path, made, **edits):
    """The banner of a made run, with some verdicts' outcomes set."""
    run = load(made.write(tmp_path / "run"))
    verdicts = tuple(
        replace(
            each,
            outcome=edits.get(each.suite, Outcome.PASS),
            needed=900,
            advisory=each.suite in edits.get("advisory", ()),
        )
        for each in run.verdicts
    )
    return run_banner(replace(run, verdicts=verdicts, outcome=edits["outcome"], partial=edits.get("partial", False)))


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (Outcome.PASS, "r16-all-linear may ship: all 5 gates passed."),
        (Outcome.FAIL, "Do not ship r16-all-linear: 1 of 5 gates failed."),
        (Outcome.INCONCLUSIVE, "Cannot tell whether r16-all-linear may ship: 1 of 5 gates undecided."),
        (Outcome.INVALID, "No verdict on r16-all-linear: 1 of 5 gates not measured."),
    ],
)
def test_the_sentence_answers_ship_or_not(tmp_path, outcome, sentence):
    """Each outcome has its own plain answer, with the count of gates behind it."""
    assert banner(tmp_path, demo(20), regression=outcome, outcome=outcome).sentence == sentence


def test_a_partial_pass_is_no_leave_to_ship(tmp_path):
    """When gates or rows were left out, a green run says that it decides nothing."""
    assert "no decision to ship" in banner(tmp_path, demo(20), outcome=Outcome.PASS, partial=True).sentence


def test_advisory_gates_do_not_count(tmp_path):
    """A failed advisory gate neither changes the sentence nor is listed as deciding."""
    made = banner(tmp_path, demo(20), regression=Outcome.FAIL, advisory=("regression",), outcome=Outcome.PASS)
    assert made.sentence == "r16-all-linear may ship: all 4 gates passed."
    assert all(each.verdict.suite != "regression" for each in made.deciders)


def test_an_outcome_that_verdicts_do_not_explain_is_no_verdict(tmp_path):
    """All gates green but the run INVALID: the page does not say that the candidate may ship."""
    assert (
        banner(tmp_path, demo(20), outcome=Outcome.INVALID).sentence
        == "No verdict on r16-all-linear: the run ended INVALID."
    )


def test_the_worst_gates_come_first(tmp_path):
    """Unmeasured before failed before undecided; what passed is not listed."""
    edits = {"valid_json": Outcome.INCONCLUSIVE, "exact_match": Outcome.FAIL, "regression": Outcome.NOT_RUN}
    made = banner(tmp_path, demo(20), **edits, outcome=Outcome.INVALID)
    assert [each.verdict.outcome for each in made.deciders] == ["NOT_RUN", "FAIL", "INCONCLUSIVE", "INCONCLUSIVE"]


def test_undecided_gates_say_what_would_decide(tmp_path):
    """INCONCLUSIVE names the number of examples that would settle it."""
    made = banner(tmp_path, demo(20), regression=Outcome.INCONCLUSIVE, outcome=Outcome.INCONCLUSIVE)
    assert made.deciders[0].change == "about 900 examples; this run had 20."


def test_each_of_several_candidates_has_its_verdict(tmp_path):
    """One failing candidate of two: the whole is FAIL, and each is told apart."""
    made = demo(400)
    made.candidates = ("good", "bad")
    kept, knowledge, forgetful = made.cases[3].rows, made.cases[2].rows, demo(400, loss=0.5).cases[2].rows
    made.cases[2].rows = lambda model: (forgetful if model == "bad" else knowledge)(model)
    made.cases[3].rows = lambda _: kept("base")
    run = load(made.write(tmp_path / "run"))
    assert [candidate_banner(run, name).outcome for name in made.candidates] == ["PASS", "FAIL"]
    assert run_banner(run).sentence == "1 of 2 candidates passed; the run as a whole is FAIL."


def test_numbers_follow_the_kind_of_gate():
    """Rates for gates on the candidate alone, signed points for gates on a difference, words when unmeasured."""
    rate = make(
        Outcome.PASS, "valid_json>=0.95", required=0.95, lost=None, observed=Estimate(0.98, 0.96, 0.99, 400, "Wilson")
    )
    assert (rule(rate), bounds(rate), absolute(rate)) == ("at least 95.0%", "98.0% (96.0 to 99.0%)", True)
    drop = make(Outcome.FAIL)
    assert (rule(drop), bounds(drop)) == ("drop at most 2.0 points", "−1.0 (−3.0 to +1.0) points")
    gain = make(Outcome.INVALID, "em-gain>=0.2", required=0.2, observed=None, lost=None)
    assert (rule(gain), bounds(gain), absolute(gain)) == ("gain at least 20.0 points", "not measured", False)
    assert rule(make(Outcome.PASS, "measured", required=0.25, lost=None)) == "measured"


def test_there_are_at_most_five_tiles():
    """However many suites there are, the first screen has five numbers, the last one broken against fixed."""
    verdicts = [make(Outcome.PASS, suite=f"suite {index}") for index in range(9)]
    made = tiles(verdicts, (2, 7))
    assert len(made) == 5
    assert made[-1].value == "2 / 7"
    made = tiles(verdicts, (2, 7), cost=cost_tile(90.0, 12.0))
    assert [tile.value for tile in made[3:]] == ["2 / 7", "1 min 30 s"]


def test_too_many_tiles_lose_none_that_is_red():
    """Regression sets that pass go first, then the last ones that pass, and a red one never to a green one."""
    outcomes = [Outcome.PASS, Outcome.PASS, Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE]
    verdicts = [make(outcome, suite=f"s{index}") for index, outcome in enumerate(outcomes)]
    made = tiles(verdicts, (2, 7), {"s0": "regression"}, cost_tile(None, 3.0))
    assert [tile.outcome for tile in made[:3]] == [Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE]
    assert made[0].label.startswith("s1")


def test_what_nobody_told_of_the_cost_is_not_free():
    """No training that is known and all answers stored: no tile; one of them known: the other is said not to be."""
    assert cost_tile(None, 0.0) is None
    assert cost_tile(None, 3.0).value == "not told"
    assert cost_tile(90.0, 0.0).detail == "to measure: nothing, all was stored"


def test_no_green_tile_hides_a_red_gate():
    """A suite with a passed gain and a failed drop shows the drop."""
    gain = make(Outcome.PASS, "accuracy-gain>=0.2", required=0.2)
    assert tiles([gain, make(Outcome.FAIL)], None)[0].outcome is Outcome.FAIL


def test_nothing_compared_is_not_nothing_broken():
    """Without compared examples there is no `0 broken`."""
    assert tiles([make(Outcome.INVALID, observed=None)], None) == ()
