"""The page of a sweep: its winner decides, its losers keep their own verdicts, and prompts stand beside adapters."""

from dataclasses import replace

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once,
import vl_convert  # noqa: F401  # and so does the drawing library

from harness import session
from harness.errors import BadRunDirectory
from harness.gates import aggregate
from harness.types import Outcome, Verdict
from reports.headline import candidate_banner, run_banner
from reports.html import render, write_report
from reports.load import load
from reports.page import build
from reports.sweep import Point, own_verdicts
from tests.playground import finished_run, make_model, make_suite, run_gate
from tests.sweeping import CONFTEST

pytest_plugins = "pytester"


@pytest.fixture
def gated(pytester, monkeypatch):
    """Call with points, and options: the finished run's directory."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates='Gate("exact_match", min_gain=0.02), Gate("exact_match", max_drop=0.05)')
    (pytester.path / "conftest.py").write_text(CONFTEST)
    make_model(pytester.path / "base", right=300)

    def run(*points, options=()):
        run_gate(pytester, *(word for point in points for word in ("--sweep", point)), *options)
        return finished_run(pytester)[0]

    return run


def test_winner_decides_and_losers_keep_their_own(gated):
    """The headline is the winner's; a point that failed its gates says so, and so does one that was not trained."""
    run = load(gated("good=390:2000", "poor=200:1000", "broken=fails:500"))
    assert run_banner(run).sentence == "good won the sweep of 3 points and may ship."
    outcomes = {name: candidate_banner(run, name).outcome for name in ("good", "poor", "broken")}
    assert outcomes == {"good": "PASS", "poor": "FAIL", "broken": "INVALID"}
    page = render(build(run, 5))
    assert "Smallest that is not shown to be worse than the best: good." in page
    assert "Not ranked, because not measured whole: broken." in page


def test_share_of_full_fine_tuning_is_shown(gated):
    """The column stands where a full fine-tune was measured, with bounds; elsewhere a sentence says what is missing."""
    page = render(build(load(gated("good=390:2000", "full=400:9000")), 5))
    assert "Share of full fine-tuning's gain" in page
    assert "100.0%" in page.partition('<th scope="row">full')[2].partition("</tr>")[0]


def test_no_full_fine_tuning_is_said(gated):
    """A sweep of adapters alone has no such column, and says so."""
    page = render(build(load(gated("good=390:2000", "poor=200:1000")), 5))
    assert "Share of full" not in page
    assert "No point trains every weight" in page


def test_no_winner_is_said(gated):
    """A sweep of which nothing could be trained ends without a verdict."""
    run = load(gated("broken=fails"))
    assert run_banner(run).outcome == "INVALID"


def test_losing_winner_is_not_praised(gated):
    """When the best point fails its gates, the sentence says what decides."""
    run = load(gated("poor=200", "poorer=100"))
    assert run_banner(run).sentence == "poor won the sweep of 2 points; its own outcome, which decides, is FAIL."


def test_prompted_rows_are_no_candidates(gated):
    """The base asked otherwise gets no verdict; each candidate is shown beside the best of them."""
    folder = gated("good=390", options=("--prompting", "few-shot"))
    run = load(folder)
    assert [model.name for model in run.candidates] == ["good"]
    page = write_report(folder).read_text()
    assert "Prompting first" in page
    assert "+22.5" in page


def test_points_of_another_plan_are_refused(gated):
    """A table of points that were not planned is not shown."""
    folder = gated("good=390", "poor=200")
    file = folder / "run.json"
    file.write_text(file.read_text().replace('"select_rows"', '"selected_rows"'))
    with pytest.raises(BadRunDirectory, match="select_rows"):
        load(folder)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"packed": {"k": 9, "shared_seconds": 90.0}, "seconds": 10.0}, "one of 9 in a pack"),
        ({"packed": {"k": 1, "shared_seconds": 10.0}, "seconds": 10.0}, "a pack of one"),
        ({"packed": None, "seconds": 10.0}, "by itself"),
        ({"seconds": 10.0}, ""),
        ({}, ""),
    ],
)
def test_the_way_that_a_point_was_trained_is_said(gated, training, said):
    """In the table, beside the time it took; nothing is said where the trainer said nothing."""
    run = load(gated("good=390:2000", "poor=200:1000"))
    first, second = run.sweep.points
    assert first.way == ""
    told = Point(first.name, first.select, first.behind, first.share, first.parameters, first.scale, training)
    assert told.way == said
    page = render(build(replace(run, sweep=replace(run.sweep, points=(told, second))), 5))
    assert ("in a pack</span>" in page, "by itself</span>" in page) == ("in a pack" in said, "itself" in said)


def verdict(suite, gate, outcome):
    """A verdict of a point that lost, which is advisory like all of them."""
    return Verdict(
        outcome=outcome, suite=suite, gate=gate, model="r4", metric="m", observed=None, required=0.0, n=9, advisory=True
    )  # fmt: skip


def test_a_judge_that_nobody_asked_for_spoils_no_point():
    """Of a point that lost its gates count as they would by themselves; a suite whose judge may not decide does not."""
    plan = {
        "suites": [
            {"name": "asks", "gates": [{"text": "m>=0.9", "advisory": False}, {"text": "m>=0.1", "advisory": True}]},
            {"name": "judge", "gates": [{"text": "judge-drop<=0.1", "advisory": False}]},
        ]
    }
    verdicts = (
        verdict("asks", "m>=0.9", Outcome.PASS),
        verdict("asks", "m>=0.1", Outcome.FAIL),
        verdict("judge", "judge-drop<=0.1", Outcome.NOT_RUN),
    )
    assert aggregate(own_verdicts(verdicts, plan, {"judge"})) is Outcome.PASS
    assert aggregate(own_verdicts(verdicts, plan)) is Outcome.INVALID
