"""The candidate of one run against that of another, example by example, with the statistics that gates use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from harness.compare import Comparison, estimate, scores
from harness.errors import BadRunDirectory, Incomparable, UsageProblem
from harness.stats import holm
from harness.types import Estimate, ModelRef, SuiteResult
from harness.verify import verify
from reports.beside.layers import Difference, hard, soft
from reports.load import Key, Run, load

__all__ = ["Beside", "Line", "Side", "Standing", "beside"]

_ERROR = 0.05
"""How often "worse" may be said of any metric when none is, all of them together."""


class Standing(StrEnum):
    """What B is shown to be beside A."""

    WORSE = "worse"
    BETTER = "better"
    UNSHOWN = "no difference shown"


@dataclass(frozen=True, slots=True)
class Side:
    """One run of the two: where it lies, its id, the model that is compared, and whether it left rows or gates out."""

    folder: str
    run: str
    model: str
    partial: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one suite.

    Attributes:
        first, second: mean of A's and of B's candidate over the same rows, in [0, 1].
        delta: B minus A with its one-sided 95 % bounds, this metric by itself.
        fixed, broken: examples that only B, and only A, gets right.
        p_worse, p_better: one-sided, adjusted by Holm over all lines, in [0, 1].
    """

    suite: str
    metric: str
    n: int
    first: float
    second: float
    delta: Estimate
    fixed: int
    broken: int
    p_worse: float
    p_better: float

    @property
    def standing(self) -> Standing:
        """By the adjusted p-values, so that many metrics do not make one of them look worse by chance."""
        if self.p_worse <= _ERROR:
            return Standing.WORSE
        return Standing.BETTER if self.p_better <= _ERROR else Standing.UNSHOWN


@dataclass(frozen=True, slots=True)
class Beside:
    """What came out. `lines` is empty where `refused` is not.

    Attributes:
        refused: what differs and must not.
        beside: what differs in the surroundings, which is only told.
        left_out: suites of one run only, under `allow_partial`.
    """

    first: Side
    second: Side
    lines: tuple[Line, ...]
    refused: tuple[Difference, ...]
    beside: tuple[Difference, ...]
    left_out: tuple[str, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether this says less than the whole gate: a run was partial, or suites were left out."""
        return self.first.partial or self.second.partial or bool(self.left_out)


def beside(first: Path, second: Path, names: tuple[str, str] = ("", ""), *, allow_partial: bool = False) -> Beside:
    """Compare the candidates of two finished runs that verify.

    Args:
        first: run directory of A, what is known.
        second: run directory of B, what is new.
        names: model of each; when empty the winner of a sweep, the only candidate, or the base without one.
        allow_partial: leave out suites that only one run measured.

    Raises:
        BadRunDirectory: a run is unfinished, or does not verify.
        UsageProblem: a run has no such model, or several candidates and none is named.
        NotMeasured: a metric is no number in [0, 1].
    """
    runs = (_verified(first), _verified(second))
    models = (_model(runs[0], names[0], "--model-a"), _model(runs[1], names[1], "--model-b"))
    sides = [_side(run, model) for run, model in zip(runs, models, strict=True)]
    found, told = hard(*runs, models), soft(*runs)
    alone = tuple(each.suite for each in found if each.layer == "suite")
    pairs = list(_pairs(runs, models, alone))
    refused = found if not allow_partial or not pairs else tuple(each for each in found if each.layer != "suite")
    if not refused:
        refused = tuple(each for each in pairs if isinstance(each, Difference))
    if refused:
        return Beside(sides[0], sides[1], (), refused, told)
    lines = [line for each in pairs if isinstance(each, Comparison) for line in _lines(each)]
    unscored = tuple(each for each in lines if isinstance(each, Difference))
    if unscored:
        return Beside(sides[0], sides[1], (), unscored, told)
    return Beside(sides[0], sides[1], _adjusted([each for each in lines if isinstance(each, Line)]), (), told, alone)


def _verified(folder: Path) -> Run:
    found = verify(folder)
    if found.disagreements:
        raise BadRunDirectory(f"{folder}: does not verify ({found.disagreements[0]}); see tunegate verify {folder}")
    return load(folder)


def _model(run: Run, name: str, option: str) -> ModelRef:
    """The model of that name; without one the winner, the only candidate, or the base that is alone."""
    known = {model.name: model for model in run.models}
    if name:
        if name not in known:
            raise UsageProblem(f"{option} {name}: is no model of {run.folder}; it has {', '.join(known)}")
        return known[name]
    if run.sweep and run.sweep.winner:
        return known[run.sweep.winner]
    names = [model.name for model in run.candidates]
    if len(names) > 1:
        raise UsageProblem(f"{run.folder}: has candidates {', '.join(names)}; name one of them with {option}")
    return known[names[0]] if names else run.base


def _side(run: Run, model: ModelRef) -> Side:
    return Side(str(run.folder), str(run.plan["id"]), model.name, run.partial)


def _pairs(
    runs: tuple[Run, Run], models: tuple[ModelRef, ModelRef], alone: tuple[str, ...]
) -> Iterator[Comparison | Difference]:
    """A comparison for each suite that both runs measured, or what keeps its rows from being paired."""
    first, second = runs
    layers = {suite.name: suite.layers for suite in first.suites}
    for suite in first.suites:
        keys = Key(suite.name, models[0].name), Key(suite.name, models[1].name)
        if suite.name in alone or keys[0] not in first.rows or keys[1] not in second.rows:
            continue
        rows = first.rows[keys[0]], second.rows[keys[1]]
        ours, theirs = (
            SuiteResult(suite.name, layers[suite.name], label, each, 0.0)
            for label, each in zip(("A", "B"), rows, strict=True)
        )
        try:
            yield Comparison(ours, theirs)
        except Incomparable:
            shared = len({row.id for row in rows[0]} & {row.id for row in rows[1]})
            yield Difference(suite.name, "rows", *(f"{len(each)} rows, {shared} of them shared" for each in rows))


def _lines(pair: Comparison) -> Iterator[Line | Difference]:
    """One line for each metric; the p-values are not adjusted yet. A score that is missing is a difference, never 0."""
    for metric in [score.metric for score in pair.base.rows[0].scores]:
        missing = [scores(side, metric).count(None) for side in (pair.base, pair.candidate)]
        if any(missing):
            yield Difference(pair.base.suite, f"scores of {metric}", *(f"{count} rows unscored" for count in missing))
            continue
        changes = pair.transitions(metric)
        yield Line(
            suite=pair.base.suite,
            metric=metric,
            n=len(pair.base.rows),
            first=estimate(pair.base, metric).value,
            second=estimate(pair.candidate, metric).value,
            delta=pair.delta(metric),
            fixed=changes.gained,
            broken=changes.lost,
            p_worse=pair.p_worse(metric),
            p_better=Comparison(pair.candidate, pair.base).p_worse(metric),
        )


def _adjusted(lines: Sequence[Line]) -> tuple[Line, ...]:
    worse, better = (holm([getattr(line, name) for line in lines]) for name in ("p_worse", "p_better"))
    return tuple(
        replace(line, p_worse=low, p_better=high) for line, low, high in zip(lines, worse, better, strict=True)
    )
