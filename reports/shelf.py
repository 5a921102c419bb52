"""The runs of a folder, newest first: when, which models, what came out. Reads no records, so it is quick."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadRunDirectory
from harness.outputs import write_output
from harness.runs import PLAN_FILE, RUN_FILE
from reports.texts import visible

__all__ = ["Shelved", "as_text", "shelf", "write_json"]

UNFINISHED, UNREADABLE = "unfinished", "unreadable"


@dataclass(frozen=True, slots=True)
class Shelved:
    """One run directory.

    Attributes:
        path: of the directory.
        created: UTC, ISO 8601; empty when its plan cannot be read.
        models: names, the base first.
        outcome: of run.json, with `(partial)` where rows or gates were left out; `unfinished` without run.json,
            `unreadable` where a file is damaged. As written: `tunegate verify` says whether it is right.
    """

    path: Path
    created: str
    models: tuple[str, ...]
    outcome: str


def shelf(folder: Path) -> tuple[Shelved, ...]:
    """The runs in a folder, newest first, then by name; directories without a plan are none.

    Raises:
        BadRunDirectory: there is no such folder, or it holds no run.
    """
    if not folder.is_dir():
        raise BadRunDirectory(f"{folder}: no such folder; measure first: pytest suites/ --model BASE --adapter DIR")
    found = [_shelved(path.parent) for path in folder.glob(f"*/{PLAN_FILE}") if not path.parent.name.startswith(".")]
    if not found:
        raise BadRunDirectory(f"{folder}: holds no run; give the folder that holds run directories, such as runs/")
    return tuple(sorted(sorted(found, key=lambda run: run.path.name), key=lambda run: run.created, reverse=True))


def as_text(runs: Sequence[Shelved]) -> str:
    """One line a run: time, outcome, path, models. What others wrote is shown as text."""
    return "\n".join(_lines(runs))


def write_json(runs: Sequence[Shelved], path: Path) -> None:
    """Write the list as JSON: `[{path, created, models, outcome}]`."""
    listed = [
        {"path": str(run.path), "created": run.created, "models": list(run.models), "outcome": run.outcome}
        for run in runs
    ]
    write_output(path, (json.dumps(listed, indent=2) + "\n").encode())


def _lines(runs: Sequence[Shelved]) -> Iterator[str]:
    wide = max(len(run.outcome) for run in runs)
    long = max(len(str(run.path)) for run in runs)
    for run in runs:
        when = run.created[:16].replace("T", " ").ljust(16)
        line = f"{when}  {run.outcome:<{wide}}  {run.path!s:<{long}}  {', '.join(run.models)}"
        yield visible(line).replace("\n", "␊").rstrip()


def _shelved(path: Path) -> Shelved:
    try:
        plan: dict[str, Any] = json.loads((path / PLAN_FILE).read_bytes())
        created, models = str(plan["created_at"]), tuple(str(model["name"]) for model in plan["models"])
        return Shelved(path, created, models, _outcome(path))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Shelved(path, "", (), UNREADABLE)


def _outcome(path: Path) -> str:
    if not (path / RUN_FILE).exists():
        return UNFINISHED
    run: dict[str, Any] = json.loads((path / RUN_FILE).read_bytes())
    return f"{run['outcome']}{' (partial)' if run['partial'] else ''}"
