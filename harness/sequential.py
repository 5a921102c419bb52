"""Early decisions: a gate that may look after every part of the rows, and stays as honest as one that waits.

The plan puts the rows into a seeded order before anything is measured, and says after how many of them the gate looks.
At each look it decides by evidence that is valid whenever one stops (`betting_mean`; for "any gain at all" on
right-or-wrong scores `gain_log_e`). The first look that decides is the verdict, and what was not read is said.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from harness.compare import Comparison, known_scores
from harness.errors import NotMeasured
from harness.gates import Finding, Gate, assumptions
from harness.stats import betting_mean
from harness.types import Outcome, SuiteResult, Verdict

__all__ = ["check_in_order", "decided", "joined", "looks"]

_LOOKS = 20
_SMALLEST_PART = 25


def looks(n: int) -> tuple[int, ...]:
    """After how many of `n` rows a sequential gate looks: 20 times, or after every 25 rows if those are fewer looks."""
    part = max(_SMALLEST_PART, ceil(n / _LOOKS))
    return (*range(part, n, part), n)


def check_in_order(gate: Gate, base: SuiteResult, candidate: SuiteResult) -> Verdict:
    """The verdict of the first look that decides; INCONCLUSIVE when none does. Its `read` says after how many rows.

    Args:
        gate: a sequential one.
        base: all planned rows of the base, in the plan's order.
        candidate: as many of the first rows as were measured; the base itself for a gate on the base alone.

    Raises:
        NotMeasured: the rows end before a look decides, and before the plan does.
        Incomparable: the rows are not the same.
    """
    planned = len(base.rows)
    for read in looks(planned):
        if read > len(candidate.rows):
            raise NotMeasured(
                f"suite {candidate.suite!r}, model {candidate.model!r}: {len(candidate.rows)} of {planned} rows were"
                f" read, and gate {gate} had not decided; rerun it"
            )
        verdict = _look(gate, _first(base, read), _first(candidate, read))
        if verdict.outcome is not Outcome.INCONCLUSIVE or read == planned:
            break
    left = f"; the other {planned - read} were not needed" if read < planned else ""
    said = f"{verdict.reason}; read {read} of {planned} rows in the plan's order{left}"
    return replace(verdict, n=planned, read=read, reason=said)


def decided(gates: Sequence[Gate], base: SuiteResult, candidate: SuiteResult) -> bool:
    """Whether every gate has passed or failed by the rows of `candidate`, so that no more need be measured."""
    try:
        outcomes = {check_in_order(gate, base, candidate).outcome for gate in gates}
    except NotMeasured:
        return False
    return outcomes <= {Outcome.PASS, Outcome.FAIL}


def joined(parts: Sequence[SuiteResult]) -> SuiteResult:
    """Measurements of one part of the rows after the other, as one; at least one."""
    return replace(
        parts[0],
        rows=tuple(row for part in parts for row in part.rows),
        seconds=sum(part.seconds for part in parts),
        fresh=sum(part.fresh for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _first(result: SuiteResult, count: int) -> SuiteResult:
    return replace(result, rows=result.rows[:count])


def _look(gate: Gate, base: SuiteResult, candidate: SuiteResult) -> Verdict:
    """The verdict on all of these rows."""
    try:
        if gate.absolute:
            unscored, counts = sum(row.score(gate.metric).value is None for row in candidate.rows), None
            lists = [[value for _, value in known_scores(candidate, gate.metric, a)] for a in assumptions(unscored)]
            found = [Finding(betting_mean(values, (0.0, 1.0), gate.confidence)) for values in lists]
        else:
            comparison = Comparison(base, candidate)
            counts = comparison.transitions(gate.metric)
            unscored = counts.unscored
            found = [_difference(gate, comparison.known(gate.metric, a)) for a in assumptions(unscored)]
    except NotMeasured as error:
        return gate.invalid(candidate, str(error))
    return gate.conclude(candidate, found, unscored, counts)


def _difference(gate: Gate, known: Sequence[tuple[str, float, float]]) -> Finding:
    """Bounds of the mean difference; whether there is any gain at all is for the e-value of the discordant pairs."""
    differences = [new - old for _, old, new in known]
    seen = betting_mean(differences, (-1.0, 1.0), gate.confidence)
    gained, lost = differences.count(1.0), differences.count(-1.0)
    binary = gained + lost + differences.count(0.0) == len(differences)
    any_gain = gate.kind == "gain" and gate.limit == 0 and binary
    return Finding(replace(seen, method="e-process") if any_gain else seen, gained, lost)
