"""Base and candidate on the same examples: who became right, who became wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import Incomparable
from harness.types import Row, Score
from reports.load import Key, Run

__all__ = ["Change", "Pair", "Transitions", "changed", "pairs", "primary_metric", "score_of", "transitions"]

_LOUD = 20


class Change(StrEnum):
    """What became of one example. An example is right when its score is 1."""

    BOTH_RIGHT = "both right"
    FIXED = "fixed"
    BROKEN = "broken"
    BOTH_WRONG = "both wrong"
    UNSCORED = "unscored"


@dataclass(frozen=True, slots=True)
class Pair:
    """One example as both models answered it; in a run of the base alone `candidate` is the base's row too."""

    base: Row
    candidate: Row
    change: Change


@dataclass(frozen=True, slots=True)
class Transitions:
    """How many examples took which way."""

    both_right: int
    fixed: int
    broken: int
    both_wrong: int
    unscored: int

    @property
    def churn(self) -> float | None:
        """Share of examples that changed sides, in [0, 1]; None without examples."""
        return (self.fixed + self.broken) / self.total if self.total else None

    @property
    def total(self) -> int:
        """All examples."""
        return self.both_right + self.fixed + self.broken + self.both_wrong + self.unscored

    @property
    def cancels(self) -> bool:
        """Whether at least one in twenty changed sides, and gains hide at least half of the losses, or the reverse.

        Such a difference near zero does not mean that the two models answer alike.
        """
        moved = self.fixed + self.broken
        return _LOUD * moved >= self.total > 0 and 2 * abs(self.fixed - self.broken) <= moved > 0


def pairs(run: Run, suite: str, model: str, metric: str) -> tuple[Pair, ...]:
    """Both models' rows side by side, in the suite's order; empty when either was not measured.

    Where measuring ended early, because every gate had decided, these are the rows that were read.

    Raises:
        Incomparable: the two measurements hold different examples.
    """
    key = (suite, model, metric)
    if key not in run.paired:
        run.paired[key] = _pairs(run, *key)
    made: tuple[Pair, ...] = run.paired[key]
    return made


def _pairs(run: Run, suite: str, model: str, metric: str) -> tuple[Pair, ...]:
    base = run.rows.get(Key(suite, run.base.name), ())
    candidate = run.rows.get(Key(suite, model), ())
    if not base or not candidate:
        return ()
    if any(each.unread for each in run.results if (each.suite, each.model) == (suite, model)):
        base = base[: len(candidate)]
    if [row.id for row in base] != [row.id for row in candidate]:
        raise Incomparable(
            f"suite '{suite}': '{run.base.name}' and '{model}' hold different examples; measure both again"
        )
    return tuple(Pair(old, new, _change(old, new, metric)) for old, new in zip(base, candidate, strict=True))


def transitions(paired: Sequence[Pair]) -> Transitions:
    """Count the changes."""
    counts = dict.fromkeys(Change, 0)
    for pair in paired:
        counts[pair.change] += 1
    return Transitions(
        both_right=counts[Change.BOTH_RIGHT],
        fixed=counts[Change.FIXED],
        broken=counts[Change.BROKEN],
        both_wrong=counts[Change.BOTH_WRONG],
        unscored=counts[Change.UNSCORED],
    )


def changed(paired: Sequence[Pair], change: Change) -> tuple[Pair, ...]:
    """The pairs that took one way, in order."""
    return tuple(pair for pair in paired if pair.change is change)


def primary_metric(run: Run, suite: str) -> str:
    """The metric that the suite is judged by: of its first gate, else the first measured; empty without either."""
    measured = [result.metric for result in run.results if result.suite == suite]
    gated = [each.metric for each in run.verdicts if each.suite == suite and each.metric in measured]
    return next(iter([*gated, *measured]), "")


def score_of(row: Row, metric: str) -> Score:
    """The row's score, unscored with the reason `no_score` where the metric gave none."""
    for score in row.scores:
        if score.metric == metric:
            return score
    return Score(metric, None, reason_code="no_score")


def _change(base: Row, candidate: Row, metric: str) -> Change:
    old, new = score_of(base, metric).value, score_of(candidate, metric).value
    if old is None or new is None:
        return Change.UNSCORED
    if old >= 1:
        return Change.BOTH_RIGHT if new >= 1 else Change.BROKEN
    return Change.FIXED if new >= 1 else Change.BOTH_WRONG
