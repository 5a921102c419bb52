"""What a verdict stands on besides its interval: enough examples, and a base that let it come out otherwise.

An interval knows chance. It does not know that thirty rows are whatever was at hand, nor that a base which is right on
nothing cannot lose anything, so that every candidate passes.
"""

from dataclasses import replace

from harness.compare import estimate
from harness.gates import Gate
from harness.types import Outcome, SuiteResult, Verdict

__all__ = ["grounded"]


def grounded(gate: Gate, base: SuiteResult, verdict: Verdict) -> Verdict:
    """The verdict, unless it is a PASS that stands on nothing.

    It is INCONCLUSIVE then: with fewer examples than `gate.min_n`; and where the base scores no more than the drop that
    is allowed, for such a gate cannot fail, unless a gain is shown, which rules out any drop. A base too good for the
    gain that is asked for changes no verdict, but the reason says so.

    Args:
        gate: what was asked.
        base: what the candidate was compared with; the candidate itself for an absolute gate.
        verdict: what `gate` says.
    """
    if verdict.observed is None:
        return verdict
    level = 0.0 if gate.absolute else estimate(base, gate.metric).value
    if gate.kind == "gain" and level > 1 - gate.limit:
        room = f"the base scores {level:.1%}, so no candidate can gain more than {100 * (1 - level):.1f} points"
        return replace(verdict, reason=f"{verdict.reason}; no headroom: {room}")
    if verdict.outcome is not Outcome.PASS:
        return verdict
    if gate.kind == "drop" and level <= gate.limit and verdict.observed.low <= 0:
        floor = f"the base scores {level:.1%}, so this gate cannot fail; compare with a base that has something to lose"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{verdict.reason}; but {floor}")
    if verdict.n < gate.min_n:
        few = f"{verdict.n} examples are too few to pass, min_n asks for {gate.min_n}"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, needed=gate.min_n, reason=f"{verdict.reason}; but {few}")
    return verdict
