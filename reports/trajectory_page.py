"""The pictures of a trajectory: what each step gained and forgot, its loss, and which examples kept changing sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from harness.types import Estimate
from reports.charts.canvas import Figure, Twin, figure
from reports.charts.curves import thinned
from reports.charts.plane import Kind, Plane, Spot, plane
from reports.charts.steps import losses, steps
from reports.load import Key, Run
from reports.numbers import interval, points
from reports.pairs import score_of
from reports.texts import measure
from reports.training import logged
from reports.trajectory import Checkpoint, Column, Followed, follow
from reports.trials import guard_floors

__all__ = ["Churn", "Drawn", "drawn"]

_TWICE = 2


@dataclass(frozen=True, slots=True)
class Churn:
    """Examples of one metric that changed sides since the step before; since the base at the first step."""

    checkpoint: str
    suite: str
    metric: str
    fixed: int
    broken: int

    @property
    def column(self) -> Column:
        """Suite and metric."""
        return self.suite, self.metric


@dataclass(frozen=True, slots=True)
class Drawn:
    """The trajectory of one adapter, drawn.

    Attributes:
        figure: differences over steps. Its numbers are those of the table of checkpoints.
        loss: below it on the same steps; None when the training left no curve.
        phase: gain against what must not be forgotten, in the order of steps; None when either is missing.
        base: the base's means, by suite and metric.
        churn: of each step, for what is drawn.
        unstable: by metric, examples that changed sides at least twice between saved steps.
        notes: by checkpoint, what marks it out.
    """

    followed: Followed
    figure: Figure
    loss: Figure | None
    phase: Figure | None
    base: Mapping[Column, float]
    churn: tuple[Churn, ...]
    unstable: Mapping[Column, int]
    notes: Mapping[str, tuple[str, ...]]


def drawn(run: Run) -> tuple[Drawn, ...]:
    """One for each adapter whose checkpoints were measured; empty in other runs."""
    if run.trajectory is None:
        return ()
    floors = guard_floors(run)
    means = {(each.suite, each.metric): each.estimate for each in run.results if each.model == run.base.name}
    base = {column: mean.value for column, mean in means.items() if mean}
    return tuple(_drawn(run, each, floors, base) for each in follow(run.trajectory, floors))


def _drawn(run: Run, followed: Followed, floors: Mapping[Column, float], base: Mapping[Column, float]) -> Drawn:
    watched = [column for column in followed.columns if column == followed.task or column in floors]
    sides = {column: _sides(run, followed, column) for column in watched}
    return Drawn(
        followed=followed,
        figure=figure(partial(steps, followed.panels), followed.finding),
        loss=_loss(run, followed),
        phase=_phase(followed, floors),
        base=base,
        churn=tuple(turn for column, rights in sides.items() for turn in _churn(followed, column, rights)),
        unstable={column: _unstable(rights[1:]) for column, rights in sides.items() if all(rights)},
        notes={each.name: tuple(_notes(each, followed)) for each in followed.checkpoints},
    )


def _loss(run: Run, followed: Followed) -> Figure | None:
    curve = logged(run.work.get(followed.adapter))
    if not curve or not followed.panels:
        return None
    path = thinned([(point.step, point.loss) for point in curve])
    said = f"The training loss goes from {path[0][1]:.3g} to {path[-1][1]:.3g} over the same steps."
    twin = Twin(("Step", "Loss"), tuple((str(step), f"{loss:.4g}") for step, loss in path[:: -(-len(path) // 8)]))
    return figure(partial(losses, path, followed.panels), said, twin)


def _phase(followed: Followed, floors: Mapping[Column, float]) -> Figure | None:
    """Gain against the first metric that must not fall, from the base through every step."""
    task, guard = followed.task, next((each for each in floors if each in followed.columns), None)
    if task is None or guard is None:
        return None
    path = [
        (each, kept, gain)
        for each in followed.checkpoints
        if (kept := _change(each, guard)) and (gain := _change(each, task))
    ]
    if not path:
        return None
    spots = tuple(
        Spot(f"{each.epoch:g}", kept, gain, Kind.FRONT if each == followed.recommended else Kind.TIED)
        for each, kept, gain in path
    )
    line = ((0.0, 0.0), *((kept.value, gain.value) for _, kept, gain in path))
    titles = f"{measure(*guard)}, minus base, points", f"{measure(*task)}, minus base, points"
    chart = Plane(spots, titles, floors[guard], line, stepped=False)
    rows = tuple(
        (
            each.name,
            points(kept.value),
            interval(kept.low, kept.high),
            points(gain.value),
            interval(gain.low, gain.high),
        )
        for each, kept, gain in path
    )
    columns = ("Checkpoint", measure(*guard), "bounds", measure(*task), "bounds")
    return figure(partial(plane, chart), _phase_said(path), Twin(columns, rows))


def _phase_said(path: Sequence[tuple[Checkpoint, Estimate, Estimate]]) -> str:
    most, kept, gain = max(path, key=lambda each: each[2].value)
    last, kept_last, gain_last = path[-1]
    said = (
        f"Most is gained after epoch {most.epoch:g}: {points(gain.value)} points, for {points(kept.value)} of what was "
        "known."
    )
    if last is most:
        return said
    return f"{said} The end of the training stands at {points(gain_last.value)} for {points(kept_last.value)}."


def _change(checkpoint: Checkpoint, column: Column) -> Estimate | None:
    mark = checkpoint.marks.get(column)
    return mark.change if mark else None


def _sides(run: Run, followed: Followed, column: Column) -> list[tuple[bool, ...]]:
    """Who was right about which example: the base, then each step; empty for a model that was not measured."""
    suite, metric = column
    models = (run.base.name, *(each.name for each in followed.checkpoints))
    rows = (run.rows.get(Key(suite, model), ()) for model in models)
    return [tuple((score_of(row, metric).value or 0) >= 1 for row in measured) for measured in rows]


def _churn(followed: Followed, column: Column, rights: Sequence[tuple[bool, ...]]) -> list[Churn]:
    made = []
    for each, (old, new) in zip(followed.checkpoints, pairwise(rights), strict=True):
        if old and new:
            fixed, broken = (
                sum(a is one and b is not one for a, b in zip(old, new, strict=True)) for one in (False, True)
            )
            made.append(Churn(each.name, *column, fixed, broken))
    return made


def _unstable(rights: Sequence[tuple[bool, ...]]) -> int:
    return sum(sum(a != b for a, b in pairwise(path)) >= _TWICE for path in zip(*rights, strict=True))


def _notes(checkpoint: Checkpoint, followed: Followed) -> list[str]:
    task = followed.task
    values = {each.name: mark.value for each in followed.checkpoints if task and (mark := each.marks.get(task))}
    best = max((value for value in values.values() if value is not None), default=None)
    kept = [each.name for each in followed.checkpoints if not any(mark.falls for mark in each.marks.values())]
    said = ["recommended"] if checkpoint == followed.recommended else []
    said += ["best task"] if best is not None and values.get(checkpoint.name) == best else []
    return said + (["last that breaks no margin"] if kept and checkpoint.name == kept[-1] else [])
