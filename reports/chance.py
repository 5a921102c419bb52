"""The p value behind a verdict, where there is one that says the same as the verdict does."""

from collections.abc import Mapping
from typing import Any

from harness.stats import paired_p, rate_p
from harness.types import Outcome, Verdict
from reports.headline import absolute
from reports.load import Run

__all__ = ["p_value", "p_words"]

_SMALL = 1e-4


def p_value(run: Run, verdict: Verdict) -> float | None:
    """One-sided p of "the limit is not kept", from the counts that the verdict rests on.

    None where the gate decides by something that has no such p (means over clusters, sequential looks, an error shared
    between candidates, rows without a score), and where something besides the numbers decided, such as a pinned case
    that broke, too few rows, or a base that is not like itself: a p that says otherwise than the verdict helps nobody.
    """
    seen, gate = verdict.observed, _gate(run, verdict)
    if seen is None or gate is None or verdict.read is not None or seen.n != verdict.n:
        return None
    if run.plan.get("options", {}).get("attempts") == "spend":
        return None
    if seen.method == "wilson" and absolute(verdict):
        found = rate_p(round(seen.value * seen.n), seen.n, verdict.required)
    elif seen.method == "tango" and verdict.gained is not None and verdict.lost is not None:
        gain = gate.get("min_gain") is not None
        found = paired_p(verdict.gained, verdict.lost, seen.n, verdict.required, gain=gain)
    else:
        return None
    shown = found <= (1 - gate["confidence"]) / 2
    return found if shown == (verdict.outcome is Outcome.PASS) else None


def p_words(p: float | None) -> str:
    """`0.0312`, `< 0.0001`, or a dash."""
    if p is None:
        return "–"
    return f"{p:.4f}" if p >= _SMALL else "< 0.0001"


def _gate(run: Run, verdict: Verdict) -> Mapping[str, Any] | None:
    """The gate as planned, when it is one that this version's plans describe."""
    for suite in run.plan["suites"]:
        for gate in suite["gates"] if suite["name"] == verdict.suite else ():
            if gate.get("text") == verdict.gate and isinstance(gate.get("confidence"), float):
                found: Mapping[str, Any] = gate
                return found
    return None
