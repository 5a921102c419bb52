"""A map of two settings against each other: in each cell how far the metric moved from the base."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reports.charts.canvas import INK, MUTED, PAPER, draw, drawable, titled
from reports.numbers import points

__all__ = ["SHADES", "Cell", "Grid", "grid"]

SHADES = ("#d9742b", "#eda66f", "#f8d9c0", "#f1f2f4", "#c9dff2", "#8cbce4", "#4a90cf")
"""From a loss to a gain, orange to blue, with the base in the middle; the style sheet has their dark twins."""

_SLANTS = 6
_ROOM = 100
"""Pixels that each column wants for its numbers."""
_LETTER = 7.5
"""Pixels of a letter of a label, at most: the title of the side stands clear of them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What was measured at one place. `change` is in [-1, 1]; `shown` is false where its interval holds zero."""

    column: int
    row: int
    change: float
    shown: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A map to draw: names of columns and rows, titles of both sides, and the cells that were measured."""

    title: str
    sides: tuple[str, str]
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[Cell, ...]


def grid(drawn: Grid, width: int) -> Markup:
    """SVG of `width` pixels: points, `ns` where zero is not ruled out, and slanted lines where nothing was measured."""
    import altair as alt

    reach = max((abs(cell.change) for cell in drawn.cells), default=0.0) or 1.0
    cells = [_cell(cell, reach) for cell in drawn.cells]
    run = {(cell.column, cell.row) for cell in drawn.cells}
    places = [(x, y) for x in range(len(drawn.columns)) for y in range(len(drawn.rows))]
    slants = [slant for place in places if place not in run for slant in _slants(*place)]
    across, down = (_place(*side) for side in _sides(drawn))
    data, empty = (alt.Chart(alt.InlineData(values=values)) for values in (cells, slants))
    fill = alt.Fill("shade:N", scale=None, legend=None)
    middle = {"x": across("middle_x"), "y": down("middle_y")}
    layers = (
        empty.mark_rule(color=MUTED, strokeWidth=1).encode(x=across("x"), x2="x2:Q", y=down("y"), y2="y2:Q"),
        data.mark_rect(stroke=PAPER, strokeWidth=2).encode(x=across("x"), x2="x2:Q", y=down("y"), y2="y2:Q", fill=fill),
        data.mark_text(color=INK, fontSize=13 if width > _ROOM * len(drawn.columns) else 10).encode(
            **middle, text="text:N"
        ),
        data.mark_text(color=INK, fontSize=10, dy=14).encode(**middle, text="doubt:N"),
    )
    return draw(titled(alt.layer(*layers), drawn.title), width, 46 * len(drawn.rows))


def _cell(cell: Cell, reach: float) -> dict[str, Any]:
    half = len(SHADES) // 2
    return {
        "x": cell.column,
        "x2": cell.column + 1,
        "y": cell.row,
        "y2": cell.row + 1,
        "middle_x": cell.column + 0.5,
        "middle_y": cell.row + 0.5,
        "shade": SHADES[half + round(half * cell.change / reach)],
        "text": points(cell.change),
        "doubt": "" if cell.shown else "ns",
    }


def _slants(x: int, y: int) -> list[dict[str, float]]:
    """Parallel lines across an empty cell."""
    shares = [index / _SLANTS for index in range(_SLANTS)]
    return [{"x": x + share, "x2": x + share + 1 / _SLANTS, "y": y + 1, "y2": y} for share in shares]


def _sides(drawn: Grid) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return ("X", drawn.sides[0], drawn.columns), ("Y", drawn.sides[1], drawn.rows)


def _place(channel: str, title: str, names: Sequence[str]) -> Any:  # noqa: ANN401
    """Where a field stands on a side whose cells are one wide; the labels are data, so they are quoted as JSON."""
    import altair as alt

    labels = json.dumps([drawable(name) for name in names])
    scale = alt.Scale(domain=[0, len(names)], nice=False, reverse=channel == "Y")
    axis = alt.Axis(
        values=[index + 0.5 for index in range(len(names))],
        labelExpr=f"{labels}[floor(datum.value)]",
        grid=False,
        ticks=False,
        domain=False,
        labelFlush=False,
        minExtent=_LETTER * max(map(len, names)) if channel == "Y" else 0,
    )
    kind = alt.X if channel == "X" else alt.Y

    def at(name: str) -> Any:  # noqa: ANN401
        return kind(f"{name}:Q", scale=scale, axis=axis, title=drawable(title))

    return at
