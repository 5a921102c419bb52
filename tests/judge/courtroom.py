"""A small repository with a judged suite, scripted models, and a judge on loopback: the whole gate, no weights."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpcore2  # noqa: F401  # pytester forgets what is first imported in its runs; its errors must stay the same classes
import pytest

from harness.judge import COMPLETE, CORRECT, Caps, JudgeSettings, Rubric, make_judge
from harness.judge.calibration import Calibration, fingerprint, keep
from harness.judge.rubric import LEVELS
from harness.store import Store
from tests.judge.fake_judge import FakeJudge

__all__ = ["RUBRIC", "answers", "calibrated", "court", "finished", "hold", "write_labels"]

RUBRIC = Rubric((CORRECT, COMPLETE))
SUITE = """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.judge import COMPLETE, CORRECT, Rubric
from harness.judge_suite import JudgeSuite
from harness.prompts import chat
from harness.types import Sampling

suite = JudgeSuite(
    name="judged", version=1, examples=jsonl("data/judged.jsonl"), render=chat(), sampling=Sampling(max_new_tokens=400),
    rubric=Rubric((CORRECT, COMPLETE)), gates=[{gates}],
)

def test_gate(gate, check):
    check(gate)
"""
PLAIN = """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics import Judgement, per_example
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="plain", version=1, examples=jsonl("data/judged.jsonl"), render=chat(), sampling=Sampling(max_new_tokens=400),
    metrics=[per_example("plain", lambda _example, _text: Judgement(1.0))], gates=[Gate("plain", at_least=0.5)],
)

def test_gate(gate, check):
    check(gate)
"""
GATES = 'Gate("judge", max_drop=0.2), Gate("preference", max_drop=0.2)'


def court(pytester: pytest.Pytester, *, rows: int = 60, gates: str = GATES, plain: bool = False) -> Path:
    """The repository: `rows` questions, a judged suite, and where wanted one that passes without a judge."""
    root = pytester.path
    (root / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    (root / "suites" / "data").mkdir(parents=True)
    data = (json.dumps({"input": f"Question {i}?", "output": f"The reference {i}."}) + "\n" for i in range(rows))
    (root / "suites" / "data" / "judged.jsonl").write_text("".join(data))
    (root / "suites" / "test_judged.py").write_text(SUITE.format(gates=gates))
    if plain:
        (root / "suites" / "test_plain.py").write_text(PLAIN)
    return root


def answers(root: Path, name: str, say: Callable[[int], str], rows: int = 60) -> Path:
    """A scripted model that answers question i by `say(i)`."""
    folder = root / name
    folder.mkdir()
    said = {f"Question {i}?": say(i) for i in range(rows)}
    (folder / "script.json").write_text(json.dumps({"answers": said}))
    (folder / "adapter_config.json").write_text("{}")
    return folder


def hold(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run the gate on `base` and `tuned` in this process."""
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "hypothesispytest", "anyio", "xdist")]
    models = ("--backend", "scripted", "--model", "base", "--adapter", "tuned")
    return pytester.runpytest_inprocess("suites", *models, *without, *args)


def finished(root: Path, name: str = "run") -> dict[str, Any]:
    """run.json of a run directory."""
    document: dict[str, Any] = json.loads((root / name / "run.json").read_text())
    return document


def write_labels(path: Path, grade: Callable[[int], Mapping[str, int]], count: int = 100) -> Path:
    """Labelled answers; answer i says its number."""
    rows = (
        {
            "id": f"l{i}",
            "question": f"Label {i}?",
            "reference": "The reference.",
            "answer": f"level {i % 5 + 1} of {i}",
            "labels": dict(grade(i)),
            "by": "rule",
        }
        for i in range(count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def calibrated(root: Path, server: FakeJudge, *, reasons: bool = True) -> None:
    """Keep a flawless calibration of the endpoint in the store of the repository, as if it had been measured."""
    judge = make_judge(JudgeSettings(server.asked, calls=Caps(1), reasons=reasons))
    judge.prepare(RUBRIC)
    pairs = tuple(((level, level),) * len(RUBRIC.names) for level in LEVELS) * 20
    flawless = Calibration(pairs, 0, 10, 10, judge.identity().served, "0" * 64, "rule", "2026-01-01T00:00:00+00:00")
    store = Store(root / ".tunegate")
    keep(store, fingerprint(judge, RUBRIC), flawless)
    store.close()
