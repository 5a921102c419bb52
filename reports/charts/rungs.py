"""How the points of a sweep scored on the way: a line for each, which ends where the point was cut."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.charts.canvas import CANDIDATE, MUTED, draw

__all__ = ["Climb", "rungs"]


@dataclass(frozen=True, slots=True)
class Climb:
    """A point's scores over the parts of its steps, both in percent, ascending; `cut` where the last one ended it."""

    label: str
    path: tuple[tuple[float, float], ...]
    cut: bool


def rungs(climbs: Sequence[Climb], width: int) -> Markup:
    """SVG of `width` pixels; the point's number stands at the end of its line, a cross marks a cut, a dot the end."""
    import altair as alt

    values = [[_row(each, *place) for place in each.path] for each in climbs]
    steps, ends = [row for rows in values for row in rows], [rows[-1] for rows in values]
    across = alt.X("part:Q", scale=alt.Scale(domain=[0, 104]), axis=alt.Axis(grid=False), title="part of the steps, %")
    axis = alt.Axis(tickCount=5, minExtent=36)
    tall = alt.Y("score:Q", scale=alt.Scale(zero=False), axis=axis, title="select half, %")
    lines, marks = (alt.Chart(alt.InlineData(values=rows)).encode(x=across, y=tall) for rows in (steps, ends))
    kept, lost = alt.datum.cut == False, alt.datum.cut == True  # noqa: E712  # an expression, not a comparison
    layers = (
        lines.transform_filter(lost).mark_line(color=MUTED, strokeWidth=1.2).encode(detail="label:N"),
        lines.transform_filter(kept).mark_line(color=CANDIDATE, strokeWidth=2).encode(detail="label:N"),
        marks.transform_filter(lost).mark_point(shape="cross", color=MUTED, size=60, opacity=1),
        marks.transform_filter(kept).mark_point(filled=True, color=CANDIDATE, size=60, opacity=1),
        marks.mark_text(align="left", dx=8, fontSize=12).encode(text="label:N"),
    )
    return draw(alt.layer(*layers), width, 220)


def _row(climb: Climb, part: float, score: float) -> dict[str, object]:
    return {"part": part, "score": score, "label": climb.label, "cut": climb.cut}
