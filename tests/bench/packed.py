"""How much faster the nine points of `rank_by_target` are trained in a pack on a CPU; a table, and bench/packed.json.

    python -m tests.bench.packed [--steps 60] [--rounds 5] [--quick]

On the embedded base, in the shape of trainers/default.toml, every way from configurations to finished products:

    one process   the pack beside nine trainings one after the other: by the ordinary trainer (TRL with logits at
                  answers only), by TRL's own loss, and by that with activations computed twice, which is its default
    alone         a pack of one beside the ordinary trainer on the same point
    cold          `python -m trainers pack` beside nine times `python -m trainers`, imports and loading included

That the work is equal is seen first, adapter by adapter. Ways alternate within a round, and medians over the rounds are
compared. The machine must be quiet; `--quick` only shows that everything runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from peft.utils.save_and_load import load_peft_weights
from trl import SFTTrainer

import trainers.fit
from tests.bench.packed_table import Comparison, report
from trainers.config import TrainConfig, load_config
from trainers.jobs import to_toml
from trainers.objectives import sft_trainer
from trainers.packed.train import Wanted, train_pack
from trainers.sft import Watcher, train
from trainers.sweep import DEFAULT, SHIPPED, SweepSpec, _config, _read_file  # the sweep as it ships

ROOT = Path(__file__).parents[2]
WORK = "rank_by_target on the embedded base"
CLOSE = 1e-3
"""Largest difference over norm of two equal adapters: fp32, and AdamW magnifies rounding."""

Points = dict[str, TrainConfig]


def main() -> int:
    """Measure, print and write; 1 when the work was not equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps of each training (default: 60)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each way (default: 5)")
    parser.add_argument("--quick", action="store_true", help="2 points, 2 steps, 1 round: no measurement")
    options = parser.parse_args()
    steps, rounds = (2, 1) if options.quick else (options.steps, options.rounds)
    points = read_points(steps, 2 if options.quick else None)
    single = dict(list(points.items())[-1:])
    apart = apart_by(read_points(min(steps, 20), len(points)))
    ways: dict[str, Callable[[Path], None]] = {
        "pack": lambda out: pack(points, out),
        "ordinary": lambda out: one_by_one(points, out),
        "trl": lambda out: one_by_one(points, out, theirs=True),
        "trl-default": lambda out: one_by_one(points, out, theirs=True, twice=True),
        "one": lambda out: pack(single, out),
        "one-ordinary": lambda out: one_by_one(single, out),
        "cold-pack": lambda out: cold(points, out, together=True),
        "cold": lambda out: cold(points, out, together=False),
    }
    seconds = measured(ways, rounds)
    rows = [
        Comparison(f"{WORK}, {how}", against, seconds[ours], seconds[theirs], apart, CLOSE)
        for how, against, ours, theirs in (
            ("one process", "ordinary trainer, one by one", "pack", "ordinary"),
            ("one process", "TRL's own loss, one by one", "pack", "trl"),
            ("one process", "TRL's defaults, one by one", "pack", "trl-default"),
            ("its last point alone", "ordinary trainer", "one", "one-ordinary"),
            ("cold", "a command each", "cold-pack", "cold"),
        )
    ]
    shape = {"steps": steps, "points": len(points), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    report(rows, shape)
    return 0 if apart < CLOSE else 1


def read_points(steps: int, count: int | None) -> Points:
    """The first points by number, of so many steps; all of them unless told how many."""
    spec: SweepSpec = _read_file(SHIPPED / "rank_by_target.toml")
    base = load_config(spec.config or DEFAULT)
    return {str(at): _config(base, {**point, "steps": steps}) for at, point in enumerate(spec.points[:count])}


def pack(points: Points, out: Path) -> None:
    """All at once."""
    failures = train_pack([Wanted(config, out / name) for name, config in points.items()], Watcher())
    assert not any(failures.values()), failures


def one_by_one(points: Points, out: Path, *, theirs: bool = False, twice: bool = False) -> None:
    """Each by itself, in this process."""
    with their_loss() if theirs else patch.object(trainers.fit, "sft_trainer", sft_trainer):
        for name, config in points.items():
            train(config.model_copy(update={"gradient_checkpointing": twice}), out / name)


@contextmanager
def their_loss():
    """TRL's own loss, rows in our order."""

    def trainer(**settings):
        return type("Theirs", (sft_trainer(**settings),), {"compute_loss": SFTTrainer.compute_loss})

    with patch.object(trainers.fit, "sft_trainer", trainer):
        yield


def cold(points: Points, out: Path, *, together: bool) -> None:
    """From the command line."""
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for name, config in points.items():
        files.append(out / f"{name}.toml")
        files[-1].write_text(to_toml(config.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    words = (
        [["pack", *map(str, files)]]
        if together
        else [[str(file), "--out", str(file.with_suffix(""))] for file in files]
    )
    for each in words:
        subprocess.run([sys.executable, "-m", "trainers", *each], cwd=ROOT, check=True, capture_output=True)


def apart_by(points: Points) -> float:
    """Train both ways, and give the largest difference of two adapters over the norm of one."""
    with tempfile.TemporaryDirectory() as folder:
        pack(points, Path(folder) / "pack")
        one_by_one(points, Path(folder) / "ordinary")
        pairs = [[numbers(Path(folder) / way / name) for way in ("pack", "ordinary")] for name in points]
        steps = {json.loads(path.read_text())["steps"] for path in Path(folder).glob("*/*/training.json")}
    assert len(steps) == 1, f"trainings of {steps} steps"
    return max(float((ours - theirs).norm() / theirs.norm()) for ours, theirs in pairs)


def numbers(folder: Path) -> torch.Tensor:
    """All weights of an adapter."""
    return torch.cat([tensor.flatten() for _, tensor in sorted(load_peft_weights(folder, device="cpu").items())])


def measured(ways: dict[str, Callable[[Path], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, round by round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                way(Path(folder))
                seconds[name].append(time.perf_counter() - started)
            sys.stderr.write(f"round {number + 1}: {name} {seconds[name][-1]:.1f} s\n")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
