"""Where an interrupted training goes on from: the newest checkpoint that is whole.

    <folder>/checkpoint-120/    weights, optimiser, schedule, random state, curve, and COMPLETE, written last
    <folder>/quarantine/        what was found half-written or damaged; never used, kept for a look

A training resumed from here ends in the weights that it would have had without the interruption: the order of the rows
is a function of seed and epoch alone, and every random state is restored.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import BadRunDirectory
from trainers.bases import Model
from trainers.product import finished_job, seal

__all__ = ["finish", "keeper", "newest", "spent_seconds", "writer"]

KEPT = 2
"""Whole checkpoints kept: one to go on from, and one in case that one is damaged."""

SPENT = "spent.json"


def newest(folder: Path, job: str, say: Callable[[str], None]) -> Path | None:
    """The latest whole checkpoint of `job`, or None; anything else is moved to `quarantine`.

    Args:
        folder: that checkpoints are written to; may be missing.
        job: digest of all that decides the training.
        say: told of each checkpoint that cannot be used.
    """
    for path in reversed(_all(folder)):
        try:
            if finished_job(path) == job:
                return path
            reason = "was not finished, or belongs to another training"
        except BadRunDirectory as error:
            reason = str(error).partition(";")[0]
        quarantine = folder / "quarantine"
        quarantine.mkdir(exist_ok=True)
        path.rename(quarantine / f"{path.name}-{time.time_ns()}")
        say(f"{path.name} is not used: {reason}; it lies in {quarantine}")
    return None


def spent_seconds(checkpoint: Path) -> float:
    """Seconds of training that led to a checkpoint."""
    return float(json.loads((checkpoint / SPENT).read_text(encoding="utf-8")))


def finish(checkpoint: Path, job: str, *, spent: float) -> None:
    """Seal a checkpoint whose files are written, and remove those before the last two.

    Args:
        checkpoint: `<folder>/checkpoint-<step>`.
        job: digest of all that decides the training.
        spent: seconds of training that led to it.
    """
    (checkpoint / SPENT).write_text(json.dumps(spent), encoding="utf-8")
    seal(checkpoint, job)
    for old in _all(checkpoint.parent)[:-KEPT]:
        shutil.rmtree(old)


def writer(job: str, *, every: float, spent: float) -> Any:  # noqa: ANN401  # a callback of transformers
    """A callback that has a checkpoint written when `every` seconds have passed, and seals it.

    Args:
        job: digest of all that decides the training.
        every: least seconds between two checkpoints.
        spent: seconds of training before this process.
    """
    from transformers import TrainerCallback

    started = written = time.monotonic()

    class Writer(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        """Looks at the clock after each step."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ANN401, ARG002
            """Ask for a checkpoint; none after the last step, which the product follows."""
            ends = state.global_step >= state.max_steps or control.should_training_stop
            control.should_save |= not ends and time.monotonic() - written >= every
            return control

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
            """Called when all files of a checkpoint are written."""
            nonlocal written
            folder = Path(args.output_dir)
            checkpoint = folder / f"checkpoint-{state.global_step}"
            total = spent + time.monotonic() - started
            finish(checkpoint, job, spent=total)
            written = time.monotonic()

    return Writer()


def keeper(folder: Path, count: int, save: Callable[[Model, Path], None]) -> Any:  # noqa: ANN401  # a callback
    """A callback that saves the weights `count` times along the way, evenly spaced, the end not counted.

    Args:
        folder: gets `step-000120` and the like.
        count: how many, at least 1.
        save: writes a model's weights into a folder.
    """
    from transformers import TrainerCallback

    class Keeper(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        """Looks at the step."""

        def on_step_end(self, args: Any, state: Any, control: Any, model: Model, **_: Any) -> None:  # noqa: ANN401, ARG002
            """Called after each optimiser step."""
            wanted = {round(state.max_steps * part / (count + 1)) for part in range(1, count + 1)}
            if state.global_step in wanted - {0, state.max_steps}:
                save(model, folder / f"step-{state.global_step:06d}")

    return Keeper()


def _all(folder: Path) -> list[Path]:
    """Checkpoints, oldest first, whole or not."""
    found = [path for path in folder.glob("checkpoint-*") if path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))
