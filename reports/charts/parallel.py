"""Parallel coordinates: one line for each configuration, from its settings to what it came to.

On a desk the axes stand beside each other; on a telephone, where their titles would not fit, they lie one below the
other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

from markupsafe import Markup

from reports.charts.canvas import BASE, BETWEEN, CANDIDATE, GRID, INK, MUTED, PAPER, draw, drawable

__all__ = ["Rail", "Thread", "parallel", "spread"]

_MOST_TICKS = 6
_LOGARITHMIC = 4
"""An axis whose largest value is so many times its smallest is spaced by ratio."""
_STACKED = 600
"""Pixels: in a narrower picture the axes lie below each other."""
_LETTER = 7.5
"""Pixels of a letter, at most."""


@dataclass(frozen=True, slots=True)
class Rail:
    """One axis. `values` has one entry for each configuration; None where it was not measured."""

    title: str
    values: tuple[float | str | None, ...]
    result: bool = False

    @property
    def shown(self) -> tuple[tuple[str, float], ...]:
        """Labels and places in [0, 1] along the axis."""
        there = dict.fromkeys(value for value in self.values if value is not None)
        ticks = sorted(there, key=self.height)
        kept = ticks if len(ticks) <= _MOST_TICKS and not self.result else [*ticks[:1], *ticks[1:][-1:]]
        return tuple((_number(tick) if isinstance(tick, float | int) else tick, self.height(tick)) for tick in kept)

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

    frame = _Frame(len(rails), width)
    points = [
        {
            "rail": place,
            "at": rail.height(value),
            "thread": index,
            "label": thread.label,
            "look": _look(thread),
            "said": f"point {thread.label}",
        }
        for index, thread in enumerate(threads)
        for place, rail in enumerate(rails)
        if (value := rail.values[index]) is not None
    ]
    ends = list(_ends(points, frame))
    post, leader = (alt.Chart(alt.InlineData(values=rows)) for rows in (_posts(rails), ends))
    layers = (
        post.mark_rule(color=GRID, strokeWidth=1.5).encode(**frame.at("rail", "low"), **{frame.second("at"): "high:Q"}),
        *(_lines(points, look, frame) for look in _LOOKS),
        leader.mark_rule(color=GRID).encode(
            **frame.at("rail", "at"), **{frame.second("rail"): "beyond:Q", frame.second("at"): "label_at:Q"}
        ),
        *_titles(rails, frame),
        *_ticks(rails, frame),
        *(_labels([each for each in ends if each["winner"] is winner], frame, winner) for winner in (False, True)),
    )
    return draw(alt.layer(*layers), width, frame.height)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels: as near to `places` as a distance of `gap` between neighbours allows, in the same order.

    Args:
        places: where the labels would stand, in any order.
        gap: > 0.
        low: no label stands below.
        high: none stands above; there must be room, (len(places) - 1) * gap <= high - low.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    up, down = (
        _apart([places[index] for index in order], gap),
        [-place for place in reversed(_apart([-places[index] for index in reversed(order)], gap))],
    )
    middle = [(one + other) / 2 for one, other in zip(up, down, strict=True)]
    kept = _apart([max(place, low) for place in middle], gap)
    bounded = [-place for place in reversed(_apart([-min(place, high) for place in reversed(kept)], gap))]
    made = dict(zip(order, bounded, strict=True))
    return [made[index] for index in range(len(places))]


def _apart(ascending: Sequence[float], gap: float) -> list[float]:
    """The places, each moved up as far as its lower neighbour asks for."""
    made: list[float] = []
    for place in ascending:
        made.append(max(place, made[-1] + gap) if made else place)
    return made


class _Frame:
    """Where things stand, in rails along one side of the picture and in lengths of a rail along the other."""

    def __init__(self, rails: int, width: int) -> None:
        self.stacked = width < _STACKED
        last = max(1, rails - 1)
        if self.stacked:
            self.step, self.length = 72.0, width - 78.0
            along, across = (34.0, 50.0), (34.0, 34.0)
            self.height = int(self.step * (rails - 1) + sum(along))
        else:
            along, across = (92.0, 46.0), (30.0, 58.0)
            self.step, self.length = (width - sum(along)) / last, 200.0
            self.height = int(self.length + sum(across))
        self._along = [-along[0] / self.step, rails - 1 + along[1] / self.step]
        self._across = [-across[0] / self.length, 1 + across[1] / self.length]

    def at(self, rail: str, place: str) -> dict[str, Any]:
        """The encoding of a mark that stands on a field's rail at a field's place."""
        import altair as alt

        along = alt.Scale(domain=self._along, nice=False, zero=False, reverse=self.stacked)
        across = alt.Scale(domain=self._across, nice=False)
        x, y = (place, rail) if self.stacked else (rail, place)
        scales = (across, along) if self.stacked else (along, across)
        return {
            "x": alt.X(f"{x}:Q", scale=scales[0], axis=None),
            "y": alt.Y(f"{y}:Q", scale=scales[1], axis=None),
        }

    def second(self, side: str) -> str:
        """The channel of the other end of a mark along `rail` or `at`."""
        return "y2" if (side == "rail") is self.stacked else "x2"

    @property
    def gap(self) -> float:
        """The least distance of two numbers at the ends of lines, in lengths of a rail."""
        return (18 if self.stacked else 13) / self.length


_LOOKS: dict[str, dict[str, Any]] = {
    "fell": {"color": BASE, "strokeWidth": 1.2, "strokeDash": [4, 3]},
    "passed": {"color": CANDIDATE, "strokeWidth": 1.2},
    "winner": {"color": CANDIDATE, "strokeWidth": 3.5},
}


def _number(value: float) -> str:
    return f"{value or 0:g}".replace("-", "−")


def _look(thread: Thread) -> str:
    return "winner" if thread.winner else "passed" if thread.passed else "fell"


def _posts(rails: Sequence[Rail]) -> list[dict[str, float]]:
    return [{"rail": place, "low": 0, "high": 1} for place in range(len(rails))]


def _lines(points: list[dict[str, Any]], look: str, frame: _Frame) -> Any:  # noqa: ANN401 (altair comes late)
    import altair as alt

    own = alt.Chart(alt.InlineData(values=[point for point in points if point["look"] == look]))
    return own.mark_line(**_LOOKS[look]).encode(
        **frame.at("rail", "at"), detail="thread:N", order="rail:Q", description="said:N"
    )


def _ends(points: Sequence[dict[str, Any]], frame: _Frame) -> Iterator[dict[str, Any]]:
    """Where the number of each configuration stands: behind the last rail that it reaches, clear of its neighbours.

    Where there is no room for all of them, the winner and the first have one.
    """
    last = list({point["thread"]: point for point in points}.values())
    for rail in dict.fromkeys(point["rail"] for point in last):
        own = [point for point in last if point["rail"] == rail]
        room = 1 + int(1 / frame.gap)
        kept = sorted(own, key=lambda point: point["look"] != "winner")[:room]
        places = spread([point["at"] for point in kept], frame.gap, 0.0, 1.0)
        for point, place in zip(kept, places, strict=True):
            beyond = rail + (22 if frame.stacked else 16) / frame.step
            yield {**point, "label_at": place, "beyond": beyond, "winner": point["look"] == "winner"}


def _labels(ends: list[dict[str, Any]], frame: _Frame, winner: bool) -> Any:  # noqa: ANN401, FBT001 (one of two looks)
    import altair as alt

    place: dict[str, Any] = {"align": "center", "dy": 10} if frame.stacked else {"align": "left", "dx": 3}
    text = alt.Chart(alt.InlineData(values=ends)).mark_text(
        color=INK, fontSize=11, fontWeight="bold" if winner else "normal", **place
    )
    return text.encode(**frame.at("beyond", "label_at"), text="label:N")


def _titles(rails: Sequence[Rail], frame: _Frame) -> Iterator[Any]:
    """Over each rail: in one line where it lies, in two where it stands, suite and metric."""
    import altair as alt

    for place, rail in enumerate(rails):
        parts = [rail.title] if frame.stacked else rail.title.split(BETWEEN, 1)
        last = place == len(rails) - 1 > 0
        for line, part in enumerate(reversed(parts)):
            row = {"rail": place, "at": 0 if frame.stacked else 1, "text": drawable(part)}
            looks: dict[str, Any] = {"align": "left", "dx": -30, "dy": -10}
            if not frame.stacked:
                looks = {"align": "right" if last else "center", "dx": 40 * last, "dy": -28 - 14 * line}
            limit = frame.length + 60 if frame.stacked else frame.step - 8
            yield from _haloed(
                alt.Chart(alt.InlineData(values=[row])), {"fontSize": 12, "limit": limit, **looks}, frame, MUTED
            )


def _ticks(rails: Sequence[Rail], frame: _Frame) -> Iterator[Any]:
    """The values of each rail: beside it, or under it where it lies; those of a result beyond its ends."""
    import altair as alt

    rows = [
        {"rail": place, "at": at, "text": drawable(text), "end": round(at) if rail.result and at in (0, 1) else -1}
        for place, rail in enumerate(rails)
        for text, at in _clear(rail.shown, frame)
    ]
    for end, looks in (
        (-1, {"align": "right", "dx": -7}),
        (0, {"align": "center", "dy": 12}),
        (1, {"align": "center", "dy": -10}),
    ):
        own = rows if frame.stacked and end == 0 else [] if frame.stacked else [r for r in rows if r["end"] == end]
        yield from _haloed(alt.Chart(alt.InlineData(values=own)), {"fontSize": 11, **looks}, frame, INK)


def _clear(ticks: Sequence[tuple[str, float]], frame: _Frame) -> list[tuple[str, float]]:
    """The ticks that do not run into each other: those of both ends first."""
    kept: list[tuple[str, float]] = []
    for text, at in sorted(ticks, key=lambda tick: tick[1] not in (0.0, 1.0)):
        sizes = [
            (_LETTER * (len(text) + len(other)) / 2 + 6 if frame.stacked else 13) / frame.length for other, _ in kept
        ]
        if all(abs(at - other) >= size for (_, other), size in zip(kept, sizes, strict=True)):
            kept.append((text, at))
    return kept


def _haloed(chart: Any, looks: dict[str, Any], frame: _Frame, color: str) -> tuple[Any, Any]:  # noqa: ANN401
    """Text that lines may pass under: first its outline in the colour of the page, then the text."""
    place = frame.at("rail", "at")
    return (
        chart.mark_text(stroke=PAPER, strokeWidth=8, **looks).encode(**place, text="text:N"),
        chart.mark_text(color=color, **looks).encode(**place, text="text:N"),
    )
