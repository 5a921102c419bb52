"""Right answers by first tag: where a candidate gained or lost. No gate looks at a slice."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.stats import tango
from harness.types import Estimate
from reports.load import Run
from reports.pairs import pairs, primary_metric, score_of

__all__ = ["FEW", "Slice", "SuiteSlices", "slices"]

FEW = 30
"""Below so many examples a slice says next to nothing, and is folded away."""

_CONFIDENCE = 0.90
"""Of both bounds together: each is one-sided at 95 %, as a gate's are."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The examples of a suite that carry one tag. Counts of right answers; `candidate` None in a run of the base."""

    tag: str
    n: int
    base: int
    candidate: int | None
    fixed: int
    broken: int

    @property
    def delta(self) -> float | None:
        """Candidate minus base, in [-1, 1]."""
        return None if self.candidate is None else (self.candidate - self.base) / self.n

    @property
    def bounds(self) -> Estimate | None:
        """The difference with one-sided 95 % bounds, not corrected for how many slices there are; None without one."""
        return None if self.candidate is None else tango(self.fixed, self.broken, self.n, _CONFIDENCE)

    @property
    def few(self) -> bool:
        """Whether it has too few examples to be looked at."""
        return self.n < FEW


@dataclass(frozen=True, slots=True)
class SuiteSlices:
    """The slices of one suite by first tag, the lowest lower bound first."""

    suite: str
    metric: str
    slices: tuple[Slice, ...]

    @property
    def large(self) -> tuple[Slice, ...]:
        """Those with enough examples to be looked at."""
        return tuple(each for each in self.slices if not each.few)

    @property
    def small(self) -> tuple[Slice, ...]:
        """The others."""
        return tuple(each for each in self.slices if each.few)


def slices(run: Run, model: str, suites: Iterable[str]) -> tuple[SuiteSlices, ...]:
    """Right answers by first tag, for those of `suites` that have at least two. No gate looks at them."""
    made = (SuiteSlices(s, primary_metric(run, s), _slices(run, model, s)) for s in suites)
    return tuple(each for each in made if len(each.slices) > 1)


def _slices(run: Run, model: str, suite: str) -> tuple[Slice, ...]:
    metric = primary_metric(run, suite)
    alone = model == run.base.name
    groups: dict[str, list[tuple[bool, bool]]] = {}
    for pair in pairs(run, suite, model, metric):
        right = (score_of(pair.base, metric).value == 1, score_of(pair.candidate, metric).value == 1)
        groups.setdefault(pair.base.tags[0] if pair.base.tags else "untagged", []).append(right)
    made = [
        Slice(
            tag=tag,
            n=len(rights),
            base=sum(old for old, _ in rights),
            candidate=None if alone else sum(new for _, new in rights),
            fixed=sum(new and not old for old, new in rights),
            broken=sum(old and not new for old, new in rights),
        )
        for tag, rights in groups.items()
    ]
    return tuple(sorted(made, key=lambda s: s.bounds.low if s.bounds else s.base / s.n))
