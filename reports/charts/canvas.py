"""What every chart stands on: colours, labels that are safe to draw, SVG that is safe in a page.

Colours are those of the light theme; the style sheet maps each of them to the theme in force.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup

from reports.texts import visible

__all__ = [
    "BASE",
    "BETWEEN",
    "CANDIDATE",
    "GRID",
    "INK",
    "MUTED",
    "NARROW",
    "PAPER",
    "SIGNED",
    "WIDE",
    "ZONE",
    "Figure",
    "Twin",
    "draw",
    "drawable",
    "figure",
    "labelled",
    "row_axis",
    "titled",
]

WIDE, NARROW = 1060, 340
"""Pixels: each chart is drawn for a desk and for a telephone, and the style sheet shows one of them."""

INK, MUTED, GRID, PAPER = "#1b1f24", "#5f6873", "#dfe3e8", "#ffffff"
BASE, CANDIDATE, ZONE = "#767e88", "#0b62a8", "#f7e3d4"
BETWEEN = " · "
"""What stands between the parts of a label, such as a suite and its metric."""
SIGNED = "datum.value == 0 ? '0' : (datum.value > 0 ? '+' : '−') + abs(datum.value)"
"""Labels of an axis of differences, as an expression of Vega."""

_MAX_LABEL = 60
_MEASURED, _SHOWN = 14, 12
"""Pixels: letters of an axis are laid out larger than they are shown, for the reader's font may be a wider one."""
_POINT = re.compile(r"point (\d{1,4})")
"""A mark that is described so is that point of a sweep; the page's script links it to its row."""
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_KEPT_TAGS = {"svg", "g", "path", "line", "rect", "text", "tspan"}
_KEPT = {
    *("d", "dy", "fill", "fill-opacity", "font-size", "font-weight", "height", "opacity", "stroke", "stroke-dasharray"),
    *("stroke-linecap", "stroke-opacity", "stroke-width", "text-anchor", "transform", "viewBox", "width"),
    *("x", "x1", "x2", "y", "y1", "y2"),
}


@dataclass(frozen=True, slots=True)
class Twin:
    """The numbers of a chart as a table; every row is as long as `columns`, and begins with what it is about."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart at both widths, the sentence that says what it shows, and its numbers as a table.

    Empty when there is nothing to draw. `twin` is None where a table with the same numbers stands beside the chart.
    """

    wide: Markup
    narrow: Markup
    caption: str
    twin: Twin | None = None


def figure(drawing: Callable[[int], Markup], caption: str, twin: Twin | None = None) -> Figure:
    """Draw at both widths."""
    return Figure(drawing(WIDE), drawing(NARROW), caption, twin)


def labelled(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with labels that are short, unique (equal ones would share a line) and safe to draw."""
    taken: dict[str, int] = {}
    made = []
    for row in rows:
        label = drawable(row["label"])
        taken[label] = taken.get(label, 0) + 1
        made.append({**row, "label": label if taken[label] == 1 else f"{taken[label]}. {label}"})
    return made


def drawable(text: str) -> str:
    """A short text that is safe to draw.

    Vega shortens a label by UTF-16 units and fails on half a character, so those beyond the first plane become `□`.
    """
    return _ASTRAL.sub("□", visible(text))[:_MAX_LABEL]


def row_axis(rows: Sequence[dict[str, Any]], width: int) -> Any:  # noqa: ANN401 (altair is imported in the leaf)
    """The vertical axis of labelled rows, in their order; a telephone has the parts of a label below each other."""
    import altair as alt

    labels = [row["label"] for row in rows]
    lines: dict[str, Any] = {"labelExpr": f"split(datum.label, '{BETWEEN}')"} if width == NARROW else {}
    axis = alt.Axis(labelLimit=width * 0.42, minExtent=width * 0.2, ticks=False, domain=False, labelPadding=8, **lines)
    return alt.Y("label:N", sort=labels, title=None, axis=axis)


def titled(chart: Any, title: str) -> Any:  # noqa: ANN401
    """The chart with a line of text over its left edge."""
    import altair as alt

    name = alt.TitleParams(drawable(title), anchor="start", color=INK, fontSize=12, fontWeight="normal")
    return chart.properties(title=name)


def draw(chart: Any, width: int, height: int | dict[str, int]) -> Markup:  # noqa: ANN401
    """SVG of `width` pixels; `height` is the plot's in pixels, or {"step": pixels of one row}."""
    import vl_convert

    text = {"labelColor": INK, "titleColor": MUTED, "titleFontWeight": "normal", "labelFontSize": _MEASURED}
    sized = chart.properties(
        width=width, height=height, background="transparent", autosize={"type": "fit-x", "contains": "padding"}
    )
    styled = sized.configure_axis(gridColor=GRID, domainColor=GRID, tickColor=GRID, titleFontSize=_MEASURED, **text)
    drawn = styled.configure_view(stroke=None).to_dict(validate=False)  # the drawing itself refuses what is no chart
    svg = vl_convert.vegalite_to_svg(drawn, allowed_base_urls=[])
    return Markup(ET.tostring(_bare(ET.fromstring(svg)), encoding="unicode"))  # noqa: S314, S704 (own drawing, escaped)


def _bare(element: ET.Element) -> ET.Element:
    """Keep shapes and text only: no style, link, script or foreign content can be in the page, whatever drew it."""
    name = element.tag.rpartition("}")[2]
    bare = ET.Element(name, {key: value for key, value in element.attrib.items() if key in _KEPT})
    if point := _POINT.fullmatch(element.get("aria-label", "")):
        bare.set("data-point", point[1])
    if bare.get("font-size") == f"{_MEASURED}px":
        bare.set("font-size", f"{_SHOWN}px")
    if name in {"text", "tspan"}:
        bare.text = element.text
    bare.extend(_bare(child) for child in element if _kept(child))
    if name == "text" and len(bare):  # Vega centres the first line only
        bare[0].set("dy", f"{-0.5 * sum(float(line.get('dy', 0)) for line in bare):g}")
    return bare


def _kept(element: ET.Element) -> bool:
    """Shapes and text that can be seen: Vega leaves labels that would run into others in place, without opacity."""
    return element.tag.rpartition("}")[2] in _KEPT_TAGS and element.get("opacity") != "0"
