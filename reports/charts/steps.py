"""What an adapter was along its training: differences to the base over steps, panels below each other on one scale."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from reports.charts.canvas import CANDIDATE, MUTED, SIGNED, ZONE, draw, titled
from reports.trajectory import Panel

__all__ = ["losses", "steps"]


def steps(panels: Sequence[Panel], width: int) -> Markup:
    """Difference to the base over the steps of a training, one picture above the other on one scale of steps.

    Returns:
        SVGs of `width` pixels: the base is the line at zero, a bar is an interval, what the gates do not allow is
        shaded, and the recommended step has a ring. Nothing without panels.
    """
    return Markup().join(_panel(panel, width, right_edge(panels)) for panel in panels)


def losses(path: Sequence[tuple[int, float]], panels: Sequence[Panel], width: int) -> Markup:
    """The loss of the training rows at each step, on the scale of the panels; nothing without points."""
    if not path or not panels:
        return Markup()
    import altair as alt

    data = alt.Chart(alt.InlineData(values=[{"step": step, "loss": loss} for step, loss in path]))
    scale = alt.Scale(domain=[0, right_edge(panels)], nice=False)
    axis = alt.Axis(tickCount=6, grid=False)
    across = alt.X("step:Q", scale=scale, axis=axis, title=_across(panels[0]))
    tall = alt.Y("loss:Q", axis=alt.Axis(tickCount=4, minExtent=44), title="loss")
    chart = data.mark_line(color=CANDIDATE, strokeWidth=1.5).encode(x=across, y=tall)
    return draw(titled(chart, "training loss"), width, 110)


def right_edge(panels: Sequence[Panel]) -> float:
    """Where the common scale of steps ends."""
    return 1.03 * max((step for panel in panels for step, _ in panel.path), default=0)


def _panel(panel: Panel, width: int, right: float) -> Markup:
    import altair as alt

    rows = [
        {"step": step, "value": 100 * seen.value, "low": 100 * seen.low, "high": 100 * seen.high}
        for step, seen in panel.path
    ]
    low, high = _reach(panel)
    ground = {"left": 0, "right": right, "zero": 0, "bottom": low, "floor": 100 * (panel.floor or 0)}
    scale, tall = (alt.Scale(domain=list(ends), nice=False) for ends in ((0, right), (low, high)))
    axis = alt.Axis(tickCount=6, grid=False)
    left, step = (alt.X(f"{field}:Q", scale=scale, axis=axis, title=_across(panel)) for field in ("left", "step"))
    axis = alt.Axis(tickCount=4, labelExpr=SIGNED, minExtent=44)
    zero, bottom, value, least = (
        alt.Y(f"{field}:Q", scale=tall, axis=axis, title="minus base, points")
        for field in ("zero", "bottom", "value", "low")
    )
    everything: tuple[list[dict[str, Any]], ...] = (
        [ground],
        rows,
        [{"step": 0, "value": 0}, *rows],
        [row for row in rows if row["step"] == panel.marked],
    )
    back, data, line, best = (alt.Chart(alt.InlineData(values=values)) for values in everything)
    layers = (
        back.mark_rect(color=ZONE, opacity=1).encode(x=left, x2="right:Q", y=bottom, y2="floor:Q"),
        back.mark_rule(color=MUTED, strokeDash=[4, 3]).encode(x=left, x2="right:Q", y=zero),
        line.mark_line(color=CANDIDATE, strokeWidth=1.5).encode(x=step, y=value),
        data.mark_rule(color=CANDIDATE, strokeWidth=2.5).encode(x=step, y=least, y2="high:Q"),
        data.mark_point(filled=True, color=CANDIDATE, size=60, opacity=1).encode(x=step, y=value),
        best.mark_point(stroke=CANDIDATE, size=260, opacity=1).encode(x=step, y=value),
    )
    return draw(titled(alt.layer(*layers[panel.floor is None :]), panel.title), width, 170)


def _across(panel: Panel) -> str:
    return f"optimiser steps, {panel.stride:g} in an epoch"


def _reach(panel: Panel) -> tuple[float, float]:
    """The lowest and highest points that a panel shows: all intervals, zero, and some of what is not allowed."""
    ends = [0.0, 150 * (panel.floor or 0.0), *(100 * end for _, seen in panel.path for end in (seen.low, seen.high))]
    edge = max(1.0, 0.08 * (max(ends) - min(ends)))
    return min(ends) - edge, max(ends) + edge
