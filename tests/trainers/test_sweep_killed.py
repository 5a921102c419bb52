"""A whole sweep as a person runs it, killed while it trains and while it measures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.verify import verify

ROOT = Path(__file__).parents[2]
SUITE = """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="task", version=1, examples=jsonl("data/task.jsonl"), render=chat(), sampling=Sampling(max_new_tokens=24),
    metrics=[exact_match()], gates=[Gate("exact_match", min_gain=0.1)],
)

def test_gate(gate, check):
    check(gate)
"""

GRADED = """
import difflib
import json
from harness.datasets import jsonl
from harness.gates import Gate
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling, Score

class Alike:
    name, version, chance, spec = "alike", 1, 0.0, {"name": "alike", "version": "1"}
    def refuse_unfit(self, examples):
        pass
    def __call__(self, examples, generations):
        pairs = [(each.text, json.dumps(example.target)) for example, each in zip(examples, generations, strict=True)]
        return [Score("alike", difflib.SequenceMatcher(None, *pair).ratio()) for pair in pairs]

suite = Suite(
    name="task", version=1, examples=jsonl("data/task.jsonl"), render=chat(), sampling=Sampling(max_new_tokens=8),
    metrics=[Alike()], gates=[Gate("alike", min_gain=0.1)],
)

def test_gate(gate, check):
    check(gate)
"""
"""Answers of a model that has learned little are graded by how far they are right, so that hardly any two tie."""


@pytest.fixture
def command(base, data, tmp_path):
    """`pytest suites/ --sweep rank=2,4` in a repository of its own, on real weights; by the name of its store.

    Further words go with it, and `run` is another run directory with the same store.
    """
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    (tmp_path / "suites" / "data").mkdir(parents=True)
    (tmp_path / "suites" / "test_task.py").write_text(SUITE)
    rows = (json.dumps({"input": f"Say word {n}.", "output": {"word": n}}) for n in range(120))
    (tmp_path / "suites" / "data" / "task.jsonl").write_text("".join(f"{row}\n" for row in rows))
    (tmp_path / "train.toml").write_text(
        f'data = "{data}"\nepochs = 20\nmax_length = 256\nbatch_size = 4\n[lora]\nrank = 4\nalpha = 8\n'
    )
    words = [
        "suites",
        "--model",
        str(base),
        "--sweep",
        "rank=2,4",
        "--train-config",
        "train.toml",
        "--dtype",
        "float32",
    ]

    def start(name: str, *more: str, run: str = "") -> subprocess.Popen:
        where = ["--store", f"{name}-store", "--run-dir", f"{run or name}-run", *more]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, *where],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )

    return start


def kill_when(process: subprocess.Popen, sign, seconds: float = 120) -> None:
    """SIGKILL as soon as `sign()` is true; it must come while the process still runs."""
    end = time.monotonic() + seconds
    while not sign():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def outcome(folder: Path):
    """What a run found, without when and how fast."""
    run = json.loads((folder / "run.json").read_text())
    results = [(each["suite"], each["model"], each["metric"], each["value"], each["n"]) for each in run["results"]]
    adapters = [model["digests"].get("adapter") for model in run["models"]]
    return run["outcome"], run["verdicts"], run["sweep"], results, adapters


@pytest.mark.slow
def test_a_sweep_killed_twice_ends_as_an_undisturbed_one(command, tmp_path):
    """Adapters, scores, verdicts and the choice are the same, and what was trained is not trained again."""
    kill_when(command("killed"), lambda: list(tmp_path.glob("killed-store/adapters/*.log")))
    kill_when(command("killed"), lambda: list(tmp_path.glob("killed-run/records/task--r2.jsonl")))
    code = command("killed").wait()
    assert code == command("calm").wait()
    assert outcome(tmp_path / "killed-run") == outcome(tmp_path / "calm-run")
    killed, undisturbed = (
        json.loads((tmp_path / f"{name}-run" / "run.json").read_text()) for name in ("killed", "calm")
    )
    assert (killed["trained"], undisturbed["trained"]) == (0, 2)  # both points are one pack, which had ended before


@pytest.mark.slow
def test_halving_killed_at_two_rungs_ends_as_an_undisturbed_one(command, tmp_path):
    """Who is cut, when and why, the winner's weights and its verdict are the same; a second run trains nothing anew."""
    (tmp_path / "suites" / "test_task.py").write_text(GRADED)
    config = tmp_path / "train.toml"
    config.write_text(config.read_text().replace("epochs = 20", "steps = 12"))
    more = ["--sweep", "learning_rate=1e-3,1e-2", "--halving", "eta=2"]
    kill_when(command("killed", *more), lambda: list(tmp_path.glob("killed-store/adapters/*.at-1-4/COMPLETE")), 600)
    kill_when(command("killed", *more), lambda: list(tmp_path.glob("killed-run/rungs/task--*.rung2.jsonl")), 600)
    code = command("killed", *more).wait()
    assert code == command("calm", *more).wait()
    assert outcome(tmp_path / "killed-run") == outcome(tmp_path / "calm-run")
    found = json.loads((tmp_path / "calm-run" / "run.json").read_text())
    assert [len(rung["points"]) for rung in found["sweep"]["halving"]["rungs"]] == [4, 2]
    assert found["trained"] == 4
    made = sorted(tmp_path.glob("calm-store/adapters/*/COMPLETE"))
    assert [sum(path.parent.name.endswith(end) for path in made) for end in ("at-1-4", "at-1-2")] == [4, 2]
    assert len(made) == 7
    assert command("calm", *more, run="again").wait() == code
    again = json.loads((tmp_path / "again-run" / "run.json").read_text())
    assert again["trained"] == 0
    assert outcome(tmp_path / "again-run") == outcome(tmp_path / "calm-run")
    assert verify(tmp_path / "again-run").outcome == again["outcome"]
