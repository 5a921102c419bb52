"""A sweep: configurations that are trained as candidates, ranked on one half of the rows, confirmed on the other.

The best of many looks better than it is on the rows that it was chosen by. So one suite's rows are split in two by a
hash: the *select* half ranks the points, the *confirm* half decides about gains and absolute rates, for every point
alike. Gates that bound a drop use all rows. The sweep's outcome is its winner's.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

from harness.compare import Comparison, gain_share_of, scores
from harness.errors import BadSpec, HarnessError, Incomparable, NotMeasured
from harness.gates import Gate
from harness.halving import Reached
from harness.stats import holm
from harness.suite import Measurable
from harness.types import Example, Json, ModelRef, Outcome, Row, SuiteResult, Verdict

__all__ = ["Choice", "Point", "PointChoice", "Ranking", "Screen", "Sweep", "confirm_half", "in_confirm", "ranked_by"]

CONFIDENCE = 0.90
"""Two-sided; one bound of it is a one-sided 95 % bound."""


class Screen(Protocol):
    """Where training shows how far it is."""

    @property
    def live(self) -> bool:
        """Whether somebody watches: a terminal that can redraw its lines."""

    def say(self, line: str) -> None:
        """Print one line that stays."""

    def draw(self, text: str) -> None:
        """Print text as it is, control sequences included; only while `live`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration of a sweep.

    Attributes:
        name: readable id, such as `r16-all-linear`.
        model: what is measured once it is trained.
        settings: what distinguishes it from the other points, by dotted key of the training configuration.
        job: content hash of configuration, data and base.
        parameters: that it trains, counted from the configuration alone; None for an unknown architecture.
        given: the settings that were asked for, where others were derived from the base; None where none were.
    """

    name: str
    model: ModelRef
    settings: Mapping[str, Json]
    job: str
    parameters: int | None
    given: Mapping[str, Json] | None = None

    @property
    def full(self) -> bool:
        """Whether every weight is trained: what is measured is a whole model, not an adapter on the base."""
        return self.model.adapter is None


class Sweep(Protocol):
    """What the gate needs of whoever trains."""

    @property
    def names(self) -> tuple[str, ...]:
        """The points' names, in order, at least one."""

    @property
    def rank_by(self) -> str:
        """Which suite's metric ranks the points, as `suite` or `suite:metric`; empty to let the gates say."""

    def plan(self, base: ModelRef, system: str) -> tuple[Point, ...]:
        """The points, trained on `base`, with the system text that the suites ask with (empty: the configuration's).

        Raises:
            UsageProblem: data, configuration or base cannot be used.
        """

    def train(self, name: str, screen: Screen) -> bool:
        """Train a point, unless that was done before; True when it was trained now.

        Raises:
            HarnessError: training failed; the sweep goes on without this point.
        """

    @property
    def uncut(self) -> Mapping[str, str]:
        """Why some points cannot be stopped on the way, by name; once `plan` was called."""

    def reach(
        self, names: Sequence[str], screen: Screen, *, after: Fraction, until: Fraction
    ) -> Mapping[str, Reached | HarnessError]:
        """Train points from one part of their steps to another, unless that was done before.

        Args:
            names: of points that can be stopped, all of them at `after`.
            screen: shows how far they are.
            after: part of the steps that they have had, in [0, 1).
            until: part of the steps to train to, in (0, 1].

        Returns:
            For each name what it is now, or why it could not be trained.
        """


@dataclass(frozen=True, slots=True)
class PointChoice:
    """How one point stands: its mean score on the select half, and its distance to the winner on the confirm half.

    All numbers are None for a point that was not measured whole; those of the share also where there is none to give.

    Attributes:
        model: its name.
        select: mean on the select half, in [0, 1].
        behind, low, high: difference to the winner with one-sided 95 % bounds, in [-1, 1].
        share, share_low, share_high: its gain over the base as a share of full fine-tuning's, on the confirm half, with
            one-sided 95 % bounds; of any size.
    """

    model: str
    select: float | None
    behind: float | None = None
    low: float | None = None
    high: float | None = None
    share: float | None = None
    share_low: float | None = None
    share_high: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What the ranking came to.

    Attributes:
        winner: best mean on the select half; of equal ones the smallest, then the first. None when none was measured.
        tied: the winner, and the points that are not shown to be worse than it on the confirm half; all shown at once,
            so that a point is called worse by mistake in at most 5 % of sweeps (Holm). In the plan's order.
        smallest: fewest trained parameters among `tied`; None when one of them is of unknown size.
        full: of the points that train every weight, the one that ranks first: what shares are shares of. None without.
        select_rows, confirm_rows: sizes of the halves.
        points: in the plan's order.
    """

    winner: str | None
    tied: tuple[str, ...]
    smallest: str | None
    full: str | None
    select_rows: int
    confirm_rows: int
    points: tuple[PointChoice, ...]

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        return asdict(self) | {"tied": list(self.tied), "points": [asdict(point) for point in self.points]}


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which metric of which suite ranks which points.

    Attributes:
        suite, metric: what ranks.
        points: name -> trained parameters, None when unknown.
        full: names of the points that train every weight.
        base: name of the model that gains are counted from.
    """

    suite: str
    metric: str
    points: Mapping[str, int | None]
    full: tuple[str, ...] = ()
    base: str = ""

    @classmethod
    def read(cls, plan: Mapping[str, Any]) -> "Ranking | None":
        """From plan.json; None without a sweep."""
        spec = plan["sweep"]
        if spec is None:
            return None
        points = {point["model"]: point["parameters"] for point in spec["points"]}
        full = tuple(point["model"] for point in spec["points"] if point["full"])
        return cls(spec["rank_by"]["suite"], spec["rank_by"]["metric"], points, full, plan["models"][0]["name"])

    def confirms(self, gate: Gate | None, *, suite: str, model: str) -> bool:
        """Whether this gate is decided on the confirm half: gains and rates of the points on the ranking suite."""
        return gate is not None and gate.kind != "drop" and suite == self.suite and model in self.points

    def choose(self, results: Mapping[tuple[str, str], SuiteResult]) -> Choice:
        """Rank the points by what was measured, by suite and model."""
        measured = {name: results[self.suite, name] for name in self.points if (self.suite, name) in results}
        select = {name: self.mean(result) for name, result in measured.items()}
        order = list(self.points)
        ranked = sorted(
            (name for name, value in select.items() if value is not None),
            key=lambda name: (-(select[name] or 0.0), *self._size(name), order.index(name)),
        )
        winner = ranked[0] if ranked else None
        full = next((name for name in ranked if name in self.full), None)
        beside = (self._beside(measured, winner, name, select.get(name)) for name in order)
        points = tuple(self._with_share(point, results, full) for point in beside)
        tied = self._tied(measured, winner, [point.model for point in points if point.high is not None])
        sized = [name for name in tied if self.points[name] is not None]
        rows = next(iter(measured.values())).rows if measured else ()
        confirm = sum(in_confirm(row) for row in rows)
        return Choice(
            winner=winner,
            tied=tied,
            smallest=min(sized, key=self._size) if len(sized) == len(tied) and sized else None,
            full=full,
            select_rows=len(rows) - confirm,
            confirm_rows=confirm,
            points=points,
        )

    def settle(self, verdicts: Sequence[Verdict], choice: Choice) -> list[Verdict]:
        """The verdicts with those of the points that did not win made advisory, unless they were never run."""
        return [
            replace(verdict, advisory=True) if self._spared(verdict, choice.winner) else verdict for verdict in verdicts
        ]

    def _spared(self, verdict: Verdict, winner: str | None) -> bool:
        lost = winner is not None and verdict.model in self.points and verdict.model != winner
        return lost and verdict.outcome is not Outcome.NOT_RUN

    def mean(self, result: SuiteResult) -> float | None:
        """The mean on the select half, in [0, 1]; None when a row of it has no score."""
        rows = tuple(row for row in result.rows if not in_confirm(row))
        try:
            known = [value for value in scores(replace(result, rows=rows), self.metric) if value is not None]
        except NotMeasured:
            return None
        return sum(known) / len(known) if known and len(known) == len(rows) else None

    def _beside(
        self, measured: Mapping[str, SuiteResult], winner: str | None, name: str, select: float | None
    ) -> PointChoice:
        if winner is None or select is None:
            return PointChoice(name, select)
        try:
            seen = Comparison(confirm_half(measured[winner]), confirm_half(measured[name])).delta(
                self.metric, CONFIDENCE
            )
        except (NotMeasured, Incomparable):
            return PointChoice(name, select)
        return PointChoice(name, select, seen.value, seen.low, seen.high)

    def _tied(self, measured: Mapping[str, SuiteResult], winner: str | None, names: Sequence[str]) -> tuple[str, ...]:
        """Of `names`, which could be compared with the winner, those that no comparison shows to be worse."""
        if winner is None:
            return ()
        best, others = confirm_half(measured[winner]), [name for name in names if name != winner]
        worse = holm([Comparison(best, confirm_half(measured[name])).p_worse(self.metric) for name in others])
        shown = {name for name, p in zip(others, worse, strict=True) if p <= (1 - CONFIDENCE) / 2}
        return tuple(name for name in names if name not in shown)

    def _with_share(
        self, point: PointChoice, results: Mapping[tuple[str, str], SuiteResult], full: str | None
    ) -> PointChoice:
        """The point with its share of what `full` gains over the base, where there is one."""
        if full is None or point.select is None:
            return point
        base, whole, part = (confirm_half(results[self.suite, name]) for name in (self.base, full, point.model))
        try:
            found = gain_share_of(Comparison(base, part), Comparison(base, whole), self.metric, CONFIDENCE)
        except (NotMeasured, Incomparable):
            return point
        return replace(point, share=found.value, share_low=found.low, share_high=found.high) if found else point

    def _size(self, name: str) -> tuple[bool, int]:
        parameters = self.points[name]
        return parameters is None, parameters or 0


def in_confirm(row: Row | Example) -> bool:
    """Whether a row belongs to the confirm half; rows of one cluster stay together."""
    return hashlib.sha256((row.cluster or row.id).encode()).digest()[0] >= 128  # noqa: PLR2004  # half of a byte's values


def confirm_half(result: SuiteResult) -> SuiteResult:
    """The result on its confirm rows alone."""
    return replace(result, rows=tuple(row for row in result.rows if in_confirm(row)))


def ranked_by(suites: Sequence[Measurable], wanted: str) -> tuple[str, str]:
    """Suite and metric that rank the points.

    Args:
        suites: that are going to be measured.
        wanted: `suite`, `suite:metric`, or empty for the first suite that asks for a gain, else for a rate.

    Raises:
        BadSpec: there is none of that name, or only suites that keep what the base passes.
    """
    able = {suite.name: suite for suite in suites if suite.keep is None}
    if wanted:
        name, _, metric = wanted.partition(":")
        if name not in able or (metric and metric not in able[name].metric_names):
            known = ", ".join(f"{suite.name}:{each}" for suite in able.values() for each in suite.metric_names)
            raise BadSpec(f"--rank-by {wanted}: no such suite and metric in this run; known: {known or 'none'}")
        return name, metric or able[name].metric_names[0]
    tests: Sequence[Callable[[Gate], bool]] = (lambda gate: gate.kind == "gain", lambda gate: gate.kind == "rate")
    for test in tests:
        for suite in able.values():
            for gate in suite.gates:
                if test(gate):
                    return suite.name, gate.metric
    raise BadSpec("--sweep: no suite of this run asks for a gain or a rate to rank by; name one with --rank-by")
