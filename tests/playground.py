"""A small repository with suites, models and adapters in it, answered by a fake engine, to run the whole gate on.

Models are folders with a `rule.json`: `{"right": 380}` answers the first 380 questions correctly and the rest wrongly.
Other keys make mischief: `"nan"`, `"crash"`, `"refuse"`, `"silent"`, `"cut"`.
"""

import json
import math
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends import LoadedModel, Prompt, Usage
from harness.errors import AdapterMismatch
from harness.fingerprint import digest
from harness.types import FinishReason, Generation, ModelRef, Sampling

__all__ = ["FakeBackend", "calls", "finished_run", "make_model", "make_suite", "run_gate"]

BATCH = 64

CONFTEST = """
import harness.session
from tests.playground import FakeBackend
harness.session.make_backend = lambda options: FakeBackend()
pytest_plugins = ["harness.plugin"]
"""

SUITE = """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.keep import passed_by_base
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name={name!r}, version=1, examples=jsonl({data!r}), render=chat({system!r}), sampling=Sampling(max_new_tokens=4),
    metrics=[exact_match()], gates=[{gates}], {extra}
)

def test_gate(gate, check):
    check(gate)
"""


class FakeBackend:
    """Answers by the rule of the model's folder, and writes every question that it computes to `calls.log`."""

    name = "fake"
    device = "cpu"

    def __init__(self, log: Path = Path("calls.log")) -> None:
        self._log = log

    def identify(self, model: ModelRef) -> ModelRef:
        """Fill the fingerprint; refuse what the rule says."""
        rule = _rule(model)
        if rule.get("refuse"):
            raise AdapterMismatch(f"{model.adapter}: was trained on another base; train it again")
        said = digest({key: rule.get(key, 0) for key in ("right", "cut")})
        return replace(model, fingerprint=said, digests={"weights": said})

    def render(self, model: ModelRef, messages: Sequence[Mapping[str, str]]) -> Prompt:  # noqa: ARG002
        """Roles and texts, a line each."""
        text = "\n".join(f"{message['role']}: {message['content']}" for message in messages)
        return Prompt(text, tuple(text.encode()))

    def policy(self) -> Mapping[str, str]:
        """An engine of no importance on `device`."""
        return {"engine": "fake-1", "device": self.device}

    def generate(
        self,
        model: ModelRef,
        prompts: Sequence[Prompt],
        sampling: Sampling,  # noqa: ARG002
        on_batch: Callable[[Sequence[tuple[int, Generation]]], None],
    ) -> None:
        """Answer by the rule, in batches, and do what mischief it says."""
        rule = _rule(model)
        if "crash" in rule:
            raise RuntimeError(rule["crash"])
        numbers = [int(prompt.text.rpartition("question ")[2]) for prompt in prompts]
        for start in range(0, 3 if rule.get("silent") else len(numbers), BATCH):
            batch = list(enumerate(numbers))[start : start + BATCH]
            with self._log.open("a") as log:
                log.writelines(f"{model.name} {number}\n" for _, number in batch)
            on_batch([(index, _answer(rule, number)) for index, number in batch])
            if start + BATCH > rule.get("interrupt", math.inf):
                raise KeyboardInterrupt
            if start + BATCH > rule.get("terminate", math.inf):
                os.kill(os.getpid(), signal.SIGTERM)
            if start + BATCH > rule.get("kill", math.inf) and not Path("killed").exists():
                Path("killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)

    def loaded(self, model: ModelRef) -> LoadedModel:
        """There is none."""
        raise NotImplementedError

    def usage(self) -> Usage:
        """Made up."""
        return Usage(peak_memory_bytes=1, seconds=1.0, new_tokens=1, prompt_tokens=1)


def make_model(folder: Path, **rule: Any) -> Path:
    """A base or an adapter, as one pleases."""
    folder.mkdir(parents=True)
    (folder / "rule.json").write_text(json.dumps(rule))
    (folder / "adapter_config.json").write_text("{}")
    return folder


def make_suite(
    root: Path,
    name: str = "asks",
    *,
    rows: int = 400,
    gates: str = 'Gate("exact_match", at_least=0.8), Gate("exact_match", max_drop=0.05)',
    extra: str = "",
    system: str = "",
) -> Path:
    """A suite of `rows` questions in `root/suites`, and the conftest that opts in."""
    (root / "conftest.py").write_text(CONFTEST)
    data = root / "suites" / "data" / f"{name}.jsonl"
    data.parent.mkdir(parents=True, exist_ok=True)
    rows_text = (
        json.dumps({"input": f"{name}: question {i}", "output": "yes", "tags": ["even", "odd"][i % 2 : i % 2 + 1]})
        for i in range(rows)
    )
    data.write_text("".join(row + "\n" for row in rows_text))
    suite = root / "suites" / f"test_{name}.py"
    suite.write_text(SUITE.format(name=name, data=f"data/{name}.jsonl", gates=gates, extra=extra, system=system))
    return suite


def run_gate(pytester: pytest.Pytester, *args: str, model: str = "base") -> pytest.RunResult:
    """`pytest suites --model base ...` in this process."""
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "hypothesispytest", "anyio", "xdist")]
    return pytester.runpytest_inprocess("suites", "--model", model, *without, *args)


def finished_run(pytester: pytest.Pytester) -> tuple[Path, dict[str, Any]]:
    """The only run directory, and its run.json."""
    (run_dir,) = (pytester.path / "runs").iterdir()
    return run_dir, json.loads((run_dir / "run.json").read_text())


def calls(pytester: pytest.Pytester) -> list[str]:
    """Every answer that was computed: `<model> <number of the question>`."""
    log = pytester.path / "calls.log"
    return log.read_text().splitlines() if log.exists() else []


def _rule(model: ModelRef) -> dict[str, Any]:
    return json.loads(Path(model.adapter or model.base, "rule.json").read_text())


def _answer(rule: Mapping[str, Any], number: int) -> Generation:
    text = "yes" if number < rule.get("right", 0) else "no"
    reason = FinishReason.LENGTH if number < rule.get("cut", 0) else FinishReason.STOP
    return Generation(text, (1, 2), reason, prompt_tokens=5, new_tokens=2)
