"""Two results of one suite, paired by example: what changed from the base to the candidate, and how surely."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, get_args

from harness.errors import Incomparable, NotMeasured
from harness.stats import bounded_mean, gain_share, mcnemar_midp, paired_mean, tango, wilson
from harness.types import Estimate, Row, SuiteResult

__all__ = [
    "Comparison",
    "Flip",
    "Pair",
    "Transitions",
    "Unscored",
    "estimate",
    "gain_share_of",
    "known_scores",
    "scores",
]


_BISECTIONS = 20
Change = Literal["both_right", "gained", "lost", "both_wrong", "unscored"]
"""What became of one example; the fields of `Transitions`."""


class Unscored(StrEnum):
    """What stands in for a score that is missing. A verdict must be the same under all three."""

    LEFT_OUT = "left out"
    WORST = "worst for the candidate"
    BEST = "best for the candidate"


class Pair(NamedTuple):
    """One example under both models; None where a model has no score."""

    id: str
    cluster: str
    base: float | None
    candidate: float | None


class Transitions(NamedTuple):
    """Counts of examples by who was right, where right means a score of 1. They add up to the planned examples."""

    both_right: int
    gained: int
    lost: int
    both_wrong: int
    unscored: int


class Flip(NamedTuple):
    """One example that only one of the two models got right."""

    change: Change
    base: Row
    candidate: Row


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside the base on the same suite. Refuses whatever would compare two different measurements.

    Raises:
        Incomparable: another suite, a fingerprint layer (data, prompt, decode, score) that differs, or other examples.
    """

    base: SuiteResult
    candidate: SuiteResult

    def __post_init__(self) -> None:
        """Check that both results measured the same thing."""
        _refuse_other_suite(self.base, self.candidate)
        _refuse_other_examples(self.base, self.candidate)

    def pairs(self, metric: str) -> tuple[Pair, ...]:
        """Both models' scores of each planned example, in the base's order.

        Raises:
            NotMeasured: a row lacks the metric, or its score is no number in [0, 1].
        """
        ids = [row.id for row in self.candidate.rows]
        candidate = dict(zip(ids, scores(self.candidate, metric), strict=True))
        return tuple(
            Pair(row.id, _cluster(row), value, candidate[row.id])
            for row, value in zip(self.base.rows, scores(self.base, metric), strict=True)
        )

    def delta(self, metric: str, confidence: float = 0.90, *, unscored: Unscored = Unscored.LEFT_OUT) -> Estimate:
        """Mean score of the candidate minus that of the base.

        Tango's interval when every score is 0 or 1 and no examples share a cluster, else a t interval over clusters.

        Args:
            metric: name of a metric of this suite.
            confidence: two-sided; 0.90 gives the one-sided 95 % bounds that gates use.
            unscored: what stands in for missing scores.

        Raises:
            NotMeasured: no example is scored under both models, or a score is no number in [0, 1].
        """
        known = self.known(metric, unscored)
        differences = [candidate - base for _, base, candidate in known]
        clusters = _shared([cluster for cluster, _, _ in known])
        if clusters or not _all_binary([score for _, *both in known for score in both]):
            return paired_mean(differences, confidence, clusters=clusters)
        return tango(differences.count(1.0), differences.count(-1.0), len(differences), confidence)

    def known(self, metric: str, unscored: Unscored = Unscored.LEFT_OUT) -> list[tuple[str, float, float]]:
        """(cluster, base's score, candidate's score) of each example, with stand-ins for missing ones or without them.

        Raises:
            NotMeasured: no example is scored under both models, or a score is no number in [0, 1].
        """
        worst_base = {Unscored.LEFT_OUT: None, Unscored.WORST: 1.0, Unscored.BEST: 0.0}[unscored]
        known: list[tuple[str, float, float]] = []
        for pair in self.pairs(metric):
            base = worst_base if pair.base is None else pair.base
            candidate = _STAND_IN[unscored] if pair.candidate is None else pair.candidate
            if base is not None and candidate is not None:
                known.append((pair.cluster, base, candidate))
        if not known:
            raise NotMeasured(f"suite {self.base.suite!r}: no example has a {metric} score under both models; rerun it")
        return known

    def discordant(self, metric: str, unscored: Unscored = Unscored.LEFT_OUT) -> tuple[int, int]:
        """Examples that went from 0 to 1, and from 1 to 0, with stand-ins for missing scores or without them.

        Raises:
            NotMeasured: as `known`.
        """
        differences = [candidate - base for _, base, candidate in self.known(metric, unscored)]
        return differences.count(1.0), differences.count(-1.0)

    def p_worse(self, metric: str) -> float:
        """One-sided p-value of "the candidate is no worse than the base", in (0, 1).

        McNemar's mid-p where `delta` gives Tango's interval, else the level at which its upper bound reaches 0.

        Raises:
            NotMeasured: as `delta`.
        """
        if self.delta(metric).method == "tango":
            gained, lost = self.discordant(metric)
            return mcnemar_midp(lost, gained)
        low, high = 0.0, 1.0
        for _ in range(_BISECTIONS):
            confidence = (low + high) / 2
            low, high = (confidence, high) if self.delta(metric, confidence).high < 0 else (low, confidence)
        return (1 - low) / 2

    def transitions(self, metric: str) -> Transitions:
        """How many examples went from right or wrong to right or wrong."""
        counts = Counter(_transition(pair) for pair in self.pairs(metric))
        return Transitions(*(counts[change] for change in get_args(Change)))

    def flips(self, metric: str) -> tuple[Flip, ...]:
        """Examples that only one model got right, in the base's order."""
        base = {row.id: row for row in self.base.rows}
        candidate = {row.id: row for row in self.candidate.rows}
        return tuple(
            Flip(change, base[pair.id], candidate[pair.id])
            for pair in self.pairs(metric)
            if (change := _transition(pair)) in ("gained", "lost")
        )


def scores(result: SuiteResult, metric: str) -> tuple[float | None, ...]:
    """The metric's value of each row, in order; None where it could not be scored.

    Raises:
        NotMeasured: a row lacks the metric, or its value is NaN or outside [0, 1].
    """
    return tuple(_value(result, row, metric) for row in result.rows)


def estimate(
    result: SuiteResult, metric: str, confidence: float = 0.95, *, unscored: Unscored = Unscored.LEFT_OUT
) -> Estimate:
    """Mean score of one model, with the number of scored rows (or clusters) that it rests on.

    Wilson's interval when every score is 0 or 1 and no rows share a cluster, else a t interval over clusters.

    Raises:
        NotMeasured: no row is scored, a row lacks the metric, or a value is no number in [0, 1].
    """
    known = known_scores(result, metric, unscored)
    values = [value for _, value in known]
    clusters = _shared([cluster for cluster, _ in known])
    if clusters or not _all_binary(values):
        return bounded_mean(values, (0.0, 1.0), confidence, clusters=clusters)
    return wilson(values.count(1.0), len(values), confidence)


def known_scores(result: SuiteResult, metric: str, unscored: Unscored = Unscored.LEFT_OUT) -> list[tuple[str, float]]:
    """(cluster, score) of each row, with stand-ins for missing ones or without them.

    Raises:
        NotMeasured: no row is scored, a row lacks the metric, or a value is no number in [0, 1].
    """
    filled = [_STAND_IN[unscored] if value is None else value for value in scores(result, metric)]
    known = [(_cluster(row), value) for row, value in zip(result.rows, filled, strict=True) if value is not None]
    if not known:
        raise NotMeasured(f"suite {result.suite!r}, model {result.model!r}: no row has a {metric} score; rerun it")
    return known


def gain_share_of(part: Comparison, whole: Comparison, metric: str, confidence: float = 0.90) -> Estimate | None:
    """What share of `whole`'s gain over their common base `part` gains; None when that gain is not shown.

    Raises:
        NotMeasured: an example lacks a score.
        Incomparable: the two are not of the same base and examples.
    """
    if part.base != whole.base:
        raise Incomparable(f"suite {part.base.suite!r}: gains over two bases have no common share; give one base")
    clusters = _shared([pair.cluster for pair in part.pairs(metric)])
    return gain_share(_gains(part, metric), _gains(whole, metric), confidence, clusters=clusters)


def _gains(comparison: Comparison, metric: str) -> list[float]:
    pairs = comparison.pairs(metric)
    found = [pair.candidate - pair.base for pair in pairs if pair.candidate is not None and pair.base is not None]
    if missing := len(pairs) - len(found):
        raise NotMeasured(f"suite {comparison.base.suite!r}: {missing} examples lack a {metric} score; rerun it")
    return found


_STAND_IN = {Unscored.LEFT_OUT: None, Unscored.WORST: 0.0, Unscored.BEST: 1.0}


def _value(result: SuiteResult, row: Row, metric: str) -> float | None:
    where = f"suite {result.suite!r}, model {result.model!r}, row {row.id}"
    try:
        value = row.score(metric).value
    except KeyError:
        raise NotMeasured(f"{where}: no {metric} score was recorded; rerun the suite") from None
    if value is not None and not 0.0 <= value <= 1.0:  # false for NaN too
        raise NotMeasured(f"{where}: {metric} is {value}, which is no number in [0, 1]; mend the metric")
    return value


def _cluster(row: Row) -> str:
    return row.cluster or row.id


def _shared(clusters: list[str]) -> list[str] | None:
    """The clusters if any two examples share one, else None."""
    return clusters if len(set(clusters)) < len(clusters) else None


def _all_binary(values: Iterable[float]) -> bool:
    return all(value in (0.0, 1.0) for value in values)


def _transition(pair: Pair) -> Change:
    if pair.base is None or pair.candidate is None:
        return "unscored"
    match pair.base == 1.0, pair.candidate == 1.0:
        case True, True:
            return "both_right"
        case False, True:
            return "gained"
        case True, False:
            return "lost"
        case _:
            return "both_wrong"


def _refuse_other_suite(base: SuiteResult, candidate: SuiteResult) -> None:
    if base.suite != candidate.suite:
        raise Incomparable(f"suite {base.suite!r} and suite {candidate.suite!r} cannot be compared; measure one suite")
    for layer in sorted({*base.fingerprint, *candidate.fingerprint}):
        ours, theirs = base.fingerprint.get(layer, "missing"), candidate.fingerprint.get(layer, "missing")
        if ours != theirs:
            raise Incomparable(
                f"suite {base.suite!r}: layer {layer!r} differs between {base.model!r} ({ours}) and"
                f" {candidate.model!r} ({theirs}); measure both again"
            )


def _refuse_other_examples(base: SuiteResult, candidate: SuiteResult) -> None:
    for result in (base, candidate):
        if len({row.id for row in result.rows}) != len(result.rows):
            raise Incomparable(f"suite {result.suite!r}, model {result.model!r}: two rows have the same id")
    ours = {row.id: _cluster(row) for row in base.rows}
    theirs = {row.id: _cluster(row) for row in candidate.rows}
    different = sorted(id_ for id_ in {*ours, *theirs} if ours.get(id_) != theirs.get(id_))
    if different:
        raise Incomparable(
            f"suite {base.suite!r}: {len(different)} examples differ between {base.model!r} and {candidate.model!r}"
            f" (ids {', '.join(different[:3])}); measure both on the same examples"
        )
