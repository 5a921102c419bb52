"""Sweeps as fixtures: points are trained once and gated, chosen on one half of the rows and confirmed on the other."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.records import read_rows
from harness.sweeps import Ranking, in_confirm
from harness.types import Outcome
from harness.verify import verify
from tests.playground import finished_run, make_model, make_suite, run_gate
from tests.results import result
from tests.sweeping import CONFTEST

pytest_plugins = "pytester"

GATES = 'Gate("exact_match", min_gain=0.02), Gate("exact_match", max_drop=0.05)'


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository with a suite that asks for a gain over a base that answers 300 of 400."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    make_suite(pytester.path, gates=GATES)
    (pytester.path / "conftest.py").write_text(CONFTEST)
    make_model(pytester.path / "base", right=300)
    return pytester


def sweep(*points):
    """The options that sweep these points."""
    return [word for point in points for word in ("--sweep", point)]


def trained(repo):
    """The points that were trained, in order."""
    log = repo.path / "trained.log"
    return log.read_text().split() if log.exists() else []


def test_points_are_candidates_with_readable_ids(repo):
    """Each point has one item a gate, named by the point."""
    done = run_gate(repo, *sweep("small=380", "large=390"), "--collect-only", "-q")
    done.stdout.fnmatch_lines(["suites/test_asks.py::test_gate[[]exact_match-gain>=0.02-small[]]"])
    done.stdout.fnmatch_lines(["suites/test_asks.py::test_gate[[]exact_match-drop<=0.05-large[]]"])
    assert trained(repo) == []


@pytest.mark.parametrize(
    ("points", "code", "outcome", "winner"),
    [
        (["good=390", "poor=200"], 0, "PASS", "good"),
        (["good=390", "broken=fails"], 0, "PASS", "good"),
        (["poor=200", "poorer=100"], 1, "FAIL", "poor"),
        (["poor=200", "broken=fails"], 1, "FAIL", "poor"),
        (["broken=fails"], 11, "INVALID", None),
    ],
)
def test_outcome_is_the_winners(repo, points, code, outcome, winner):
    """Exit code and outcome are the winner's, whatever became of the other points; with no winner it is INVALID."""
    done = run_gate(repo, *sweep(*points))
    run_dir, run = finished_run(repo)
    assert (done.ret, run["outcome"], run["sweep"]["winner"]) == (code, outcome, winner)
    assert verify(run_dir).outcome == run["outcome"]


def test_losers_stay_visible(repo):
    """A point that is below its gates, or was not trained, colours its items, and its verdicts say why."""
    done = run_gate(repo, *sweep("good=390", "poor=200", "broken=fails"))
    done.assert_outcomes(passed=2, failed=2, errors=2)
    done.stdout.fnmatch_lines(["*INVALID: training broken failed: loss is nan*"])
    done.stdout.fnmatch_lines(["trained: 2; winner: good, best of 2 on the select half (*"])
    _, run = finished_run(repo)
    told = {(verdict["model"], verdict["outcome"], verdict["advisory"]) for verdict in run["verdicts"]}
    assert told == {("good", "PASS", False), ("poor", "FAIL", True), ("broken", "INVALID", True)}


def test_winner_is_chosen_on_one_half_and_confirmed_on_the_other(repo):
    """Gains are decided on the confirm half, for every point; drops on all rows."""
    run_gate(repo, *sweep("good=390", "poor=200"))
    _, run = finished_run(repo)
    halves = run["sweep"]["select_rows"], run["sweep"]["confirm_rows"]
    assert sum(halves) == 400
    assert all(150 < half < 250 for half in halves)
    counts = {(verdict["model"], verdict["gate"]): verdict["n"] for verdict in run["verdicts"]}
    assert counts == {
        ("good", "exact_match-gain>=0.02"): halves[1],
        ("poor", "exact_match-gain>=0.02"): halves[1],
        ("good", "exact_match-drop<=0.05"): 400,
        ("poor", "exact_match-drop<=0.05"): 400,
    }
    assert f"{halves[1]} of 400 rows, the confirm half" in run["verdicts"][0]["reason"]


def test_second_run_trains_nothing(repo):
    """Points are kept in the store; a second run says `trained: 0` and ends in the same verdicts."""
    points = sweep("good=390", "poor=200")
    run_gate(repo, *points, "--run-dir", "one")
    done = run_gate(repo, *points, "--run-dir", "two")
    done.stdout.fnmatch_lines(["trained: 0; winner: good*"])
    one, two = (json.loads((repo.path / name / "run.json").read_text()) for name in ("one", "two"))
    assert (one["trained"], two["trained"]) == (2, 0)
    assert one["verdicts"] == two["verdicts"]
    assert one["sweep"] == two["sweep"]


def test_only_selected_points_are_trained(repo):
    """Deselected points are neither trained nor measured, and the run is partial."""
    run_gate(repo, *sweep("good=390", "poor=200"), "-k", "good")
    assert trained(repo) == ["good"]
    assert finished_run(repo)[1]["partial"]


def test_stopping_at_the_first_failure_is_no_pass(repo):
    """With -x the points after the first failing one were never run, so nobody knows whether they would have won."""
    done = run_gate(repo, *sweep("good=390", "poor=200", "best=400"), "-x")
    assert finished_run(repo)[1]["outcome"] == "INVALID"
    assert done.ret == 11


def test_failure_elsewhere_keeps_a_won_sweep_red(repo):
    """A failing ordinary test is not excused with the losers."""
    (repo.path / "suites" / "test_own.py").write_text("def test_own(): assert False\n")
    assert run_gate(repo, *sweep("good=390", "poor=200")).ret == 1


def test_adapter_beside_a_sweep_decides_too(repo):
    """An adapter that was given by hand is no point: its FAIL is the run's."""
    make_model(repo.path / "hand", right=200)
    assert run_gate(repo, *sweep("good=390"), "--adapter", "hand").ret == 1


def test_adapter_called_like_a_point_is_refused(repo):
    """Two models of one name could not be told apart."""
    make_model(repo.path / "good", right=390)
    done = run_gate(repo, *sweep("good=390"), "--adapter", "good")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*a point is called 'good' like another model*"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--sweep", "none"], "*holds no points*"),
        (
            ["--sweep", "a=390", "--rank-by", "elsewhere"],
            "*--rank-by elsewhere: no such suite*known: asks:exact_match*",
        ),
        (["--train-data", "base"], "*--train-data: has no use without --sweep*"),
        (["--sweep", "a=390", "--base", "other"], "*--base beside --sweep*"),
        (["--sweep", "a=390", "--limit", "1"], "*the 1 rows of suite 'asks' are too few*"),
    ],
)
def test_sweep_that_cannot_decide_is_refused(repo, args, message):
    """Empty sweeps and options that contradict each other end with 4 before anything is trained."""
    make_model(repo.path / "other", right=1)
    done = run_gate(repo, *args)
    assert done.ret == 4
    done.stderr.fnmatch_lines([message])
    assert trained(repo) == []


def test_gate_that_half_the_rows_cannot_show_is_refused(repo):
    """A limit that needs more rows than the confirm half has is refused at collection."""
    make_suite(repo.path, rows=40, gates='Gate("exact_match", at_least=0.92)')
    (repo.path / "conftest.py").write_text(CONFTEST)
    done = run_gate(repo, *sweep("good=40"))
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*suite 'asks', confirm half of a sweep: gate exact_match>=0.92*"])


def test_nothing_that_trains_is_said(repo):
    """A repository whose conftest does not tie a trainer says so."""
    make_suite(repo.path, gates=GATES)  # with the conftest that has no trainer
    done = run_gate(repo, *sweep("good=390"))
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*nothing here trains*"])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("winner",), "poor"),
        (("smallest",), "poor"),
        (("tied",), ["poor"]),
        (("full",), "good"),
        (("points", 0, "select"), 0.99),
        (("points", 1, "share"), 0.99),
        (("confirm_rows",), 400),
    ],
)
def test_verify_recomputes_the_choice(repo, place, value):
    """A winner, score, share or size that the records do not give is noticed."""
    run_gate(repo, *sweep("good=390:20", "poor=200:10", "full=380:30"))
    run_dir, run = finished_run(repo)
    at = run["sweep"]
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    (run_dir / "run.json").write_text(json.dumps(run))
    assert verify(run_dir).outcome is Outcome.INVALID


def test_verify_lets_nobody_excuse_a_verdict(repo):
    """Marking the winner's FAIL, or an adapter's INVALID, as advisory is noticed."""
    run_gate(repo, *sweep("poor=200"))
    run_dir, run = finished_run(repo)
    run["verdicts"][0]["advisory"] = run["verdicts"][1]["advisory"] = True
    (run_dir / "run.json").write_text(json.dumps(run))
    assert any("advisory is True" in line for line in verify(run_dir).disagreements)


def test_share_of_full_fine_tuning_s_gain(repo):
    """Each point's gain over the base is set beside that of the best full fine-tune, on the confirm half."""
    run_gate(repo, *sweep("lora=390:2", "worse=250:1", "full-slow=340:9", "full-fast=400:9"))
    run_dir, run = finished_run(repo)
    assert run["sweep"]["full"] == "full-fast"
    rows = {model: confirmed(run_dir, model) for model in ("base", "lora", "worse", "full-slow", "full-fast")}
    gains = {model: sum(rows[model]) - sum(rows["base"]) for model in rows}
    for point in run["sweep"]["points"]:
        assert point["share"] == pytest.approx(gains[point["model"]] / gains["full-fast"])
        assert point["share_low"] < point["share"] < point["share_high"]
    assert not any("share" in note for note in run["sweep"]["notes"])
    assert verify(run_dir).outcome is Outcome.PASS


def confirmed(run_dir, model):
    """The scores of a model's rows on the confirm half."""
    rows = read_rows((run_dir / "records" / f"asks--{model}.jsonl").read_bytes())
    return [row.score("exact_match").value for row in rows if in_confirm(row)]


@pytest.mark.parametrize(
    ("points", "note"),
    [
        (["lora=390"], "no point trains every weight, so no share of full fine-tuning's gain is given"),
        (["lora=390", "full=fails"], "full fine-tuning was not measured whole"),
        (["lora=390", "full=301"], "full is not shown to gain anything over the base"),
    ],
)
def test_missing_share_is_explained(repo, points, note):
    """Without a full point, without its measurement, and where it gains nothing, no share is given, and why is said."""
    run_gate(repo, *sweep(*points))
    found = finished_run(repo)[1]["sweep"]
    assert {point["share"] for point in found["points"]} == {None}
    assert any(note in said for said in found["notes"])


def test_edge_of_the_grid_is_flagged(repo):
    """A winner with the largest learning rate of all may be beaten by a still larger one; the run says so."""
    run_gate(repo, *sweep("slow=320:1000", "fast=390:2000"))
    assert any("edge of the grid" in note for note in finished_run(repo)[1]["sweep"]["notes"])


def test_each_kind_of_point_has_its_own_grid(repo):
    """Full fine-tuning wants lower rates: an adapter's smallest is at an edge, whatever full ones there are."""
    run_gate(repo, *sweep("full=310:10", "slow=390:1000", "fast=320:2000"))
    assert any("edge of the grid" in note for note in finished_run(repo)[1]["sweep"]["notes"])


def test_workers_are_refused(repo):
    """A sweep is refused under xdist, and no worker trains."""
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", "-n", "1", "--sweep", "good=390"]
    done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "run them without -n" in done.stdout
    assert trained(repo) == []


def choice(points, **values):
    """What a ranking of these points makes of their scores."""
    ranking = Ranking("suite", "accuracy", points)
    return ranking.choose({("suite", name): result(scores, model=name) for name, scores in values.items()})


def test_equal_points_are_ranked_by_size():
    """Of two points with one score the smaller wins, then the first."""
    same = [1.0] * 40
    assert choice({"large": 20, "small": 10}, large=same, small=same).winner == "small"
    assert choice({"one": None, "two": None}, one=same, two=same).winner == "one"


def test_smallest_is_the_least_that_is_not_shown_to_be_worse():
    """A clearly worse point is not recommended for its size; one within the noise is."""
    best, near, far = [1.0] * 200, [1.0] * 199 + [0.0], [0.0] * 200
    found = choice({"best": 30, "near": 20, "far": 10}, best=best, near=near, far=far)
    assert (found.winner, found.smallest) == ("best", "near")


def test_points_that_are_not_shown_to_be_worse_are_tied():
    """The winner and its equals, in the plan's order; a clearly worse point is none of them."""
    best, near, far = [1.0] * 200, [1.0] * 199 + [0.0], [0.0] * 200
    found = choice({"far": 10, "near": 20, "best": 30}, best=best, near=near, far=far)
    assert found.tied == ("near", "best")


def test_ties_are_judged_all_at_once():
    """A point that is 2.5 % likely by chance is worse when it is alone, and tied among eight others: Holm."""
    confirm = [index for index, row in enumerate(result([1.0] * 200).rows) if in_confirm(row)]
    best, worse = [1.0] * 200, [0.0 if i in confirm[:5] else 1.0 for i in range(200)]  # mid-p of 5 to 0: 1/64
    assert choice({"best": 1, "worse": 2}, best=best, worse=worse).tied == ("best",)
    others = {f"other{i}": worse for i in range(8)}
    assert len(choice({"best": 1, **dict.fromkeys(others, 2)}, best=best, **others).tied) == 9


def test_shares_are_tied_by_their_means():
    """Scores between 0 and 1 have no discordant pairs; the level at which the interval leaves 0 stands in."""
    best, near, far = [0.9] * 100 + [0.7] * 100, [0.8] * 100 + [0.8] * 100, [0.1] * 200
    assert choice({"best": 1, "near": 2, "far": 3}, best=best, near=near, far=far).tied[-1] != "far"


def test_no_order_of_results_changes_the_choice():
    """Ties and winner follow the plan, whatever order measurements come in."""
    same = {name: result([1.0, 0.0] * 50, model=name) for name in ("c", "a", "b")}
    ranking = Ranking("suite", "accuracy", {"a": 3, "b": 3, "c": 3})
    found = {ranking.choose({("suite", name): same[name] for name in order}) for order in itertools.permutations(same)}
    assert len(found) == 1
    (only,) = found
    assert (only.winner, only.tied) == ("a", ("a", "b", "c"))


def test_unscored_point_is_not_ranked():
    """A point with a missing score on the select half cannot win, and its numbers are None."""
    found = choice({"holes": 1, "whole": 2}, holes=[None] * 40, whole=[0.0] * 40)
    assert found.winner == "whole"
    assert found.points[0].select is None


def test_halves_share_no_row():
    """About half of the rows confirm, and rows of one cluster are in the same half."""
    assert 150 < sum(map(in_confirm, result([1.0] * 400).rows)) < 250
    assert len({in_confirm(row) for row in result([1.0] * 50, clusters=["one"] * 50).rows}) == 1


def test_only_the_select_half_ranks():
    """A point that is right exactly on the confirm half ranks last, however many rows that is."""
    confirm = [float(in_confirm(row)) for row in result([1.0] * 200).rows]
    found = choice({"lucky": 1, "chosen": 2}, lucky=confirm, chosen=[0.0] * 150 + [1.0] * 50)
    assert found.winner == "chosen"
    assert found.points[0].select == 0.0
