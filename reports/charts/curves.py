"""What a training logged, as small pictures of one size and one scale that can be compared at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.charts.canvas import CANDIDATE, MUTED, draw, titled

__all__ = ["Course", "multiples"]

_WIDTH, _HEIGHT = 250, 110
_MOST = 150
"""Points drawn of one course: more cannot be told apart at this size."""


@dataclass(frozen=True, slots=True)
class Course:
    """A number over optimiser steps, ascending. `loud` marks one that went wrong."""

    title: str
    path: tuple[tuple[int, float], ...]
    loud: bool = False


def multiples(courses: Sequence[Course], *, shared: bool) -> tuple[Markup, ...]:
    """One small SVG for each course.

    Args:
        courses: those without points are left out.
        shared: put all of them on one scale, so that heights compare.
    """
    drawn = [each for each in courses if each.path]
    if not drawn:
        return ()
    last = max(each.path[-1][0] for each in drawn)
    top = max(value for each in drawn for _, value in each.path)
    return tuple(_small(each, last, top if shared else max(value for _, value in each.path)) for each in drawn)


def thinned(path: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most `_MOST` points: means of neighbours, at the last step of each group."""
    size = -(-len(path) // _MOST)
    groups = [path[start : start + size] for start in range(0, len(path), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _small(course: Course, last: int, top: float) -> Markup:
    import altair as alt

    rows = [{"step": step, "value": value} for step, value in thinned(course.path)]
    tall = alt.Scale(domain=[0, top or 1], nice=False)
    axis = alt.Axis(tickCount=3, grid=False, format="~s")
    across = alt.X("step:Q", scale=alt.Scale(domain=[0, last], nice=False), axis=axis, title=None)
    up = alt.Y("value:Q", scale=tall, axis=alt.Axis(tickCount=3, minExtent=36, format="~g"), title=None)
    dash = [5, 3] if course.loud else [1, 0]
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(
        color=MUTED if course.loud else CANDIDATE, strokeWidth=1.5, strokeDash=dash
    )
    return draw(titled(line.encode(x=across, y=up), course.title), _WIDTH, _HEIGHT)
