"""The whole gate on real, tiny models: transformers, PEFT, store, run directory, verification."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.playground import SUITE
from tests.tiny import make_adapter, make_base

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
GATES = 'Gate("exact_match", at_least=0.5), Gate("exact_match", max_drop=0.2)'


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """One suite of 60 questions, a random base, an adapter that changes it, and one that changes nothing."""
    root = tmp_path_factory.mktemp("repo")
    (root / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    (root / "suites").mkdir()
    text = SUITE.format(name="asks", data="asks.jsonl", gates=GATES, extra="", system="")
    (root / "suites" / "test_asks.py").write_text(text.replace("max_new_tokens=4", "max_new_tokens=8"))
    rows = [json.dumps({"input": f"question {i}", "output": f"{i}"}) + "\n" for i in range(60)]
    (root / "suites" / "asks.jsonl").write_text("".join(rows))
    base = make_base(root / "base")
    make_adapter(base, root / "tuned")
    make_adapter(base, root / "idle", scale=0)
    return root


def run(repo, *args):
    """`python -m ...` in the repository, on one thread."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *args], cwd=repo, env=environment, capture_output=True, text=True, check=False
    )


def test_real_models_end_in_an_honest_verdict(repo):
    """A random model fails its gate with every row measured; verification agrees; the second run computes nothing."""
    gate = ("pytest", "suites", "--model", "base", "--adapter", "tuned", "--device", "cpu")
    first, second = run(repo, *gate, "--run-dir", "one"), run(repo, *gate, "--run-dir", "two")
    assert (first.returncode, second.returncode) == (1, 1), first.stdout + first.stderr
    one, two = (json.loads((repo / name / "run.json").read_text()) for name in ("one", "two"))
    assert [(entry["n"], entry["fresh"], entry["attempts"]) for entry in one["results"]] == [(60, 60, 1)] * 2
    assert [(entry["n"], entry["fresh"], entry["attempts"]) for entry in two["results"]] == [(60, 0, 1)] * 2
    assert [entry["value"] for entry in one["results"]] == [entry["value"] for entry in two["results"]]
    assert one["models"][0]["dtype"] == "float32"
    assert one["models"][0]["fingerprint"] != one["models"][1]["fingerprint"]
    assert run(repo, "harness.cli", "verify", "one").returncode == 1
    outputs = [(repo / "one" / "records" / f"asks--{name}.jsonl").read_text() for name in ("base", "tuned")]
    assert outputs[0] != outputs[1]


def test_a_real_run_is_held_against_its_checkout(repo):
    """Suites and the adapter's own files agree with the run, whose FAIL stands; another adapter's files do not."""
    gate = ("pytest", "suites", "--model", "base", "--adapter", "tuned", "--device", "cpu")
    assert run(repo, *gate, "--run-dir", "held").returncode == 1
    verify = ("harness.cli", "verify", "held", "--suites", "suites", "--adapter")
    assert run(repo, *verify, "tuned").returncode == 1
    other = run(repo, *verify, "idle")
    assert (other.returncode, "DISAGREES adapter: idle" in other.stderr) == (11, True)


def test_adapter_without_effect_is_invalid(repo):
    """An adapter that leaves the base as it is proves nothing about itself."""
    done = run(
        repo, "pytest", "suites", "--model", "base", "--adapter", "idle", "--device", "cpu", "--run-dir", "idle-run"
    )
    assert done.returncode == 11, done.stdout
    outcomes = [verdict["outcome"] for verdict in json.loads((repo / "idle-run" / "run.json").read_text())["verdicts"]]
    assert outcomes == ["INVALID", "INVALID"]
