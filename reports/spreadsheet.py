"""A sweep's points as CSV, one line each: the numbers of its tables unrounded, for a spreadsheet or pandas."""

import csv
import io
from base64 import b64encode
from collections.abc import Mapping, Sequence

from reports.sweep import Standing
from reports.texts import visible
from reports.trials import Trial, Trials

__all__ = ["as_link", "points_csv"]

_TRAINED = ("adapter_bytes", "peak_memory_bytes", "seconds", "tokens_per_second")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""

Cell = float | str | None


def points_csv(found: Trials, cuts: Mapping[int, Standing]) -> str:
    """All points in the order of the plan.

    Args:
        found: the sweep's trials.
        cuts: by number, where a point was cut on the way.

    Returns:
        CSV with a header. Rates and differences are in [-1, 1], with the bounds that the gates decided by; sizes in
        bytes, times in seconds. A cell is empty where nothing was measured, and a text that a spreadsheet would run as
        a formula begins with an apostrophe.
    """
    rows = [_row(found, each, cuts.get(each.number)) for each in found.trials]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({key: _safe(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def as_link(text: str) -> str:
    """The address of a file that is in the page itself: a press saves it, and nothing is asked of anybody."""
    return "data:text/csv;charset=utf-8;base64," + b64encode(text.encode()).decode()


def _row(found: Trials, trial: Trial, cut: Standing | None) -> dict[str, Cell]:
    point, behind = trial.point, trial.point.behind
    row: dict[str, Cell] = {"number": trial.number, "point": point.name}
    row |= {key: trial.settings.get(key) for key in found.varied}
    row |= {"own_gates": trial.outcome.value, "cut_at_step": cut.step if cut else None}
    for column in found.columns:
        line = trial.changes.get(column)
        bounds = line.bounds if line else None
        values = (line.delta if line else None, bounds.low if bounds else None, bounds.high if bounds else None)
        row |= _named(_column(column), ("change", "low", "high"), values)
    row |= {"broken": trial.broken, "ranking_half": point.select}
    row |= _named(
        "behind_winner", ("", "low", "high"), (behind.value, behind.low, behind.high) if behind else (None,) * 3
    )
    row |= {"parameters": point.parameters, "scale": point.scale}
    return row | {key: point.figure(key) for key in _TRAINED} | {"trained": point.way, "gain_per_minute": trial.worth}


def _column(column: tuple[str, str]) -> str:
    return "_".join(dict.fromkeys(column))


def _named(name: str, parts: Sequence[str], values: Sequence[Cell]) -> dict[str, Cell]:
    return {"_".join(filter(None, (name, part))): value for part, value in zip(parts, values, strict=True)}


def _safe(value: Cell) -> Cell:
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
