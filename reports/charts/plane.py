"""What was learned against what was forgotten: one mark for each configuration or step, better up and to the right."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from markupsafe import Markup

from harness.types import Estimate
from reports.charts.canvas import BASE, CANDIDATE, INK, MUTED, PAPER, SIGNED, ZONE, draw

__all__ = ["Kind", "Plane", "Spot", "clear", "plane"]

_CROSS = "M-.5,-.5L.5,.5M.5,-.5L-.5,.5"
_HEIGHT = 320
_LETTER, _LINE, _DOT = 8.0, 14.0, 12.0
"""Pixels: the width of a letter and the height of a line, at most, and what a dot takes."""
_AXIS = 70
"""Pixels that the vertical axis takes."""


class Kind(StrEnum):
    """How a spot is drawn, and what that means."""

    FRONT = "front"
    """No other spot is at least as good in both: a full dot."""
    TIED = "tied"
    """Not shown to be worse than one on the front: a hollow dot."""
    BEATEN = "beaten"
    """Shown to be worse than one on the front: a cross."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A mark. `kept` is the difference of what must not be forgotten, `gain` that of the task, both in [-1, 1]."""

    label: str
    kept: Estimate
    gain: Estimate
    kind: Kind


@dataclass(frozen=True, slots=True)
class Plane:
    """A picture to draw.

    Attributes:
        spots: at least one.
        titles: of the axes, across and up.
        floor: the least `kept` that the gates let pass, in [-1, 0).
        path: a line, as (kept, gain).
        stepped: draw the path as the edge of what the spots on it outdo, else straight from each to the next.
    """

    spots: tuple[Spot, ...]
    titles: tuple[str, str]
    floor: float
    path: tuple[tuple[float, float], ...]
    stepped: bool


def plane(drawn: Plane, width: int) -> Markup:
    """SVG of `width` pixels: bars are intervals, shaded is what gates do not allow, the square at zero is the base."""
    import altair as alt

    rows = [_row(each) for each in drawn.spots]
    low, high = _reach([0.0, 120 * drawn.floor, *(row[key] for row in rows for key in ("x_low", "x_high"))])
    bottom, top = _reach([0.0, *(row[key] for row in rows for key in ("y_low", "y_high"))])
    ground = [{"left": low, "floor": 100 * drawn.floor, "bottom": bottom, "top": top, "zero": 0}]
    path = [{"x": 100 * x, "y": 100 * y, "order": order} for order, (x, y) in enumerate(drawn.path)]
    axes = _Axes(drawn.titles, (low, high), (bottom, top))
    ends = [
        ((width - _AXIS) * (row["x"] - low) / (high - low), _HEIGHT * (top - row["y"]) / (top - bottom)) for row in rows
    ]
    asides = clear([row["label"] for row in rows], ends, width - _AXIS)
    rows = [{**row, "aside": aside} for row, aside in zip(rows, asides, strict=True)]
    back, data, line = (alt.Chart(alt.InlineData(values=values)) for values in (ground, rows, path))
    looks: dict[str, Any] = {"interpolate": "step-before" if drawn.stepped else "linear"}
    base = back.mark_point(shape="square", filled=True, fill=PAPER, stroke=MUTED, size=70, opacity=1)
    layers = (
        back.mark_rect(color=ZONE, opacity=1).encode(x=axes.x("left"), x2="floor:Q", y=axes.y("bottom"), y2="top:Q"),
        back.mark_rule(color=MUTED, strokeDash=[4, 3]).encode(x=axes.x("floor")),
        line.mark_line(color=BASE, strokeWidth=1.5, **looks).encode(x=axes.x("x"), y=axes.y("y"), order="order:Q"),
        data.mark_rule(color=BASE, strokeWidth=1).encode(x=axes.x("x_low"), x2="x_high:Q", y=axes.y("y")),
        data.mark_rule(color=BASE, strokeWidth=1).encode(x=axes.x("x"), y=axes.y("y_low"), y2="y_high:Q"),
        base.encode(x=axes.x("zero"), y=axes.y("zero")),
        *(_spots(rows, kind, axes) for kind in Kind),
        *(_names(rows, aside, axes) for aside in dict.fromkeys(asides)),
    )
    return draw(alt.layer(*layers), width, _HEIGHT)


def clear(labels: Sequence[str], dots: Sequence[tuple[float, float]], width: float) -> list[tuple[float, float]]:
    """Where each label stands beside its dot, in pixels across and down, so that none covers another or a dot.

    A label that fits nowhere stands where it covers least.

    Args:
        labels: one for each dot.
        dots: their places in pixels from the upper left corner.
        width: of the picture in pixels; no label reaches beyond its sides.
    """
    taken = [(x - _DOT / 2, y - _DOT / 2, x + _DOT / 2, y + _DOT / 2) for x, y in dots]
    made = []
    for label, (x, y) in zip(labels, dots, strict=True):
        half = _LETTER * len(label) / 2
        asides = [(across * (half + reach), down * reach) for reach in (9.0, 18.0, 27.0) for across, down in _COMPASS]
        boxes = [(x + a - half, y + d - _LINE / 2, x + a + half, y + d + _LINE / 2) for a, d in asides]
        costs = [
            sum(_shared(box, other) for other in taken) + 1e3 * (box[0] < 0 or box[2] > width or box[1] < 0)
            for box in boxes
        ]
        best = costs.index(min(costs))
        taken.append(boxes[best])
        made.append(asides[best])
    return made


_COMPASS = ((1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1.4), (0, 1.4))
"""Beside a dot, upper right first."""

_Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def _shared(one: _Box, other: _Box) -> float:
    """The area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, tall)


@dataclass(frozen=True, slots=True)
class _Axes:
    titles: tuple[str, str]
    across: tuple[float, float]
    up: tuple[float, float]

    def x(self, name: str) -> Any:  # noqa: ANN401 (altair is imported in the leaf)
        """The horizontal place of a field."""
        import altair as alt

        scale, axis = alt.Scale(domain=list(self.across), nice=False), alt.Axis(tickCount=6, labelExpr=SIGNED)
        return alt.X(f"{name}:Q", scale=scale, axis=axis, title=self.titles[0])

    def y(self, name: str) -> Any:  # noqa: ANN401
        """The vertical place of a field."""
        import altair as alt

        scale = alt.Scale(domain=list(self.up), nice=False)
        axis = alt.Axis(tickCount=6, labelExpr=SIGNED, minExtent=44)
        return alt.Y(f"{name}:Q", scale=scale, axis=axis, title=self.titles[1])


def _names(rows: Sequence[dict[str, Any]], aside: tuple[float, float], axes: _Axes) -> Any:  # noqa: ANN401
    import altair as alt

    own = alt.Chart(alt.InlineData(values=[row for row in rows if row["aside"] == aside]))
    text = own.mark_text(color=INK, align="center", dx=aside[0], dy=aside[1], fontSize=12)
    return text.encode(x=axes.x("x"), y=axes.y("y"), text="label:N")


def _spots(rows: Sequence[dict[str, Any]], kind: Kind, axes: _Axes) -> Any:  # noqa: ANN401
    import altair as alt

    looks: dict[Kind, dict[str, Any]] = {
        Kind.FRONT: {"filled": True, "color": CANDIDATE, "size": 90},
        Kind.TIED: {"filled": True, "fill": PAPER, "stroke": CANDIDATE, "strokeWidth": 2, "size": 80},
        Kind.BEATEN: {"shape": _CROSS, "stroke": MUTED, "strokeWidth": 2, "size": 260},
    }
    data = alt.Chart(alt.InlineData(values=[row for row in rows if row["kind"] == kind]))
    return data.mark_point(opacity=1, **looks[kind]).encode(x=axes.x("x"), y=axes.y("y"))


def _row(spot: Spot) -> dict[str, Any]:
    sides = (("x", spot.kept), ("y", spot.gain))
    numbers = {name: 100 * seen.value for name, seen in sides}
    ends = {f"{name}_{end}": 100 * getattr(seen, end) for name, seen in sides for end in ("low", "high")}
    return {"label": spot.label, "kind": spot.kind, **numbers, **ends}


def _reach(ends: Sequence[float]) -> tuple[float, float]:
    edge = max(1.0, 0.08 * (max(ends) - min(ends)))
    return min(ends) - edge, max(ends) + edge
