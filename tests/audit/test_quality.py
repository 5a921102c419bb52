"""A judge's grades of training answers: a real server on loopback grades, the audit counts."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from harness.cli import app
from tests.judge.courtroom import court
from tests.judge.fake_judge import fake_judge, grade


@pytest.fixture
def rows(tmp_path) -> Path:
    """A repository with a judged suite, and forty training rows of which four are poor."""
    root = court(SimpleNamespace(path=tmp_path))
    path = root / "train.jsonl"
    said = ("Nonsense." if n % 10 == 0 else f"A sound answer to {n}." for n in range(40))
    lines = (json.dumps({"input": f"Tell me of matter {n}.", "output": f"{text} #{n}"}) for n, text in enumerate(said))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


strict = grade(lambda case: 1 if "Nonsense" in str(case["answers"]) else 5)
"""A judge that gives nonsense 1 and all else 5."""


def run(path: Path, judge: str, *more: str):
    """The command, with the suite's rubric."""
    suite = path.parent / "suites" / "test_judged.py"
    options = ["--judge", judge, "--judge-suite", str(suite), "--store", str(path.parent / "store"), *more]
    return CliRunner().invoke(app, ["audit", str(path), "--json", str(path.parent / "audit.json"), *options])


def test_poor_answers_are_found_and_inform(rows):
    """All four, by row, with the judge's words; a judge that nobody calibrated breaks nothing, and replies are kept."""
    with fake_judge(strict) as server:
        found = run(rows, server.asked, "--judge-calls", "100")
        assert found.exit_code == 0, found.output
        asked = len(server.bodies)
        run(rows, server.asked, "--judge-calls", "100")
        assert len(server.bodies) - asked < 40  # only what finds out how it can be asked
    document = json.loads((rows.parent / "audit.json").read_text())
    assert document["quality"]["low"] == [1, 11, 21, 31]
    assert document["quality"]["levels"]["correct"] == [4, 0, 0, 0, 36]
    assert document["counts"]["quality"] == 4
    assert "not calibrated, so this only informs" in found.output


def test_a_judge_that_nobody_calibrated_cannot_be_a_limit(rows):
    """One line that says what to do."""
    with fake_judge(strict) as server:
        found = run(rows, server.asked, "--judge-calls", "100", "--limit", "quality=0")
    assert found.exit_code == 2
    assert "has not been shown to agree with labels" in found.output


def test_a_budget_that_is_used_up_is_exit_code_12(rows):
    """Never more requests than allowed."""
    with fake_judge(strict) as server:
        found = run(rows, server.asked, "--judge-calls", "9")
        assert len(server.bodies) <= 9
    assert found.exit_code == 12
