"""How much a judged verdict counts: not at all, for information, or like any other.

A gate decides by the grades first. Then the judge itself is looked at: an unfit one makes the verdict INVALID, an
effect that is no more than length makes it INCONCLUSIVE, and one that is not known to agree with labels only informs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from harness.compare import Comparison
from harness.decide import undecided
from harness.gates import Gate
from harness.judge.instrument import Instrument, adjusted_for_length, examine
from harness.judge.scoring import PREFERENCE
from harness.judge.sitting import Sitting
from harness.stats import mcnemar_midp
from harness.types import Estimate, Json, Outcome, SuiteResult, Verdict

__all__ = ["examined", "is_advisory", "not_requested", "requested", "weigh", "without_judge"]

Planned = Mapping[str, Any] | None
"""`judge` of a suite in plan.json; None for a suite that no judge looks at."""


def requested(planned: Planned) -> bool:
    """Whether the suite is measured at all: it needs no judge, or one was asked for."""
    return planned is None or planned["asked"] is not None


def not_requested(gate: Gate | None, *, suite: str, model: str, metric: str, n: int) -> Verdict:
    """What a judged suite says when nobody asked for a judge."""
    reason = "not requested: add --judge URL#model, hf:PATH or embedded"
    verdict = undecided(Outcome.NOT_RUN, gate, suite=suite, model=model, metric=metric, n=n, reason=reason)
    return replace(verdict, advisory=True)


def without_judge(planned: Planned, gates: Iterable[Gate]) -> list[Gate]:
    """The gates of a suite where no verdict is weighed, along a trajectory for instance: a judged one only informs."""
    return [gate if planned is None else replace(gate, advisory=True) for gate in gates]


def is_advisory(planned: Planned, gate: Gate | None, measured: Iterable[SuiteResult | None]) -> bool:
    """Whether a verdict informs only: so says its gate, or its judge was not asked for or may not decide.

    Without evidence a judge that was asked for has nothing to excuse it: what is missing then counts.

    Args:
        planned: of the suite.
        gate: that decides; None for the item `measured`.
        measured: the results it rests on, None for each that is missing.
    """
    if planned is None:
        return bool(gate and gate.advisory)
    if planned["asked"] is None or (gate and gate.advisory):
        return True
    sittings = [Sitting.read(result.evidence) for result in measured if result is not None]
    return any(sitting.objections for sitting in sittings if sitting is not None)


def examined(
    planned: Mapping[str, Planned], results: Mapping[tuple[str, str], SuiteResult], ways: Mapping[str, str]
) -> list[Json]:
    """What run.json says of the judge: one entry for each judged suite and candidate, or for the base alone.

    Args:
        planned: of each suite, by name.
        results: by suite and model.
        ways: how each judged model is prompted, the base first; those that are prompted otherwise are left out.
    """
    base, *others = [name for name, way in ways.items() if not way]
    found: list[Json] = []
    for suite in (name for name, spec in planned.items() if spec is not None and spec["asked"] is not None):
        for model in others or [base]:
            if (suite, base) in results and (suite, model) in results:
                candidate = results[suite, model] if others else None
                found.append({"suite": suite, "model": model, **examine(results[suite, base], candidate).spec()})
    return found


def weigh(
    verdict: Verdict, planned: Planned, gate: Gate | None, base: SuiteResult, candidate: SuiteResult | None
) -> Verdict:
    """`verdict` as far as the judge behind it can be believed; unchanged for a suite without one.

    Raises:
        NotMeasured: the suite was to be judged and there is no evidence of it.
    """
    if planned is None:
        return verdict
    instrument = examine(base, candidate)
    if candidate is not None and gate is not None:
        verdict = _beyond_length(_counted(verdict, gate, candidate), gate, base, candidate)
    verdict = _fit(verdict, instrument)
    advisory = is_advisory(planned, gate, (base, candidate))
    why = "; ".join(instrument.objections)
    return replace(verdict, advisory=advisory, reason=f"{verdict.reason}; advisory: {why}" if why else verdict.reason)


def _counted(verdict: Verdict, gate: Gate, candidate: SuiteResult) -> Verdict:
    """Wins and losses of a preference in place of right answers; a gain must hold by the sign test as well."""
    if gate.metric != PREFERENCE or verdict.observed is None:
        return verdict
    values = [row.score(PREFERENCE).value for row in candidate.rows]
    won, lost = values.count(1.0), values.count(0.0)
    said = f"{won} won, {lost} lost, {len(values) - won - lost} tied or unscored"
    verdict = replace(verdict, gained=won, lost=lost, reason=f"{verdict.reason}; {said}")
    alpha = (1 - gate.confidence) / 2
    if gate.kind == "gain" and verdict.outcome is Outcome.PASS and mcnemar_midp(won, lost) > alpha:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{verdict.reason}: not by the sign test")
    return verdict


def _beyond_length(verdict: Verdict, gate: Gate, base: SuiteResult, candidate: SuiteResult) -> Verdict:
    """INCONCLUSIVE where the gate passes only because answers are longer or shorter."""
    if verdict.observed is None or gate.absolute:
        return verdict
    adjusted = adjusted_for_length(*_compared(base, candidate), gate.metric, gate.confidence)
    if adjusted is None:
        return verdict
    said = f"{verdict.reason}; {_words(adjusted)} at equal length"
    if verdict.outcome is Outcome.PASS and not adjusted.low > gate.required:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{said}, which does not pass: length may be all")
    return replace(verdict, reason=said)


def _compared(base: SuiteResult, candidate: SuiteResult) -> tuple[SuiteResult, SuiteResult]:
    compared = Comparison(base, candidate)
    return compared.base, compared.candidate


def _words(seen: Estimate) -> str:
    return f"{100 * seen.value:+.1f} points [{100 * seen.low:+.1f}, {100 * seen.high:+.1f}]"


def _fit(verdict: Verdict, instrument: Instrument) -> Verdict:
    faults = instrument.faults(verdict.metric)
    if not faults or verdict.outcome is Outcome.INVALID:
        return verdict
    reason = f"the judge is not fit for this: {'; '.join(faults)}; its grades alone would say: {verdict.reason}"
    return replace(
        verdict,
        outcome=Outcome.INVALID,
        observed=None,
        gained=None,
        lost=None,
        detectable=None,
        needed=None,
        reason=reason,
    )
