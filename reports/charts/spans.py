"""Values with their intervals, one below the other: what each suite gained or lost, how long answers are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reports.charts.canvas import CANDIDATE, MUTED, NARROW, SIGNED, ZONE, draw, labelled, row_axis

__all__ = ["Span", "changes", "lengths"]

_TICKS = (-100, -50, -20, -10, -5, -2, 0, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Span:
    """A value between two bounds.

    Attributes:
        floor: the least value that a gate lets pass; None without one.
        judged: whether the gate looks at this very row, so that it is drawn larger.
    """

    label: str
    value: float
    low: float
    high: float
    floor: float | None = None
    judged: bool = True


def changes(spans: Sequence[Span], width: int) -> Markup:
    """Candidate minus base in points, with its interval and, shaded, what the gate does not allow.

    Args:
        spans: differences in [-1, 1], one row each.
        width: of the whole picture in pixels.

    Returns:
        SVG, or nothing without spans. The axis is linear near zero and logarithmic beyond 2 points, so that a margin of
        1 point and a gain of 40 are both legible.
    """
    rows = labelled([_row(each, 100) for each in spans])
    if not rows:
        return Markup()
    import altair as alt

    reach = max(2.0, *(abs(row[key]) for row in rows for key in ("low", "high", "floor"))) * 1.15
    rows = [{**row, "start": -reach} for row in rows]
    scale = alt.Scale(type="symlog", constant=2, domain=[-reach, reach], nice=False)
    axis = alt.Axis(values=[tick for tick in _TICKS if abs(tick) <= reach], labelExpr=SIGNED, labelSeparation=6)
    title, y = "candidate minus base, points", row_axis(rows, width)

    def across(name: str) -> Any:  # noqa: ANN401 (altair is imported in the leaf)
        return alt.X(f"{name}:Q", scale=scale, axis=axis, title=title)

    bounded = [row for row in rows if row["bounded"]]
    one = len(bounded) == len(rows) > 1 and len({row["floor"] for row in rows}) == 1
    zone = alt.Chart(alt.InlineData(values=bounded[:1] if one else bounded))
    shaded = zone.mark_rect(color=ZONE, opacity=1) if one else zone.mark_bar(color=ZONE, height={"band": 0.8})
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=MUTED)
    layers = (
        shaded.encode(x=across("start"), x2="floor:Q", **({} if one else {"y": y})),
        zero.encode(x=across("zero")),
        *_marks(rows, across, y),
    )
    return draw(alt.layer(*layers), width, {"step": 36 if all(each.judged for each in spans) else 24})


def lengths(spans: Sequence[Span], width: int) -> Markup:
    """Lengths in tokens: a dot for the median, a bar from the 5th to the 95th percentile; nothing without spans."""
    rows = labelled([_row(each, 1) for each in spans])
    if not rows:
        return Markup()
    import altair as alt

    scale = alt.Scale(domain=[0, max(row["high"] for row in rows) or 1], nice=True)
    axis = alt.Axis(tickCount=6)

    def across(name: str) -> Any:  # noqa: ANN401
        return alt.X(f"{name}:Q", scale=scale, axis=axis, title="tokens of an answer")

    return draw(alt.layer(*_marks(rows, across, row_axis(rows, width))), width, {"step": 34 if width == NARROW else 24})


def _row(span: Span, unit: float) -> dict[str, Any]:
    numbers = {"value": span.value, "low": span.low, "high": span.high, "floor": span.floor or 0.0}
    return {
        "label": span.label,
        "bounded": span.floor is not None,
        "size": 80 if span.judged else 45,
        **{name: unit * number for name, number in numbers.items()},
    }


def _marks(rows: list[dict[str, Any]], across: Any, y: Any) -> tuple[Any, ...]:  # noqa: ANN401
    import altair as alt

    data = alt.Chart(alt.InlineData(values=rows))
    sizes = alt.Size("size:Q", scale=None, legend=None)
    return (
        data.mark_rule(color=CANDIDATE, strokeWidth=2.5).encode(x=across("low"), x2="high:Q", y=y),
        data.mark_point(filled=True, color=CANDIDATE, opacity=1).encode(x=across("value"), y=y, size=sizes),
    )
