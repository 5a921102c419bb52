"""A packed sweep on the embedded base, judged by the suites, beside the same sweep trained one by one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
POINTS = """
config = "{default}"
points = [
  {{ rank = 4, steps = 40 }},
  {{ rank = 16, steps = 40, target_modules = "qv" }},
  {{ rank = 8, steps = 40, learning_rate = 1e-6 }},
]
"""


def sweep(home, name, *options):
    """Run the gate; run.json and what the trainings said of themselves."""
    run_dir, store = home / name, home / f"{name}-store"
    words = ["suites/", "-q", "--model", "embedded", "--sweep", home / "three.toml", "--limit", "150"]
    words += ["--on-inconclusive", "warn", "--store", store, "--run-dir", run_dir, *options]
    command = [sys.executable, "-m", "pytest", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run_dir / "run.json").exists(), done.stdout + done.stderr
    notes = [json.loads(path.read_text()) for path in store.glob("adapters/*/training.json")]
    return json.loads((run_dir / "run.json").read_text(encoding="utf-8")), notes


def outcomes(run):
    """What every gate said, by point, suite and gate."""
    return {(each["model"], each["suite"], each["gate"]): each["outcome"] for each in run["verdicts"]}


def rates(run):
    """What was measured, by point, suite and metric; a number each."""
    return {
        (each["model"], each["suite"], each["metric"]): each["value"]
        for each in run["results"]
        if isinstance(each["value"], int | float)
    }


def test_verdicts_of_a_packed_sweep_are_those_of_the_unpacked_one(tmp_path):
    """Three points that learn much, less and nothing: the same outcomes, and rates that differ by two rows at most.

    A pack rounds otherwise than a solo run, so that an answer may turn over; that moves a rate by 1/150.
    """
    (tmp_path / "three.toml").write_text(POINTS.format(default=ROOT / "trainers" / "default.toml"), encoding="utf-8")
    packed, notes = sweep(tmp_path, "packed")
    alone, others = sweep(tmp_path, "alone", "--no-pack")
    assert [note["packed"] and note["packed"]["k"] for note in notes] == [3, 3, 3]
    assert [note["packed"] for note in others] == [None, None, None]
    assert len(set(outcomes(packed).values())) > 1  # something passes and something does not
    assert outcomes(packed) == outcomes(alone)
    ours, theirs = rates(packed), rates(alone)
    assert ours.keys() == theirs.keys()
    bounded = [key for key in ours if 0 <= theirs[key] <= 1]
    assert bounded
    assert max(abs(ours[key] - theirs[key]) for key in bounded) <= 2 / 150 + 1e-9
