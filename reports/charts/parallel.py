"""Parallel coordinates: one line for each configuration, from its settings to what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

from markupsafe import Markup

from reports.charts.canvas import BASE, CANDIDATE, GRID, INK, MUTED, PAPER, draw, drawable

__all__ = ["Rail", "Thread", "parallel"]

_MOST_TICKS = 6
_ROOM = 140
"""Pixels that each axis wants; with fewer the titles are small and stand at two heights."""
_LOGARITHMIC = 4
"""An axis whose largest value is so many times its smallest is spaced by ratio."""


@dataclass(frozen=True, slots=True)
class Rail:
    """One vertical axis. `values` has one entry for each configuration; None where it was not measured."""

    title: str
    values: tuple[float | str | None, ...]
    result: bool = False

    @property
    def shown(self) -> tuple[tuple[str, float], ...]:
        """Labels and heights in [0, 1] along the axis."""
        there = dict.fromkeys(value for value in self.values if value is not None)
        ticks = sorted(there, key=self.height)
        kept = ticks if len(ticks) <= _MOST_TICKS and not self.result else [*ticks[:1], *ticks[1:][-1:]]
        return tuple((f"{tick:g}" if isinstance(tick, float | int) else tick, self.height(tick)) for tick in kept)

    def height(self, value: float | str) -> float:
        """Where a value stands, in [0, 1]: numbers in proportion, by ratio where they span much; words in order."""
        there = list(dict.fromkeys(each for each in self.values if each is not None))
        numbers = [each for each in there if not isinstance(each, str)]
        if len(there) == 1:
            return 0.5
        if len(numbers) < len(there) or isinstance(value, str):
            return there.index(value) / (len(there) - 1)
        low, high = min(numbers), max(numbers)
        if low > 0 and high >= _LOGARITHMIC * low:
            return log2(value / low) / log2(high / low)
        return (value - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Thread:
    """One configuration: the label at its end, and whether it is the winner, or passed its gates."""

    label: str
    winner: bool
    passed: bool


def parallel(rails: Sequence[Rail], threads: Sequence[Thread], width: int) -> Markup:
    """SVG of `width` pixels: the winner's line is thick, those of points that did not pass are dashed."""
    import altair as alt

    points = [
        {
            "rail": place,
            "height": rail.height(value),
            "thread": index,
            "label": thread.label,
            "look": _look(thread),
            "said": f"point {thread.label}",
        }
        for index, thread in enumerate(threads)
        for place, rail in enumerate(rails)
        if (value := rail.values[index]) is not None
    ]
    crowded = width < _ROOM * len(rails)
    titles: dict[str, Any] = {"fontSize": 9 if crowded else 12, "limit": 2 * width / (len(rails) + 1)}
    posts = [
        {"rail": place, "bottom": 0, "top": 1 + 0.12 * (crowded and place % 2), "title": drawable(rail.title)}
        for place, rail in enumerate(rails)
    ]
    ticks = [
        {"rail": place, "height": height, "text": drawable(text)}
        for place, rail in enumerate(rails)
        for text, height in rail.shown
    ]
    last = max(1, len(rails) - 1)
    scale = alt.Scale(domain=[-0.18, last + 0.22], nice=False, zero=False)
    across = alt.X("rail:Q", scale=scale, axis=None)
    tall = alt.Scale(domain=[-0.08, 1.3], nice=False)
    up, bottom = (alt.Y(f"{name}:Q", scale=tall, axis=None) for name in ("height", "bottom"))
    post, tick = (alt.Chart(alt.InlineData(values=values)) for values in (posts, ticks))
    top = alt.Y("top:Q", scale=tall, axis=None)
    layers = (
        post.mark_rule(color=GRID, strokeWidth=1.5).encode(x=across, y=bottom, y2="top:Q"),
        post.mark_text(color=MUTED, dy=-14, **titles).encode(x=across, y=top, text="title:N"),
        *(_lines(points, look, across, up) for look in _LOOKS),
        tick.mark_text(stroke=PAPER, strokeWidth=4, align="right", dx=-6, fontSize=11).encode(
            x=across, y=up, text="text:N"
        ),
        tick.mark_text(color=INK, align="right", dx=-6, fontSize=11).encode(x=across, y=up, text="text:N"),
        _ends(points, across, up),
    )
    return draw(alt.layer(*layers), width, 280)


_LOOKS: dict[str, dict[str, Any]] = {
    "fell": {"color": BASE, "strokeWidth": 1.2, "strokeDash": [4, 3]},
    "passed": {"color": CANDIDATE, "strokeWidth": 1.2},
    "winner": {"color": CANDIDATE, "strokeWidth": 3.5},
}


def _look(thread: Thread) -> str:
    return "winner" if thread.winner else "passed" if thread.passed else "fell"


def _lines(points: list[dict[str, Any]], look: str, across: Any, up: Any) -> Any:  # noqa: ANN401
    import altair as alt

    own = alt.Chart(alt.InlineData(values=[point for point in points if point["look"] == look]))
    return own.mark_line(**_LOOKS[look]).encode(x=across, y=up, detail="thread:N", order="rail:Q", description="said:N")


def _ends(points: list[dict[str, Any]], across: Any, up: Any) -> Any:  # noqa: ANN401
    """The number of each configuration behind the last axis that it reaches."""
    import altair as alt

    ends = list({point["thread"]: point for point in points}.values())
    text = alt.Chart(alt.InlineData(values=ends)).mark_text(color=INK, align="left", dx=6, fontSize=11)
    return text.encode(x=across, y=up, text="label:N")
