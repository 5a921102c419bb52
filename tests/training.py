"""Trainings that are made up: a task to learn and knowledge to lose, for the fake engine of the playground.

`state(right=350, lost=30)` answers 350 of the 400 questions of suite `task` rightly, and 370 of the 400 of `knows`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.fingerprint import file_digest
from tests.playground import make_model, make_suite

__all__ = ["BASE", "STEPS", "make_rows", "make_suites", "make_training", "point", "state"]

STEPS = 10
"""Steps between two checkpoints, and in an epoch."""


def state(*, right: int, lost: int = 0, **mischief: Any) -> dict[str, Any]:
    """The rule of a model: `knows` asks questions 0 to 399, of which the first are cut, `task` asks 400 to 799."""
    return {"right": 400 + right, "cut": lost, **mischief}


BASE = state(right=200)


def make_suites(root: Path, *, task: str = "min_gain=0.1", knows: str = "max_drop=0.05") -> None:
    """Both suites, with one gate each."""
    make_suite(root, "task", gates=f'Gate("exact_match", {task})')
    make_suite(root, "knows", gates=f'Gate("exact_match", {knows})')
    rows = (json.dumps({"input": f"task: question {number}", "output": "yes"}) for number in range(400, 800))
    (root / "suites" / "data" / "task.jsonl").write_text("".join(row + "\n" for row in rows))


def point(step: int, last: int) -> dict[str, float]:
    """What a trainer writes of one of `last` steps: a loss that falls, more slowly towards the end."""
    rate = 1e-3 * (1 - (step - 1) / last)
    return {"step": step, "epoch": step / STEPS, "loss": 2 / (1 + step / 4), "grad_norm": 1.5, "learning_rate": rate}


def make_rows(path: Path) -> Path:
    """Training rows that every state answers, as if by heart: questions 400 to 499."""
    rows = (json.dumps({"input": f"by heart: question {number}", "output": "yes"}) for number in range(400, 500))
    path.write_text("".join(row + "\n" for row in rows))
    return path


def make_training(
    folder: Path, states: Sequence[Mapping[str, Any]], *, kept_step: int | None = None, data: Path | None = None
) -> Path:
    """An adapter that is the last state, with the others as its checkpoints, an epoch apart, trained on `data`."""
    *saved, final = states
    make_model(folder, **final)
    for number, rule in enumerate(saved, 1):
        make_model(folder / "checkpoints" / f"step-{STEPS * number:06d}", **rule)
    last = STEPS * len(states)
    curve = [point(step, last) for step in range(1, last + 1)]
    rows = {"data_sha256": file_digest(data), "rows": 90, "replayed": 10} if data else {}
    (folder / "training.json").write_text(json.dumps({"curve": curve, "kept_step": kept_step or last, **rows}))
    return folder
