"""A sweep's points beside each other: what each one set, gained and forgot, what it cost, which are worth it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.stats import tango
from harness.types import Estimate, Outcome
from reports.charts.plane import Kind
from reports.load import Run, aggregate
from reports.sections import Line
from reports.sweep import Point
from reports.texts import plain

__all__ = ["Column", "Trial", "Trials", "guard_floors", "trials"]

Column = tuple[str, str]
"""A suite, and one of its metrics."""

_CONFIDENCE = 0.90
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One point of the sweep.

    Attributes:
        number: from 1, in the order of the plan; it stands in every picture and table.
        settings: what it set, by dotted key; numbers stay numbers, all else is text.
        outcome: what its own gates say.
        changes: its line of each column; None where nothing was measured.
        gain, kept: differences to the base of what ranks the points, and of what must not be forgotten, with one-sided
            95 % bounds; None where unmeasured, or where no bound can be given.
        broken: examples that it broke, over all suites; None when nothing was compared.
        kind: where it stands between both; None without both.
    """

    number: int
    point: Point
    settings: Mapping[str, float | str]
    outcome: Outcome
    changes: Mapping[Column, Line]
    gain: Estimate | None
    kept: Estimate | None
    broken: int | None
    kind: Kind | None = None

    @property
    def minutes(self) -> float | None:
        """Minutes of training."""
        seconds = self.point.figure("seconds")
        return None if seconds is None else seconds / _MINUTE

    @property
    def worth(self) -> float | None:
        """Gain for each minute of training, in [-1, 1] a minute; None unless both are known."""
        return self.gain.value / self.minutes if self.gain and self.minutes else None


@dataclass(frozen=True, slots=True)
class Trials:
    """All points of a sweep.

    Attributes:
        trials: in the order of the plan.
        varied: dotted keys that differ between the points, in the order of the plan.
        columns: what gates look at, without judged suites for which nobody asked for a judge.
        task, guard: what ranks the points, and what must not be forgotten; `guard` is None when nothing bounds a drop.
        floor: the least difference of `guard` that its gates let pass, in [-1, 0).
    """

    trials: tuple[Trial, ...]
    varied: tuple[str, ...]
    columns: tuple[Column, ...]
    task: Column
    guard: Column | None
    floor: float

    @property
    def cheapest(self) -> Trial | None:
        """Of the points that pass their gates, the one that trained for the shortest time; None without one."""
        passed = [each for each in self.trials if each.outcome is Outcome.PASS and each.minutes is not None]
        return min(passed, key=lambda each: each.minutes or 0.0, default=None)

    @property
    def front(self) -> tuple[Trial, ...]:
        """Points that none outdoes in both, from the one that forgets most."""
        on = [each for each in self.trials if each.kind is Kind.FRONT and each.kept]
        return tuple(sorted(on, key=lambda each: each.kept.value if each.kept else 0.0))


def guard_floors(run: Run) -> dict[Column, float]:
    """The least difference that the gates let pass, in [-1, 0), of each metric of the suites that only bound drops."""
    guards = {suite.name for suite in run.suites if suite.guards}
    floors: dict[Column, float] = {}
    for suite in run.plan["suites"]:
        for gate in suite["gates"] if suite["name"] in guards else ():
            column = (suite["name"], gate["metric"])
            floors[column] = max(floors.get(column, -1.0), -gate["max_drop"])
    return floors


def trials(run: Run, tables: Mapping[str, Sequence[Line]]) -> Trials | None:
    """The points of a run's sweep; None in other runs. `tables` are the lines of each candidate."""
    if run.sweep is None:
        return None
    floors = guard_floors(run)
    task = (run.sweep.suite, run.sweep.metric)
    guard = _guard(run, [each for each in floors if each != task])
    planned = [point["settings"] for point in run.plan["sweep"]["points"]]
    pairs = zip(run.sweep.points, planned, strict=True)
    made = [_trial(run, number, *pair, tables[pair[0].name], (task, guard)) for number, pair in enumerate(pairs, 1)]
    keys = dict.fromkeys(key for each in made for key in each.settings)
    varied = tuple(key for key in keys if len({each.settings.get(key) for each in made}) > 1)
    measured = {(result.suite, result.metric) for result in run.results}
    gated = dict.fromkeys(column for each in made for column, line in each.changes.items() if line.gates)
    columns = tuple(column for column in gated if column in measured or column[0] not in run.unasked)
    return Trials(placed(made), varied, columns, task, guard, floors[guard] if guard else 0.0)


def placed(made: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials with their place: on the front, tied with a point on it, or shown to be worse.

    A point is tied when there is a point on the front above whose lower bounds it reaches in both measures. The bars
    are of each point against the base, not of the points against each other, so ties are counted generously.
    """
    both = [(each, each.kept, each.gain) for each in made if each.kept and each.gain]
    front = [
        (kept, gain)
        for _, kept, gain in both
        if not any(_outdoes((k.value, g.value), (kept.value, gain.value)) for _, k, g in both)
    ]
    kinds = {}
    for each, kept, gain in both:
        on = (kept, gain) in front
        ties = any(kept.high >= k.low and gain.high >= g.low for k, g in front)
        kinds[each.number] = Kind.FRONT if on else Kind.TIED if ties else Kind.BEATEN
    return tuple(replace(each, kind=kinds.get(each.number)) for each in made)


def _outdoes(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] >= other[1]


def _trial(  # a point, what it set, what it came to
    run: Run,
    number: int,
    point: Point,
    settings: Mapping[str, object],
    table: Sequence[Line],
    measures: tuple[Column, Column | None],
) -> Trial:
    own = {(line.suite, line.metric): line for line in table}
    once = {line.suite: line.transitions for line in reversed(own.values()) if line.transitions}
    task, guard = measures
    return Trial(
        number=number,
        point=point,
        settings={key: _setting(value) for key, value in settings.items()},
        outcome=aggregate(run.own_verdicts(point.name)),
        changes=own,
        gain=_change(own.get(task)),
        kept=_change(own.get(guard)) if guard else None,
        broken=sum(each.broken for each in once.values()) if once else None,
    )


def _guard(run: Run, columns: Sequence[Column]) -> Column | None:
    """What stands for forgetting: the largest suite that holds more than what the base passed; else of the others."""
    kept = {suite.name for suite in run.suites if suite.keeps}
    sizes = {(each.suite, each.metric): each.n for each in run.results if each.model == run.base.name}
    return min(columns, key=lambda each: (each[0] in kept, -sizes.get(each, 0)), default=None)


def _setting(value: object) -> float | str:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)


def _change(line: Line | None) -> Estimate | None:
    """The difference as a gate bounded it; where none did and scores are right or wrong, by the same interval."""
    if line is None or line.delta is None:
        return None
    seen = line.transitions
    if line.bounds is None and seen and not seen.unscored:
        counted = tango(seen.fixed, seen.broken, seen.total, _CONFIDENCE)
        return counted if abs(counted.value - line.delta) < 1 / (2 * seen.total) else None
    return line.bounds
