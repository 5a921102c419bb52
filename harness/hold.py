"""What pinned cases make of a verdict: each one holds by itself, where the pool's gate allows for chance.

Rows carry all of it in their tags, so that a run and `verify` see the same.
"""

from dataclasses import replace

from harness.compare import scores
from harness.types import Example, Outcome, Row, SuiteResult, Verdict

__all__ = ["BROKE", "EXPIRED", "PINNED", "WAIVED", "hold_pinned", "is_pinned", "waivers", "without_pinned"]

PINNED = "pinned"
"""First tag of every pinned case."""
BROKE = "first broken in run "
"""How the tag begins that says in which run a case was first known to be broken."""
WAIVED = "waived until "
"""How the tag of a case begins whose waiver is in force."""
EXPIRED = "waiver expired "
"""How the tag of a case begins whose waiver is not in force any more."""


def is_pinned(row: Example | Row) -> bool:
    """Whether a row is a pinned case."""
    return PINNED in row.tags[:1]


def without_pinned(result: SuiteResult) -> SuiteResult:
    """The pool's rows alone: what a gate's interval is about."""
    return replace(result, rows=tuple(row for row in result.rows if not is_pinned(row)))


def hold_pinned(verdict: Verdict, base: SuiteResult, candidate: SuiteResult) -> Verdict:
    """The pool's `verdict`, made FAIL by any pinned case that the candidate breaks and no waiver excuses.

    A case is broken when the base scores 1 on it and the candidate does not, or has no score. Waived ones are named
    and counted in the reason.

    Raises:
        NotMeasured: a row lacks the metric, or its score is no number in [0, 1].
    """
    now = dict(zip((row.id for row in candidate.rows), scores(candidate, verdict.metric), strict=True))
    pinned = [
        (row, value) for row, value in zip(base.rows, scores(base, verdict.metric), strict=True) if is_pinned(row)
    ]
    broken = [row for row, value in pinned if value == 1.0 and now.get(row.id) != 1.0]
    waived = [row for row in broken if waivers(row, WAIVED)]
    said = [f"{len(pinned)} pinned cases: {len(broken)} broken, {len(waived)} of them waived"]
    said += [f"{row.id} is {tag}" for row in waived for tag in waivers(row, WAIVED)]
    guilty = [f"{row.id} ({', '.join(row.tags[1:])})" for row in broken if row not in waived]
    if not guilty:
        return replace(verdict, reason="; ".join([verdict.reason, *said]))
    said.insert(1, f"not waived: {', '.join(guilty[:3])}{' and more' if len(guilty) > 3 else ''}")  # noqa: PLR2004
    outcome = verdict.outcome if verdict.outcome is Outcome.INVALID else Outcome.FAIL
    return replace(verdict, outcome=outcome, needed=None, reason="; ".join([*said, f"of the pool: {verdict.reason}"]))


def waivers(row: Example | Row, *starts: str) -> list[str]:
    """Those tags of a row that begin so."""
    return [tag for tag in row.tags[1:] if tag.startswith(starts)]
