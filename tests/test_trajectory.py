"""Trajectories: each saved step of a training is a row beside its adapter, and no verdict but the adapter's counts."""

import json
import shutil

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.types import Outcome
from harness.verify import verify
from tests.playground import calls, finished_run, make_model, run_gate
from tests.training import BASE, make_suites, make_training, state

pytest_plugins = "pytester"

EARLY, BEST, LATE, FINAL = state(right=300), state(right=360, lost=4), state(right=370, lost=40), state(right=380)
FORGETFUL = state(right=380, lost=60)
ARGS = ("--adapter", "tuned", "--checkpoints")


@pytest.fixture
def repo(pytester, monkeypatch):
    """A base that does half of a task and knows everything; adapters are made by each test."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suites(pytester.path)
    make_model(pytester.path / "base", **BASE)
    return pytester


def gated(repo, *states, options=()):
    """Gate a training that went through these states; its exit code, run directory and run.json."""
    make_training(repo.path / "tuned", states)
    done = run_gate(repo, *ARGS, *options)
    return done, *finished_run(repo)


def lines(run, suite):
    """(step, epoch, value, delta, gates) of each checkpoint in a suite."""
    found = []
    for each in run["trajectory"]["checkpoints"]:
        (line,) = [line for line in each["results"] if line["suite"] == suite]
        found.append((each["step"], each["epoch"], line["value"], line["delta"], list(line["gates"].values())))
    return found


def test_every_checkpoint_is_a_row_with_step_and_epoch(repo):
    """Values and differences of each saved step and of the adapter itself, in order, by suite and gate."""
    _, run_dir, run = gated(repo, EARLY, BEST, LATE, FINAL)
    points = [(each["model"], each["of"]) for each in run["trajectory"]["checkpoints"]]
    assert points == [(f"tuned@step-0000{step}", "tuned") for step in (10, 20, 30)] + [("tuned", "tuned")]
    approx = pytest.approx
    assert lines(run, "task") == [
        (10, 1.0, 0.75, approx(0.25), ["PASS"]),
        (20, 2.0, 0.9, approx(0.4), ["PASS"]),
        (30, 3.0, 0.925, approx(0.425), ["PASS"]),
        (40, 4.0, 0.95, approx(0.45), ["PASS"]),
    ]
    assert lines(run, "knows") == [
        (10, 1.0, 1.0, 0.0, ["PASS"]),
        (20, 2.0, 0.99, approx(-0.01), ["PASS"]),
        (30, 3.0, 0.9, approx(-0.1), ["FAIL"]),
        (40, 4.0, 1.0, 0.0, ["PASS"]),
    ]
    line = run["trajectory"]["checkpoints"][2]["results"][0]
    assert line["low"] < line["delta"] < line["high"] < 0
    assert verify(run_dir).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("states", "code", "outcome"),
    [((EARLY, LATE, FINAL), 0, "PASS"), ((EARLY, BEST, FORGETFUL), 1, "FAIL")],
    ids=["a-checkpoint-fails", "the-adapter-fails"],
)
def test_outcome_is_the_adapter_s(repo, states, code, outcome):
    """Checkpoints have no items and no verdicts: what they fail or pass neither reddens nor saves the adapter."""
    done, run_dir, run = gated(repo, *states)
    assert (done.ret, run["outcome"]) == (code, outcome)
    assert {verdict["model"] for verdict in run["verdicts"]} == {"tuned"}
    assert verify(run_dir).outcome == outcome


def test_base_is_measured_once_and_nothing_twice(repo):
    """Five states of two suites of 400 are 4,000 answers; a second run computes none, and its numbers are the same."""
    _, _, run = gated(repo, EARLY, BEST, LATE, FINAL)
    assert len(calls(repo)) == 4000
    assert sum(line.startswith("base ") for line in calls(repo)) == 800
    run_gate(repo, *ARGS, "--run-dir", "again")
    assert len(calls(repo)) == 4000
    assert json.loads((repo.path / "again" / "run.json").read_text())["trajectory"] == run["trajectory"]


@pytest.mark.parametrize(
    ("states", "recommended"),
    [
        ((EARLY, BEST, LATE, FORGETFUL), "tuned@step-000020"),
        ((EARLY, BEST, LATE, FINAL), "tuned"),
        ((FINAL, LATE, FINAL), "tuned@step-000010"),
        ((LATE, FORGETFUL), None),
    ],
    ids=["before-it-forgot", "the-last", "the-earlier-of-equals", "none"],
)
def test_best_checkpoint_that_has_not_forgotten_is_recommended(repo, states, recommended):
    """Of those that fail no bound on a drop the one with the best task score, and the terminal says on which rows."""
    done, _, run = gated(repo, *states)
    assert run["trajectory"]["recommended"] == {"tuned": recommended}
    said = f"recommended: {recommended}, chosen on the rows that it is shown on"
    count = len(states)
    done.stdout.fnmatch_lines(
        [f"trajectory of tuned: {count} checkpoints; {said if recommended else 'none keeps every bound on a drop'}"]
    )


def test_nothing_is_recommended_without_a_task(repo):
    """When only forgetting is measured, no checkpoint is better than another."""
    make_training(repo.path / "tuned", (EARLY, FINAL))
    done = run_gate(repo, *ARGS, "-k", "knows")
    _, run = finished_run(repo)
    assert (run["plan"]["trajectory"]["task"], run["trajectory"]["recommended"]) == (None, {"tuned": None})
    done.stdout.fnmatch_lines(["*no suite asks for a gain or a rate to recommend one by"])


def test_early_stopping_puts_the_adapter_at_the_step_it_kept(repo):
    """An adapter that went back to its best weights stands among its checkpoints, not behind them."""
    make_training(repo.path / "tuned", (EARLY, BEST, LATE, FINAL), kept_step=20)
    run_gate(repo, *ARGS)
    _, run = finished_run(repo)
    names = [each["model"] for each in run["trajectory"]["checkpoints"]]
    assert names == ["tuned@step-000010", "tuned", "tuned@step-000020", "tuned@step-000030"]


def test_checkpoint_that_cannot_be_measured_is_invalid(repo):
    """What was planned and not measured is never skipped: the run is INVALID, and says which checkpoint it was."""
    done, run_dir, run = gated(repo, EARLY, state(right=1, refuse=True), FINAL)
    assert (done.ret, run["outcome"]) == (11, "INVALID")
    done.stdout.fnmatch_lines(["*checkpoints/step-000020: was trained on another base*"])
    assert lines(run, "task")[1] == (20, 2.0, None, None, ["INVALID"])
    assert run["trajectory"]["recommended"] == {"tuned": "tuned"}
    assert verify(run_dir).outcome is Outcome.INVALID


def test_two_adapters_have_a_trajectory_each(repo):
    """Each adapter's checkpoints carry its name, and each gets a recommendation."""
    make_training(repo.path / "other", (BEST, LATE))
    _, _, run = gated(repo, EARLY, FINAL, options=("--adapter", "other"))
    assert run["trajectory"]["recommended"] == {"tuned": "tuned", "other": "other@step-000010"}


def test_checkpoints_are_not_compared_with_prompts(repo):
    """What an adapter adds to the best prompt is asked of candidates alone."""
    _, run_dir, run = gated(repo, EARLY, FINAL, options=("--prompting", "few-shot"))
    assert {entry["model"] for entry in run["prompting"]} == {"tuned"}
    assert verify(run_dir).outcome is Outcome.PASS


def test_plain_run_has_no_trajectory(repo):
    """Without the option checkpoints are left alone."""
    make_training(repo.path / "tuned", (EARLY, FINAL))
    assert run_gate(repo, "--adapter", "tuned").ret == 0
    run_dir, run = finished_run(repo)
    assert (run["trajectory"], len(run["models"])) == (None, 2)
    assert verify(run_dir).outcome is Outcome.PASS


def harm(folder, how):
    """Leave the folder as another trainer, an older one, or an accident would."""
    match how:
        case "none":
            shutil.rmtree(folder / "checkpoints")
        case "no-curve":
            (folder / "training.json").unlink()
        case "other-steps":
            (folder / "training.json").write_text('{"curve": [{"step": 7, "epoch": 1.0}], "kept_step": 7}')
        case "other-name":
            (folder / "checkpoints" / "step-000010").rename(folder / "checkpoints" / "step-best")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("none", "*--checkpoints: tuned holds no checkpoints/step-[*]; set 'keep' in [[]checkpoints]*train again*"),
        ("no-curve", "*--checkpoints: tuned/training.json does not say in which epoch*train again*"),
        ("other-steps", "*--checkpoints: tuned/training.json does not say in which epoch*KeyError*"),
        ("other-name", "*--checkpoints: tuned/training.json does not say in which epoch*best*"),
    ],
)
def test_folder_without_usable_checkpoints_is_refused(repo, how, message):
    """One line that says how to get some, exit code 4, and nothing measured."""
    harm(make_training(repo.path / "tuned", (EARLY, FINAL)), how)
    done = run_gate(repo, *ARGS)
    assert done.ret == 4
    done.stderr.fnmatch_lines([message])
    assert calls(repo) == []


def test_checkpoints_without_an_adapter_are_refused(repo):
    """There is nothing that the checkpoints would be of."""
    done = run_gate(repo, "--checkpoints")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--checkpoints: has no use without --adapter; add --adapter DIR*"])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("recommended", "tuned"), "tuned@step-000010"),
        (("checkpoints", 0, "epoch"), 2.0),
        (("checkpoints", 0, "results", 0, "value"), 0.99),
        (("checkpoints", 2, "results", 0, "low"), 0.0),
        (("checkpoints", 2, "results", 0, "gates", "exact_match-drop<=0.05"), "PASS"),
        (("checkpoints",), []),
    ],
    ids=lambda each: ".".join(map(str, each)) if isinstance(each, tuple) else "",
)
def test_verify_recomputes_the_trajectory(repo, place, value):
    """A value, bound, outcome or recommendation that the records do not give is noticed."""
    _, run_dir, run = gated(repo, EARLY, BEST, LATE, FINAL)
    at = run["trajectory"]
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    (run_dir / "run.json").write_text(json.dumps(run))
    assert verify(run_dir).disagreements == ("trajectory: is not what the records give",)


def test_verify_misses_a_checkpoint_that_was_taken_out(repo):
    """A run whose forgetful checkpoint was removed from records, results and trajectory is not accepted."""
    _, run_dir, run = gated(repo, EARLY, BEST, LATE, FINAL)
    gone = "tuned@step-000030"
    for path in (run_dir / "records").glob(f"*--{gone}.jsonl"):
        del run["receipt"]["records"][f"records/{path.name}"]
        path.unlink()
    run["results"] = [entry for entry in run["results"] if entry["model"] != gone]
    (run_dir / "run.json").write_text(json.dumps(run))
    assert "PASS without records" in " ".join(verify(run_dir).disagreements)
