"""Cautions: a base at the ceiling, or without the ability, is said before and after training."""

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.cautions import cautions
from harness.gates import Gate
from tests.playground import make_model, make_suite, run_gate
from tests.results import result
from tests.sweeping import CONFTEST

pytest_plugins = "pytester"

GAIN = Gate("accuracy", min_gain=0.05)


def base(right, n=100, *, model="base"):
    """A base that gets so many right."""
    return result([1.0] * right + [0.0] * (n - right), model=model)


@pytest.mark.parametrize(
    ("right", "said"),
    [(0, "capability absent"), (1, ""), (50, ""), (89, ""), (90, "base headroom"), (100, "base headroom")],
)
def test_the_base_s_scores_speak_against_training(right, said):
    """None right, or nine in ten right, is said; all between is not."""
    found = " ".join(cautions([GAIN], [base(right)]))
    assert said in found
    assert bool(said) == bool(found)


def test_a_gain_that_does_not_fit_is_said():
    """At 60 % a gain of 50 points is out of reach, one of 30 is not."""
    assert "at most 40.0 points are left" in cautions([Gate("accuracy", min_gain=0.5)], [base(60)])[0]
    assert cautions([Gate("accuracy", min_gain=0.3)], [base(60)]) == []


def test_the_best_prompt_counts():
    """With a prompt that reaches the ceiling there is little left; with one right answer the ability is there."""
    assert "base+few-shot scores 95.0 %" in cautions([GAIN], [base(40), base(95, model="base+few-shot")])[0]
    assert cautions([GAIN], [base(0), base(1, model="base+few-shot")]) == []
    assert "base, base+few-shot gets" in cautions([GAIN], [base(0), base(0, model="base+few-shot")])[0]


def test_only_gains_are_looked_at_and_missing_scores_say_nothing():
    """Bounds on a drop or a rate are other questions; what is not measured is not judged."""
    assert cautions([Gate("accuracy", max_drop=0.05), Gate("accuracy", at_least=0.5)], [base(100)]) == []
    assert cautions([GAIN], []) == []
    assert cautions([GAIN], [result([None], model="base")]) == []


def test_a_sweep_is_warned_before_it_trains(pytester, monkeypatch):
    """What the base's scores say stands before the first point is trained, once."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates='Gate("exact_match", min_gain=0.02)')
    (pytester.path / "conftest.py").write_text(CONFTEST)
    make_model(pytester.path / "base", right=380)
    lines = run_gate(pytester, "--sweep", "good=399", "--sweep", "fine=398").stdout.lines
    said = [line for line in lines if "base headroom: base scores 95.0 %" in line or line.startswith("trained ")]
    assert [line.split()[0] for line in said] == ["asks:", "trained", "trained"]
