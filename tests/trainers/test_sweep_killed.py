"""A whole sweep as a person runs it, killed while it trains and while it measures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


@pytest.fixture
def command(base, data, tmp_path):
    """`pytest suites/ --sweep rank=2,4` in a repository of its own, on real weights; by the name of its store."""
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

    def start(name: str) -> subprocess.Popen:
        where = ["--store", f"{name}-store", "--run-dir", f"{name}-run"]
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
