"""The script that measures memory on a GPU works, as far as a CPU can tell."""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest

from harness.quiet import quiet
from tests.bench import memory
from tests.bench.memory import TINY, Measured, in_a_process, line, measure, points, row, summary
from trainers.planning.memory import Setup, footprint


def test_points_cover_the_ground():
    """Twelve points and more: both methods, three sizes, checkpointing on and off, several batches and lengths."""
    found = points().values()
    assert len(found) >= 12
    assert {each.quantization for each in found} == {"none", "nf4"}
    assert {each.checkpointing for each in found} == {True, False}
    assert len({each.shape.name for each in found}) == 3
    assert len({each.batch for each in found}) >= 4
    assert len({each.length for each in found}) >= 3
    assert all(footprint(each).peak < 100e9 for each in found)


@pytest.mark.parametrize(
    "changed",
    [{}, {"checkpointing": True}, {"quantization": "nf4", "trained_dtype": "bfloat16"}, {"method": "full"}],
    ids=str,
)
def test_a_point_is_measured(changed):
    """The loop that runs on a GPU runs on a CPU too, at a tiny shape, and agrees with the prediction."""
    setup = replace(Setup(TINY, batch=2, length=64, masked=False, chunked_loss=False), **changed)
    with quiet(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`gradient_checkpointing", FutureWarning)
        found = measure(setup, "cpu")
    assert 0.5 < found.allocated / (footprint(setup).allocated - 2**25) < 1.1


def test_the_tiled_loss_is_the_loss():
    """Without logits, the loss is that of the model's own head."""
    import torch

    setup = Setup(TINY, method="full", trained_dtype="float32", compute_dtype="float32")
    model = memory.build(setup, "cpu")
    ids = torch.randint(3, TINY.vocab, (2, 32))
    whole, tiled = (memory.loss_of(model, ids, tiled=tiled)[0] for tiled in (False, True))
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("ModuleNotFoundError: No module named 'bitsandbytes'", "skipped: ModuleNotFoundError"),
        ("torch.OutOfMemoryError: CUDA out of memory", "failed: torch.OutOfMemoryError"),
        ("", "failed: no message"),
    ],
)
def test_a_point_that_cannot_run_says_why(monkeypatch, stderr, said):
    """A missing package skips a point, anything else fails it; neither ends the others."""
    dead = subprocess.CompletedProcess([], 1, stdout="", stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: dead)
    name = next(iter(points()))
    reason = in_a_process(name)
    assert reason.startswith(said)
    assert said in line(row(name, points()[name], reason))


def test_the_summary_counts_only_what_was_measured():
    """Errors are predicted over measured, so that a prediction below the truth is negative."""
    (name, setup), *_ = points().items()
    found = footprint(setup)
    low = row(name, setup, Measured(2 * found.allocated, 2 * found.reserved, 0))
    lost = row(name, setup, "failed: x")
    whole = summary([low, lost])
    assert (whole["points"], whole["measured"]) == (2, 1)
    assert whole["allocated"] == {"median": 0.5, "worst": 0.5, "lowest": -0.5}
    assert "-50.0 %" in line(low)
    json.dumps([low, lost], allow_nan=False)


def test_accelerate_is_given_its_own_formula():
    """The figure beside ours is accelerate's training estimate in bf16: eight bytes a parameter."""
    assert memory.accelerate_bytes(TINY) == 8 * TINY.parameters


def test_without_a_gpu_nothing_is_measured():
    """The script ends with 2 and says so; the list of predictions needs no GPU."""

    def run(*options):
        command = [sys.executable, "-m", "tests.bench.memory", *options]
        hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        return subprocess.run(command, env=hidden, capture_output=True, text=True, check=False)

    listed, alone = run("--list", "--only", "8B"), run()
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == sum("8B" in name for name in points())
    assert alone.returncode == 2
    assert "no CUDA device" in alone.stderr
