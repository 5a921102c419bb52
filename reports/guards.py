"""Suites that watch over what the base could do before: all their examples together, and each subject beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reports.charts.canvas import Figure, Twin, figure
from reports.charts.spans import Span, changes
from reports.numbers import count, interval, points
from reports.sections import Line
from reports.slices import Slice, SuiteSlices

__all__ = ["Guard", "guards"]


@dataclass(frozen=True, slots=True)
class Guard:
    """One suite: what was measured of it, its subjects (None when it has fewer than two), and their picture."""

    line: Line
    table: SuiteSlices | None
    figure: Figure


def guards(table: Sequence[Line], sliced: Sequence[SuiteSlices], suites: Sequence[str]) -> tuple[Guard, ...]:
    """One for each metric that a gate of these suites bounds. `sliced` are the subjects of the candidate."""
    subjects = {each.suite: each for each in sliced}
    own = [line for line in table if line.suite in suites and line.gates]
    return tuple(_guard(line, subjects.get(line.suite)) for line in own)


def _guard(line: Line, table: SuiteSlices | None) -> Guard:
    same = table if table and table.metric == line.metric else None
    rows = [(each, span) for each in same.slices if (span := _span(each, line.floor))] if same else []
    pooled = line.bounds
    spans = [span for _, span in rows]
    if pooled:
        spans = [Span("all together", pooled.value, pooled.low, pooled.high, line.floor), *spans]
    numbers = [count(line.n)] * bool(pooled) + [count(each.n) for each, _ in rows]
    twin = Twin(
        ("Subject", "n", "Minus base, points", "Bounds"),
        tuple(
            (span.label, n, points(span.value), interval(span.low, span.high))
            for span, n in zip(spans, numbers, strict=True)
        ),
    )
    return Guard(line, table, figure(partial(changes, spans), " ".join(_said(line, [each for each, _ in rows])), twin))


def _span(each: Slice, floor: float | None) -> Span | None:
    seen = each.bounds
    return Span(each.tag, seen.value, seen.low, seen.high, floor, judged=False) if seen else None


def _said(line: Line, subjects: Sequence[Slice]) -> Iterator[str]:
    seen = line.bounds
    if seen and line.floor is not None:
        clear = "stays clear of" if seen.low >= line.floor else "reaches into"
        yield (
            f"All together {line.suite} moved by {points(seen.value)} points ({interval(seen.low, seen.high)}), which "
            f"{clear} the zone beyond {points(line.floor)} that is not allowed."
        )
    if subjects:
        lost = sum(each.delta is not None and each.delta < 0 for each in subjects)
        yield f"{lost} of {len(subjects)} subjects have fewer right answers than with the base."
