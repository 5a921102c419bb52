"""What a run that cannot decide ends with, and what it says would decide."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.gates import Finding, Gate
from harness.types import Estimate, Outcome
from harness.verify import verify
from tests.playground import finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"

WARN = ("--on-inconclusive", "warn")
SAID = "WARNING: not shown to pass; accepted by --on-inconclusive warn"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository whose gate can neither pass nor fail the candidate `near`."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates='Gate("exact_match", max_drop=0.05)')
    make_model(pytester.path / "base", right=360)
    make_model(pytester.path / "near", right=342)
    make_model(pytester.path / "poor", right=200)
    return pytester


def test_inconclusive_ends_with_10_unless_it_is_only_warned_of(repo):
    """With `warn` the exit code is 0 and a line says why; the outcome, the item and the record stay INCONCLUSIVE."""
    assert run_gate(repo, "--adapter", "near", "--run-dir", "strict").ret == 10
    done = run_gate(repo, "--adapter", "near", "--run-dir", "lenient", *WARN)
    assert done.ret == 0
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"*{SAID}*"])
    assert json.loads((repo.path / "lenient/run.json").read_text())["outcome"] == "INCONCLUSIVE"


def test_nothing_else_is_forgiven(repo):
    """A FAIL stays 1, an INVALID 11, and an ordinary test that fails stays red."""
    assert run_gate(repo, "--adapter", "poor", "--run-dir", "a", *WARN).ret == 1
    make_model(repo.path / "broken", right=342, refuse=True)
    assert run_gate(repo, "--adapter", "near", "--adapter", "broken", "--run-dir", "b", *WARN).ret == 11
    (repo.path / "suites" / "test_own.py").write_text("def test_own(): assert False\n")
    assert run_gate(repo, "--adapter", "near", "--run-dir", "c", *WARN).ret == 1


def test_a_plan_can_be_continued_whatever_follows_from_it(repo):
    """The policy is not part of the plan: it changes no verdict."""
    run_gate(repo, "--adapter", "near", "--run-dir", "a")
    run_gate(repo, "--adapter", "near", "--run-dir", "b", *WARN)
    one, other = (json.loads((repo.path / name / "plan.json").read_text())["digest"] for name in "ab")
    assert one == other


@pytest.mark.parametrize(("words", "code"), [((), 10), (WARN, 0)])
def test_verify_has_the_same_policy(repo, words, code):
    """Whoever trusts `verify` chooses there too."""
    run_gate(repo, "--adapter", "near")
    command = [sys.executable, "-m", "harness.cli", "verify", finished_run(repo)[0], *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "verified: INCONCLUSIVE" in done.stdout) == (code, True)
    assert (SAID in done.stderr) == (words == WARN)


def test_rows_that_limit_left_out_are_offered(repo):
    """An INCONCLUSIVE verdict on a slice says how many rows lie unused, and verification knows of it."""
    run_gate(repo, "--adapter", "near", "--limit", "300")
    run_dir, run = finished_run(repo)
    reason = run["verdicts"][0]["reason"]
    assert "examples would decide" in reason
    assert reason.endswith("; you have 100 unused rows: drop --limit, or plan with --on-inconclusive extend")
    assert verify(run_dir).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("gate", [Gate("m", at_least=0.5), Gate("m", max_drop=0.5), Gate("m", min_gain=0.0)], ids=str)
@pytest.mark.parametrize("method", ["t", "tango", "betting", "clustered t"])
def test_what_is_no_number_never_passes(gate, method):
    """An interval with NaN in it, wherever it comes from, is no evidence."""
    nan = float("nan")
    for value, low, high in ((nan, nan, nan), (1.0, nan, 1.0), (1.0, nan, nan)):
        assert gate.outcome(Finding(Estimate(value, low, high, 400, method), 5, 0)) is not Outcome.PASS


def test_a_second_attempt_is_counted_and_shown(repo):
    """Answers of one candidate that are computed again are another attempt; answers from the store are none."""
    for name in ("first", "again"):
        run_gate(repo, "--adapter", "near", "--run-dir", name)
    assert _attempts(repo, "again") == 1
    import sqlite3

    with sqlite3.connect(repo.path / ".tunegate/store.sqlite") as store:
        store.execute("DELETE FROM answers")
    run_gate(repo, "--adapter", "near", "--run-dir", "computed")
    assert _attempts(repo, "computed") == 2
    run = json.loads((repo.path / "computed/run.json").read_text())
    assert [entry["tried"] for entry in run["results"]] == [2, 2]


def _attempts(repo, name):
    run = json.loads((repo.path / name / "run.json").read_text())
    return next(entry["attempts"] for entry in run["results"] if entry["model"] == "near")
