"""A sweep's points as CSV, one line each: the numbers of its tables unrounded, for a spreadsheet or pandas."""

from base64 import b64encode
from collections.abc import Mapping, Sequence

from reports.sheet.cells import label, write_table
from reports.sweep import Standing
from reports.trials import Trial, Trials

__all__ = ["as_link", "points_csv"]

_TRAINED = ("adapter_bytes", "peak_memory_bytes", "seconds", "tokens_per_second")

Cell = float | str | None


def points_csv(found: Trials, cuts: Mapping[int, Standing]) -> bytes:
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
    return write_table([label(key) for key in rows[0]], [[_cell(value) for value in row.values()] for row in rows])


def as_link(table: bytes) -> str:
    """The address of a file that is in the page itself: a press saves it, and nothing is asked of anybody."""
    return "data:text/csv;charset=utf-8;base64," + b64encode(table).decode()


def _row(found: Trials, trial: Trial, cut: Standing | None) -> dict[str, Cell]:
    point, behind = trial.point, trial.point.behind
    row: dict[str, Cell] = {"number": trial.number, "point": point.name}
    row |= {key: trial.settings.get(key) for key in found.varied}
    row |= {"own_gates": trial.outcome.value, "cut_at_step": cut.step if cut else None}
    for column in found.columns:
        line = trial.changes.get(column)
        bounds = line.bounds if line else None
        values = (line.delta if line else None, bounds.low if bounds else None, bounds.high if bounds else None)
        row |= _named("/".join(dict.fromkeys(column)), ("change", "low", "high"), values)
    row |= {"broken": trial.broken, "ranking_half": point.select}
    row |= _named(
        "behind_winner", ("", "low", "high"), (behind.value, behind.low, behind.high) if behind else (None,) * 3
    )
    row |= {"parameters": point.parameters, "scale": point.scale}
    return row | {key: point.figure(key) for key in _TRAINED} | {"trained": point.way, "gain_per_minute": trial.worth}


def _named(name: str, parts: Sequence[str], values: Sequence[Cell]) -> dict[str, Cell]:
    return {"/".join(filter(None, (name, part))): value for part, value in zip(parts, values, strict=True)}


def _cell(value: Cell) -> str:
    return "" if value is None else label(value) if isinstance(value, str) else repr(value)
