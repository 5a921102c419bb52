"""A gate turns a comparison into a verdict. Pure: the same rows always give the same verdict.

One interval decides, read one-sidedly: PASS when it lies on the right side of the limit, FAIL when it lies on the
wrong side, INCONCLUSIVE when it holds the limit, so few examples can never pass. A PASS on right-or-wrong scores must
also stand an exact test, because intervals are too kind to rare faults. The verdict must stay the same whatever the
unscored rows would have shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from math import ceil, isfinite, log
from typing import Literal, NamedTuple

from harness import _reasons as reasons
from harness.compare import Comparison, Transitions, Unscored, estimate, scores
from harness.errors import BadSpec, NotMeasured
from harness.stats import (
    Bound,
    clopper_pearson,
    critical_score,
    critical_z,
    deciding_n,
    detectable_difference,
    detectable_mean,
    gain_log_e,
    mcnemar_midp,
    score,
    shrunk_share,
    zero_loss_n,
)
from harness.types import Estimate, Outcome, SuiteResult, Verdict

__all__ = ["Finding", "Gate", "aggregate", "assumptions", "measured"]

_CONFIDENCE = 0.90
"""Two-sided; one bound of it is a one-sided 95 % bound."""
_MIN_CLUSTERS = 10
"""With fewer, a variance between clusters is a guess (Cameron and Miller 2015, section VI)."""


class Finding(NamedTuple):
    """What a gate decides by: an estimate, and for Tango's interval and e-values the discordant pairs behind it."""

    seen: Estimate
    gained: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit on one metric: exactly one of `at_least`, `max_drop` and `min_gain`; `str(gate)` is its pytest id.

    Attributes:
        metric: name of a metric of the suite.
        at_least: the candidate's rate must be shown to reach this; in (0, 1].
        max_drop: a loss against the base of this much or more must be ruled out; in (0, 1].
        min_gain: a gain over the base of more than this must be shown; in [0, 1], where 0 asks for any gain at all.
        confidence: two-sided; 0.90 decides one-sidedly at 95 %.
        advisory: shown, but left out of the run's outcome.
        over: `best_prompt` takes a gain over the best of the base and its `--prompting` rows; else over the base.
        sequential: decide as soon as the rows read so far do, see `harness.sequential`.
        min_n: with fewer examples nothing passes, however clear it looks (see `harness.grounds`); at least 1.

    Raises:
        BadSpec: no limit or several, a number that is no rate, or `over` beside another limit than `min_gain` or
            beside `sequential`.
    """

    metric: str
    _: KW_ONLY
    at_least: float | None = None
    max_drop: float | None = None
    min_gain: float | None = None
    confidence: float = _CONFIDENCE
    advisory: bool = False
    over: Literal["base", "best_prompt"] = "base"
    sequential: bool = False
    min_n: int = 50

    def __post_init__(self) -> None:
        """Check the limit and the confidence."""
        limits = {"at_least": self.at_least, "max_drop": self.max_drop, "min_gain": self.min_gain}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        if len(given) != 1:
            names = " and ".join(given) or "none"
            raise BadSpec(f"gate on {self.metric!r}: give one of at_least, max_drop and min_gain, not {names}")
        for name, value in {**given, "confidence": self.confidence}.items():
            _refuse_no_rate(f"gate on {self.metric!r}: {name}", value, zero=name == "min_gain")
        if self.over not in ("base", "best_prompt") or (self.over != "base" and self.min_gain is None):
            raise BadSpec(
                f"gate on {self.metric!r}: over={self.over!r} goes with min_gain, and is 'base' or 'best_prompt'"
            )
        if self.sequential and self.over != "base":
            raise BadSpec(f"gate on {self.metric!r}: sequential has no over={self.over!r}; drop one of the two")
        if type(self.min_n) is not int or self.min_n < 1:
            raise BadSpec(f"gate on {self.metric!r}: min_n={self.min_n!r} must be a whole number of at least 1")
        if self.confidence == 1.0:
            raise BadSpec(f"gate on {self.metric!r}: confidence 1 needs endless data; use 0.90")

    def __str__(self) -> str:
        """`valid_json>=0.95`, `accuracy-drop<=0.02` or `exact_match-gain>=0.2`."""
        sign = {"rate": ">=", "drop": "-drop<=", "gain": "-gain>="}[self.kind]
        return f"{self.metric}{sign}{self.limit:g}{'' if self.over == 'base' else '-over-best-prompt'}"

    @property
    def kind(self) -> Bound:
        """What the limit bounds."""
        if self.at_least is not None:
            return "rate"
        return "drop" if self.max_drop is not None else "gain"

    @property
    def limit(self) -> float:
        """The limit as it was written, in (0, 1]."""
        return self.at_least or self.max_drop or self.min_gain or 0.0

    @property
    def required(self) -> float:
        """The limit in the units of what is observed: a rate, or a signed difference."""
        return -self.limit if self.kind == "drop" else self.limit

    @property
    def absolute(self) -> bool:
        """Whether the candidate alone decides, without a base."""
        return self.kind == "rate"

    @property
    def error(self) -> float:
        """How often a one-sided bound may err, in (0, 0.5)."""
        return (1 - self.confidence) / 2

    def refuse_undecidable(self, n: int) -> None:
        """Refuse a limit that even a flawless candidate cannot be shown to keep with n examples.

        Raises:
            BadSpec: with the number of examples that it takes.
        """
        least = zero_loss_n(self.kind, self.limit, self.confidence)
        if least is None:
            raise BadSpec(f"gate {self}: no number of examples can show it; lower the limit")
        if n < least:
            raise BadSpec(
                f"gate {self}: {n} examples cannot show it, even without a single fault;"
                f" use at least {least} examples or a wider limit"
            )

    def check(self, comparison: Comparison) -> Verdict:
        """Decide about the candidate; never raises for what was measured: what cannot be judged is INVALID."""
        if self.absolute:
            return self.check_result(comparison.candidate)
        result = comparison.candidate
        try:
            counts = comparison.transitions(self.metric)
            found = [
                Finding(
                    comparison.delta(self.metric, self.confidence, unscored=assumed),
                    *comparison.discordant(self.metric, assumed),
                )
                for assumed in assumptions(counts.unscored)
            ]
        except NotMeasured as error:
            return self.invalid(result, str(error))
        return self.conclude(result, found, counts.unscored, counts)

    def check_result(self, result: SuiteResult) -> Verdict:
        """Decide about one model by itself.

        Raises:
            BadSpec: the gate bounds a difference, which needs a base.
        """
        if not self.absolute:
            raise BadSpec(f"gate {self} compares with a base; give a candidate with --adapter or --base")
        try:
            unscored = scores(result, self.metric).count(None)
            found = [
                Finding(estimate(result, self.metric, self.confidence, unscored=assumed))
                for assumed in assumptions(unscored)
            ]
        except NotMeasured as error:
            return self.invalid(result, str(error))
        return self.conclude(result, found, unscored, None)

    def outcome(self, found: Finding) -> Outcome:
        """PASS, FAIL or INCONCLUSIVE, by an interval of this gate's confidence and the pairs behind it."""
        seen, gained, lost = found
        if seen.method == "clustered t" and seen.n < _MIN_CLUSTERS:
            return Outcome.INCONCLUSIVE
        if seen.method == "e-process":
            passed, failed = (gain_log_e(*pairs) >= log(1 / self.error) for pairs in ((gained, lost), (lost, gained)))
        else:
            passed, failed = self._clear(seen) and self._stands_exactly(found), seen.high < self.required
        return Outcome.PASS if passed else Outcome.FAIL if failed else Outcome.INCONCLUSIVE

    def _clear(self, seen: Estimate) -> bool:
        """Whether the interval lies on the right side of the limit."""
        return seen.low >= self.required if self.absolute else seen.low > self.required

    def _stands_exactly(self, found: Finding) -> bool:
        """Whether an exact test confirms what the interval says; intervals of means have none."""
        seen, gained, lost = found
        if seen.method == "wilson":
            return clopper_pearson(round(seen.value * seen.n), seen.n, self.confidence).low >= self.required
        if seen.method != "tango":
            return True
        least = critical_score(seen.n, self.required, self.confidence)
        shown = bool(score(gained, lost, seen.n, self.required) > least)
        return shown and (self.kind == "drop" or mcnemar_midp(gained, lost) <= self.error)

    def conclude(
        self, result: SuiteResult, found: Sequence[Finding], unscored: int, counts: Transitions | None
    ) -> Verdict:
        """The verdict that findings lead to.

        Args:
            result: of the candidate.
            found: one for each of `assumptions(unscored)`.
            unscored: rows without a score.
            counts: of the pairs; None for a gate on the candidate alone.
        """
        n, seen = len(result.rows), found[0].seen
        outcomes = [self.outcome(each) for each in found]
        settled = len(set(outcomes)) == 1
        outcome = outcomes[0] if settled else Outcome.INCONCLUSIVE
        undecided = settled and outcome is Outcome.INCONCLUSIVE
        needed = _needed(self, seen, counts, n) if undecided else None
        doubted = undecided and self._clear(seen) and not self._stands_exactly(found[0])
        sentence = [
            f"{self.metric} {reasons.finding(seen, paired=counts is not None)}",
            reasons.DOUBTED if doubted else reasons.conclusion(self.kind, self.limit, outcome),
            reasons.evidence(counts, n),
            *([reasons.missing(unscored, outcomes)] if unscored else []),
            *([reasons.remedy(needed, seen)] if undecided else []),
        ]
        return Verdict(
            outcome=outcome,
            suite=result.suite,
            gate=str(self),
            model=result.model,
            metric=self.metric,
            observed=seen,
            required=self.required,
            n=n,
            gained=counts.gained if counts else None,
            lost=counts.lost if counts else None,
            detectable=_detectable(seen, counts, self.confidence) if counts else None,
            needed=needed,
            reason="; ".join(sentence),
            advisory=self.advisory,
        )

    def invalid(self, result: SuiteResult, reason: str) -> Verdict:
        """The verdict when nothing can be decided."""
        return Verdict(
            outcome=Outcome.INVALID,
            suite=result.suite,
            gate=str(self),
            model=result.model,
            metric=self.metric,
            observed=None,
            required=self.required,
            n=len(result.rows),
            reason=reason,
            advisory=self.advisory,
        )


def measured(result: SuiteResult, *, chance: float) -> Verdict:
    """The verdict on a base that is compared with nothing: was it measured, and is it no worse than guessing?

    Args:
        result: of the base.
        chance: what guessing scores on the suite's first metric, in [0, 1).

    Returns:
        PASS when every planned row has every score and the first metric is not shown to be below chance; else
        INVALID, for a base below chance was asked or read wrongly.
    """
    metrics = [score.metric for score in result.rows[0].scores] if result.rows else []
    seen: Estimate | None = None
    try:
        _refuse_unscored(result, metrics)
        seen = estimate(result, metrics[0], _CONFIDENCE)
        outcome, reason = _beside_chance(metrics[0], seen, chance)
    except NotMeasured as error:
        outcome, reason = Outcome.INVALID, str(error)
    return Verdict(
        outcome=outcome,
        suite=result.suite,
        gate="measured",
        model=result.model,
        metric=metrics[0] if metrics else "",
        observed=seen,
        required=chance,
        n=len(result.rows),
        reason=reason,
    )


def aggregate(verdicts: Iterable[Verdict]) -> Outcome:
    """The run's outcome: the worst of INVALID (NOT_RUN and CUT count as such), FAIL, INCONCLUSIVE and PASS.

    Advisory verdicts are left out. Nothing left to decide is INVALID: green needs positive evidence.
    """
    outcomes = {verdict.outcome for verdict in verdicts if not verdict.advisory}
    if not outcomes or outcomes & {Outcome.INVALID, Outcome.NOT_RUN, Outcome.CUT}:
        return Outcome.INVALID
    for worst in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        if worst in outcomes:
            return worst
    return Outcome.PASS


def assumptions(unscored: int) -> tuple[Unscored, ...]:
    """Under which a verdict must be the same; the first is what it reports."""
    return tuple(Unscored) if unscored else (Unscored.LEFT_OUT,)


def _needed(gate: Gate, seen: Estimate, counts: Transitions | None, n: int) -> int | None:
    """Examples that would decide if the rates stay as they are, with 80 % power; None when no number is feasible."""
    if seen.method == "clustered t" and seen.n < _MIN_CLUSTERS:
        return None
    distance = abs(seen.value - gate.required)
    needed = deciding_n(_variance(seen, counts, gate.confidence), distance, gate.confidence)
    least = zero_loss_n(gate.kind, gate.limit, gate.confidence)
    if needed is None or least is None:
        return None
    return max(ceil(needed * n / seen.n), least, n + 1)


def _variance(seen: Estimate, counts: Transitions | None, confidence: float) -> float:
    """Of one example's score, or difference of scores."""
    if seen.method == "tango" and counts is not None:
        return max(shrunk_share(counts.gained + counts.lost, seen.n, confidence) - seen.value**2, 0.0)
    if seen.method == "wilson":
        rate = shrunk_share(round(seen.value * seen.n), seen.n, confidence)
        return rate * (1 - rate)
    return seen.n * ((seen.high - seen.low) / 2 / critical_z(confidence)) ** 2


def _detectable(seen: Estimate, counts: Transitions, confidence: float) -> float:
    if seen.method == "tango":
        return detectable_difference(seen.n, counts.gained + counts.lost, confidence)
    return detectable_mean((seen.high - seen.low) / 2, confidence)


def _beside_chance(metric: str, seen: Estimate, chance: float) -> tuple[Outcome, str]:
    found = f"{metric} {reasons.finding(seen, paired=False)}"
    if seen.high < chance:
        advice = "check the prompt, the chat template and how answers are read"
        return Outcome.INVALID, f"{found}; that is below chance ({100 * chance:g} %); {advice}"
    return Outcome.PASS, f"{found}; every planned row is scored"


def _refuse_unscored(result: SuiteResult, metrics: Sequence[str]) -> None:
    where = f"suite {result.suite!r}, model {result.model!r}"
    if not metrics:
        raise NotMeasured(f"{where}: no row was measured; check the data file and --limit")
    for metric in metrics:
        values = scores(result, metric)
        ids = [row.id for row, value in zip(result.rows, values, strict=True) if value is None]
        if ids:
            some = ", ".join(ids[:3])
            raise NotMeasured(f"{where}: {len(ids)} of {len(values)} rows lack a {metric} score (ids {some}); rerun it")


def _refuse_no_rate(what: str, value: float, *, zero: bool = False) -> None:
    known = not isinstance(value, bool) and isinstance(value, int | float) and isfinite(value)
    if not known or not 0 <= value <= 1 or (value == 0 and not zero):
        raise BadSpec(f"{what} is {value!r}, but must be a rate in {'[' if zero else '('}0, 1]: write 2 points as 0.02")
