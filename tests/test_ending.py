"""The exit code of a run: decided once, written into run.json, and held against the outcome."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.ending import ending, ending_fault
from harness.types import Outcome
from tests.playground import finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("outcome", "status", "forgiven", "code"),
    [
        (Outcome.PASS, 0, False, 0),
        (Outcome.PASS, 1, False, 1),
        (Outcome.FAIL, 1, False, 1),
        (Outcome.INCONCLUSIVE, 0, False, 10),
        (Outcome.INCONCLUSIVE, 0, True, 0),
        (Outcome.INCONCLUSIVE, 1, True, 1),
        (Outcome.FAIL, 0, True, 1),
        (Outcome.INVALID, 0, True, 11),
    ],
)
def test_only_an_inconclusive_run_is_forgiven_and_pytest_is_never_made_greener(outcome, status, forgiven, code):
    """Each outcome has its code; what pytest would end with by itself stays when that is 0."""
    assert ending(outcome, status, forgiven=forgiven) == code
    assert not ending_fault(outcome, code)


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome.FAIL, 0), (Outcome.INVALID, 1), (Outcome.FAIL, True), (Outcome.PASS, None)]
)
def test_a_code_that_the_outcome_cannot_have_is_a_fault(outcome, code):
    """A red outcome has one code, and a code is a whole number."""
    assert f"run.json says {code!r}" in ending_fault(outcome, code)


@pytest.mark.parametrize(
    ("right", "words", "own", "code"),
    [
        (390, (), "", 0),
        (200, (), "", 1),
        (361, (), "", 10),
        (361, ("--on-inconclusive", "warn"), "", 0),
        (390, (), "assert False", 1),
    ],
)
def test_what_run_json_tells_is_what_the_process_ended_with(pytester, monkeypatch, right, words, own, code):
    """Whatever the outcome, however it is taken, and whatever else failed beside the gates."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates='Gate("exact_match", at_least=0.9)')
    make_model(pytester.path / "base", right=300)
    make_model(pytester.path / "mine", right=right)
    if own:
        (pytester.path / "suites" / "test_own.py").write_text(f"def test_own(): {own}\n")
    done = run_gate(pytester, "--adapter", "mine", *words)
    run_dir, run = finished_run(pytester)
    assert (done.ret, run["exit_code"]) == (code, code)
    assert json.loads((run_dir / "plan.json").read_text())["git"]["suites"]["unknown"] == "not in a git repository"
    command = [sys.executable, "-m", "harness.cli", "verify", run_dir]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "verified" in told.stdout, told.stderr
