"""Charts, declared with Altair and drawn by vl-convert as static SVG: readable without scripts, printable.

Colours are those of the light theme; the style sheet maps each of them to the theme in force.
"""

import re
from collections.abc import Sequence
from math import ceil, floor
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup

from reports.sections import Line, Slice
from reports.texts import visible
from reports.trajectory import Panel

__all__ = ["CANDIDATE", "MUTED", "draw", "forest", "labelled", "row_axis", "slopes", "steps"]

_INK, MUTED, _GRID = "#1b1f24", "#5f6873", "#dfe3e8"
_BASE, CANDIDATE, _ZONE, _PAPER = "#767e88", "#0b62a8", "#f7e3d4", "#ffffff"
_TICKS = (-100, -50, -20, -10, -5, -2, 0, 2, 5, 10, 20, 50, 100)
_SIGNED = "datum.value == 0 ? '0' : (datum.value > 0 ? '+' : '−') + abs(datum.value)"
_MAX_LABEL = 60
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_KEPT_TAGS = {"svg", "g", "path", "line", "rect", "text"}
_KEPT = {
    *("d", "fill", "fill-opacity", "font-size", "font-weight", "height", "opacity", "stroke", "stroke-dasharray"),
    *("stroke-linecap", "stroke-opacity", "stroke-width", "text-anchor", "transform", "viewBox", "width"),
    *("x", "x1", "x2", "y", "y1", "y2"),
}


def forest(lines: Sequence[Line], width: int) -> Markup:
    """Candidate minus base in points, with its interval and, shaded, what the gate does not allow.

    Args:
        lines: those with bounds are drawn, one row each.
        width: of the whole picture in pixels.

    Returns:
        SVG, or nothing when no line has bounds. The axis is linear near zero and logarithmic beyond 2 points, so that
        a margin of 1 point and a gain of 40 are both legible.
    """
    rows = labelled([row for row in map(_forest_row, lines) if row])
    if not rows:
        return Markup()
    import altair as alt

    span = max(2.0, *(abs(row[key]) for row in rows for key in ("low", "high", "floor"))) * 1.15
    data = alt.InlineData(values=[{**row, "start": -span} for row in rows])
    scale = alt.Scale(type="symlog", constant=2, domain=[-span, span], nice=False)
    axis = alt.Axis(values=[tick for tick in _TICKS if abs(tick) <= span], labelExpr=_SIGNED)
    title = "candidate minus base, points"
    left, point = (alt.X(f"{field}:Q", scale=scale, axis=axis, title=title) for field in ("low", "value"))
    y = row_axis(rows, width)
    interval = alt.Chart(data).mark_rule(color=CANDIDATE, strokeWidth=2.5).encode(x=left, x2="high:Q", y=y)
    zone = alt.Chart(data).mark_bar(color=_ZONE, height={"band": 0.8})
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=MUTED)
    dot = alt.Chart(data).mark_point(filled=True, size=80, color=CANDIDATE, opacity=1)
    layers = (
        zone.encode(x=alt.X("start:Q", scale=scale, axis=axis, title=title), x2="floor:Q", y=y),
        zero.encode(x=alt.X("zero:Q", scale=scale, axis=axis, title=title)),
        interval,
        dot.encode(x=point, y=y),
    )
    return draw(alt.layer(*layers), width, {"step": 34})


def slopes(slices: Sequence[Slice], width: int) -> Markup:
    """Right answers by slice: a hollow mark for the base, a full one for the candidate, a line between them.

    Returns:
        SVG of `width` pixels, or nothing when no candidate was measured.
    """
    rows = labelled(
        [
            {"label": each.tag, "base": 100 * each.base / each.n, "candidate": 100 * each.candidate / each.n}
            for each in slices
            if each.candidate is not None
        ]
    )
    if not rows:
        return Markup()
    import altair as alt

    data, y = alt.Chart(alt.InlineData(values=rows)), row_axis(rows, width)
    shares = [row[side] for row in rows for side in ("base", "candidate")]
    scale = alt.Scale(domain=[max(0, 10 * floor(min(shares) / 10)), min(100, 10 * ceil((max(shares) + 1) / 10))])
    axis = alt.Axis(tickCount=6)
    base, own = (
        alt.X(f"{field}:Q", scale=scale, axis=axis, title="right answers, percent") for field in ("base", "candidate")
    )
    hollow = data.mark_point(filled=True, fill=_PAPER, stroke=_BASE, strokeWidth=1.8, size=60, opacity=1)
    layers = (
        data.mark_rule(color=CANDIDATE, strokeWidth=1.5).encode(x=base, x2="candidate:Q", y=y),
        hollow.encode(x=base, y=y),
        data.mark_point(filled=True, color=CANDIDATE, size=55, opacity=1).encode(x=own, y=y),
    )
    return draw(alt.layer(*layers), width, {"step": 22})


def steps(panels: Sequence[Panel], width: int) -> Markup:
    """Difference to the base over the steps of a training, one picture above the other on one scale of steps.

    Returns:
        SVGs of `width` pixels: the base is the line at zero, a bar is an interval, what the gates do not allow is
        shaded, and the recommended step has a ring. Nothing without panels.
    """
    last = max((step for panel in panels for step, _ in panel.path), default=0)
    return Markup().join(_steps(panel, width, 1.03 * last) for panel in panels)


def _steps(panel: Panel, width: int, right: float) -> Markup:
    import altair as alt

    rows = [
        {"step": step, "value": 100 * seen.value, "low": 100 * seen.low, "high": 100 * seen.high}
        for step, seen in panel.path
    ]
    low, high = _reach(panel)
    ground = {"left": 0, "right": right, "zero": 0, "bottom": low, "floor": 100 * (panel.floor or 0)}
    scale, tall = (alt.Scale(domain=list(ends), nice=False) for ends in ((0, right), (low, high)))
    title, axis = f"optimiser steps, {panel.stride:g} in an epoch", alt.Axis(tickCount=6, grid=False)
    left, step = (alt.X(f"{field}:Q", scale=scale, axis=axis, title=title) for field in ("left", "step"))
    axis = alt.Axis(tickCount=4, labelExpr=_SIGNED, minExtent=44)
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
        back.mark_rect(color=_ZONE, opacity=1).encode(x=left, x2="right:Q", y=bottom, y2="floor:Q"),
        back.mark_rule(color=MUTED).encode(x=left, x2="right:Q", y=zero),
        line.mark_line(color=CANDIDATE, strokeWidth=1.5).encode(x=step, y=value),
        data.mark_rule(color=CANDIDATE, strokeWidth=2.5).encode(x=step, y=least, y2="high:Q"),
        data.mark_point(filled=True, color=CANDIDATE, size=60, opacity=1).encode(x=step, y=value),
        best.mark_point(stroke=CANDIDATE, size=260, opacity=1).encode(x=step, y=value),
    )
    name = alt.TitleParams(_drawable(panel.title), anchor="start", color=_INK, fontSize=12, fontWeight="normal")
    return draw(alt.layer(*layers[panel.floor is None :]).properties(title=name), width, 170)


def _reach(panel: Panel) -> tuple[float, float]:
    """The lowest and highest points that a panel shows: all intervals, zero, and some of what is not allowed."""
    ends = [0.0, 150 * (panel.floor or 0.0), *(100 * end for _, seen in panel.path for end in (seen.low, seen.high))]
    edge = max(1.0, 0.08 * (max(ends) - min(ends)))
    return min(ends) - edge, max(ends) + edge


def _forest_row(line: Line) -> dict[str, Any]:
    if line.bounds is None or line.floor is None:
        return {}
    numbers = {"value": line.bounds.value, "low": line.bounds.low, "high": line.bounds.high, "floor": line.floor}
    label = line.suite if line.suite == line.metric else f"{line.suite} · {line.metric}"
    return {"label": label} | {name: 100 * value for name, value in numbers.items()}


def labelled(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with labels that are short, unique (equal ones would share a line) and safe to draw."""
    taken: dict[str, int] = {}
    made = []
    for row in rows:
        label = _drawable(row["label"])
        taken[label] = taken.get(label, 0) + 1
        made.append({**row, "label": label if taken[label] == 1 else f"{taken[label]}. {label}"})
    return made


def _drawable(text: str) -> str:
    """A short text that is safe to draw.

    Vega shortens a label by UTF-16 units and fails on half a character, so those beyond the first plane become `□`.
    """
    return _ASTRAL.sub("□", visible(text))[:_MAX_LABEL]


def row_axis(rows: Sequence[dict[str, Any]], width: int) -> Any:  # noqa: ANN401 (altair is imported in the leaf)
    """The vertical axis of labelled rows, in their order."""
    import altair as alt

    labels = [row["label"] for row in rows]
    axis = alt.Axis(labelLimit=width * 0.36, minExtent=width * 0.2, ticks=False, domain=False, labelPadding=10)
    return alt.Y("label:N", sort=labels, title=None, axis=axis)


def draw(chart: Any, width: int, height: int | dict[str, int]) -> Markup:  # noqa: ANN401
    """SVG of `width` pixels; `height` is the plot's in pixels, or {"step": pixels of one row}."""
    import vl_convert

    text = {"labelColor": _INK, "titleColor": MUTED, "titleFontWeight": "normal", "labelFontSize": 12}
    sized = chart.properties(
        width=width, height=height, background="transparent", autosize={"type": "fit-x", "contains": "padding"}
    )
    styled = sized.configure_axis(gridColor=_GRID, domainColor=_GRID, tickColor=_GRID, titleFontSize=12, **text)
    svg = vl_convert.vegalite_to_svg(styled.configure_view(stroke=None).to_dict(), allowed_base_urls=[])
    return Markup(ET.tostring(_bare(ET.fromstring(svg)), encoding="unicode"))  # noqa: S314, S704 (own drawing, escaped)


def _bare(element: ET.Element) -> ET.Element:
    """Keep shapes and text only: no style, link, script or foreign content can be in the page, whatever drew it."""
    name = element.tag.rpartition("}")[2]
    bare = ET.Element(name, {key: value for key, value in element.attrib.items() if key in _KEPT})
    if name == "text":
        bare.text = element.text
    bare.extend(_bare(child) for child in element if child.tag.rpartition("}")[2] in _KEPT_TAGS)
    return bare
