"""The gap between training rows and test rows: what was memorised shows, whatever the loss looked like."""

import json

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.memorised import gap
from harness.types import Outcome
from harness.verify import verify
from tests.playground import calls, finished_run, make_model, run_gate
from tests.results import result
from tests.training import BASE, make_rows, make_suites, make_training, state

pytest_plugins = "pytester"

STATES = state(right=300), state(right=380)
ARGS = ("--adapter", "tuned", "--checkpoints", "--train-data", "rows.jsonl")


@pytest.fixture
def repo(pytester, monkeypatch):
    """An adapter that knows its training rows by heart after either epoch, and does 75 and then 95 % of the task."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suites(pytester.path)
    make_model(pytester.path / "base", **BASE)
    make_training(pytester.path / "tuned", STATES, data=make_rows(pytester.path / "rows.jsonl"))
    return pytester


def test_the_gap_of_each_checkpoint_is_measured(repo):
    """All right on training rows and 75 % on test rows is a gap of 25 points, with bounds; it closes with the task."""
    done = run_gate(repo, *ARGS)
    run_dir, run = finished_run(repo)
    gaps = [each["gap"] for each in run["trajectory"]["checkpoints"]]
    assert [each["value"] for each in gaps] == [pytest.approx(0.25), pytest.approx(0.05)]
    assert all(each["low"] < each["value"] < each["high"] for each in gaps)
    assert gaps[0]["low"] > 0.19
    assert (done.ret, run["outcome"]) == (0, "PASS")
    assert verify(run_dir).outcome is Outcome.PASS


def test_only_rows_that_were_seen_are_asked(repo):
    """Of 90 rows 10 were replayed ones, so the file's first 80 are asked, once of the base and of each state."""
    run_gate(repo, *ARGS)
    _, run = finished_run(repo)
    assert {entry["n"] for entry in run["results"] if entry["suite"] == "task-trained"} == {80}
    (planned,) = [suite for suite in run["plan"]["suites"] if suite["name"] == "task-trained"]
    assert planned["gates"] == []
    assert len(calls(repo)) == 3 * (800 + 80)
    assert not any(int(line.split()[1]) >= 480 for line in calls(repo)[800:880])


def test_training_rows_have_no_say(repo):
    """They make no item and no verdict, and are not set beside the best prompt."""
    run_gate(repo, *ARGS, "--prompting", "few-shot")
    run_dir, run = finished_run(repo)
    assert {item["suite"] for item in run["plan"]["items"]} == {"task", "knows"}
    assert {entry["suite"] for entry in run["prompting"]} == {"task", "knows"}
    assert verify(run_dir).outcome is Outcome.PASS


def test_verify_recomputes_the_gap(repo):
    """A gap that the records do not give is noticed, and so are training rows that were taken out."""
    run_gate(repo, *ARGS)
    run_dir, run = finished_run(repo)
    whole = json.dumps(run)
    run["trajectory"]["checkpoints"][0]["gap"]["value"] = 0.0
    (run_dir / "run.json").write_text(json.dumps(run))
    assert verify(run_dir).disagreements == ("trajectory: is not what the records give",)
    run = json.loads(whole)
    name = "records/task-trained--tuned.jsonl"
    del run["receipt"]["records"][name]
    (run_dir / name).unlink()
    (run_dir / "run.json").write_text(json.dumps(run))
    assert any("PASS without records" in line for line in verify(run_dir).disagreements)


def harm(repo, how):
    """Make the file, or what the adapter says of it, unfit."""
    match how:
        case "other-file":
            (repo.path / "rows.jsonl").write_text('{"input": "question 1", "output": "yes"}\n')
        case "untold":
            make_training(repo.path / "other", STATES)
        case "malformed":
            (repo.path / "rows.jsonl").write_text('{"question": 1}\n')


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ("other-file", (), "*--train-data rows.jsonl: is not the file that tuned was trained on*"),
        ("untold", ("--adapter", "other"), "*other/training.json does not say what other was trained on*train again*"),
        ("malformed", (), "*rows.jsonl:1: unknown key 'question'*"),
        ("no-task", ("-k", "knows"), "*--train-data: no suite of this run asks for a gain or a rate*"),
    ],
)
def test_rows_that_prove_nothing_are_refused(repo, how, options, message):
    """One line, exit code 4, and nothing measured."""
    harm(repo, how)
    done = run_gate(repo, *ARGS, *options)
    assert done.ret == 4
    done.stderr.fnmatch_lines([message])
    assert calls(repo) == []


def test_a_gap_needs_every_row():
    """A missing score, or a missing measurement, leaves no number."""
    whole, holes = result([1.0] * 50 + [0.0] * 50), result([1.0] * 99 + [None])
    assert gap("accuracy", whole, whole).value == 0
    assert gap("accuracy", holes, whole) is None
    assert gap("accuracy", whole, holes) is None
    assert gap("accuracy", None, whole) is None
