"""What the base's own scores say about whether training is worth it, before anybody trains.

Looks at suites that ask for a gain: a base that has little left to gain, and one that cannot do the task at all.
"""

from collections.abc import Sequence

from harness.compare import estimate, scores
from harness.errors import NotMeasured
from harness.gates import Gate
from harness.types import SuiteResult

__all__ = ["CEILING", "cautions"]

CEILING = 0.90
"""From here on little is left to gain (base headroom)."""


def cautions(gates: Sequence[Gate], asked: Sequence[SuiteResult]) -> list[str]:
    """One sentence for each gate on a gain that the base's scores speak against.

    Args:
        gates: of one suite.
        asked: that suite on the base, and on the base asked otherwise (`--prompting`).

    Returns:
        `base headroom: ...` when the best of `asked` scores at least 0.90, or leaves less than the gate's gain;
        `capability absent: ...` when none of them gets a single example right, not even in part. Nothing for a metric
        that lacks a score.
    """
    found = []
    for gate in gates:
        try:
            found.append(_caution(gate, asked) if gate.kind == "gain" and asked else "")
        except NotMeasured:
            continue
    return [sentence for sentence in found if sentence]


def _caution(gate: Gate, asked: Sequence[SuiteResult]) -> str:
    best = max(asked, key=lambda result: estimate(result, gate.metric).value)
    rate = estimate(best, gate.metric).value
    if not any(value for result in asked for value in scores(result, gate.metric)):
        ways = ", ".join(result.model for result in asked)
        return (
            f"capability absent: {ways} gets {gate.metric} right on none of {len(best.rows)} examples; an adapter "
            "teaches form more easily than a missing ability, try a larger base"
        )
    if rate < min(CEILING, 1 - gate.limit):
        return ""
    return (
        f"base headroom: {best.model} scores {100 * rate:.1f} % on {gate.metric}, at most {100 * (1 - rate):.1f} "
        "points are left to gain; is an adapter worth it?"
    )
