"""From measurements to a verdict. The run and `verify` both come through here, so they cannot disagree by design."""

from collections.abc import Sequence
from dataclasses import replace

from harness.compare import Comparison
from harness.errors import NotMeasured
from harness.gates import Gate, measured
from harness.grounds import grounded
from harness.hold import hold_pinned, is_pinned, without_pinned
from harness.prompting import best_prompt
from harness.sequential import check_in_order
from harness.sweeps import confirm_half
from harness.types import Outcome, SuiteResult, Verdict

__all__ = ["decide", "shown", "undecided", "with_unused"]


def decide(
    gate: Gate | None,
    base: SuiteResult,
    candidate: SuiteResult | None,
    *,
    chance: float,
    confirm: bool = False,
    prompted: Sequence[SuiteResult] = (),
) -> Verdict:
    """Decide one item.

    Args:
        gate: None for the item `measured`, which only asks whether a model was measured soundly.
        base: the base's result.
        candidate: the candidate's, or None when the base itself is judged.
        chance: what guessing scores on the suite's headline metric.
        confirm: look at the confirm half of the rows alone, because the other half ranked the sweep.
        prompted: the base's results with other prompting.

    Raises:
        NotMeasured: the base is below chance, so a comparison with it means nothing.
        Incomparable: the results differ in something that must be equal.
    """
    if confirm and candidate is not None:
        rows = [confirm_half(result) for result in prompted]
        half = decide(gate, confirm_half(base), confirm_half(candidate), chance=chance, prompted=rows)
        where = f"{half.n} of {len(base.rows)} rows, the confirm half; the others ranked the sweep"
        return replace(half, reason=f"{half.reason}; decided on {where}")
    if gate is None:
        return measured(candidate or base, chance=chance)
    if candidate is None:
        own = without_pinned(base)
        return grounded(gate, own, check_in_order(gate, own, own) if gate.sequential else gate.check_result(own))
    sound = measured(base, chance=chance)
    if sound.observed is not None and sound.observed.high < chance:
        raise NotMeasured(f"suite {base.suite!r}: the base is no yardstick: {sound.reason}")
    if any(map(is_pinned, base.rows)):
        Comparison(base, candidate)  # refuses results that do not have the same cases
        pool = [without_pinned(result) for result in (base, candidate, *prompted)]
        return hold_pinned(decide(gate, pool[0], pool[1], chance=chance, prompted=pool[2:]), base, candidate)
    return _compared(gate, base, candidate, prompted)


def _compared(gate: Gate, base: SuiteResult, candidate: SuiteResult, prompted: Sequence[SuiteResult]) -> Verdict:
    if gate.sequential:
        return grounded(gate, base, check_in_order(gate, base, candidate))
    if gate.over == "base":
        return grounded(gate, base, gate.check(Comparison(base, candidate)))
    best = best_prompt(gate.metric, [base, *prompted])
    verdict = grounded(gate, best, gate.check(Comparison(best, candidate)))
    worth = "; prompting alone comes as far, the adapter is not worth it" if verdict.outcome is Outcome.FAIL else ""
    return replace(
        verdict, reason=f"over {best.model}, the best of {1 + len(prompted)} prompts: {verdict.reason}{worth}"
    )


def shown(verdict: Verdict, gates: Sequence[object]) -> Verdict:
    """`verdict` as it counts: that of a suite without `gates` is for reading only, so it is advisory."""
    return verdict if gates else replace(verdict, advisory=True)


def with_unused(verdict: Verdict, unused: int) -> Verdict:
    """The verdict, saying where it is INCONCLUSIVE that so many rows of the suite were left out by `--limit`."""
    if verdict.outcome is not Outcome.INCONCLUSIVE or not unused:
        return verdict
    said = f"you have {unused:,} unused rows: drop --limit, or plan with --on-inconclusive extend"
    return replace(verdict, reason=f"{verdict.reason}; {said}")


def undecided(  # noqa: PLR0913  # the fields of a verdict that is not there
    outcome: Outcome, gate: Gate | None, *, suite: str, model: str, metric: str, n: int, reason: str
) -> Verdict:
    """A verdict without a measurement: INVALID or NOT_RUN."""
    return Verdict(
        outcome=outcome,
        suite=suite,
        gate=str(gate) if gate else "measured",
        model=model,
        metric=gate.metric if gate else metric,
        observed=None,
        required=gate.required if gate else 0.0,
        n=n,
        reason=reason,
        advisory=gate.advisory if gate else False,
    )
