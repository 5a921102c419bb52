"""The part of the audit that every training begins with: quick, on the very rows that it will learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.audit.findings import LIMITS, Finding, broken, in_order, rows_by_kind
from harness.audit.held_out import held_out
from harness.audit.inspection import contents_digest, within
from harness.audit.leakage import leaks
from harness.audit.rows import rows_of
from harness.audit.side import Side
from harness.errors import BadExamples
from harness.fingerprint import digest
from harness.forms import TrainRow
from harness.types import Json

__all__ = ["Preflight", "preflight"]


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found before training, for the adapter's folder.

    Attributes:
        digest: of the rows, the suites they were compared with, and what was found.
        counts: rows at fault by kind.
        suites: that were compared.
        accepted: whether findings beyond their limits were trained on deliberately.
    """

    digest: str
    counts: dict[str, int]
    suites: tuple[str, ...]
    accepted: bool


def preflight(rows: Sequence[TrainRow], name: str, *, against: Path | None = None, accept: bool = False) -> Preflight:
    """Look for duplicates, conflicts and empty answers, and with `against` for leaks into suites.

    Args:
        rows: that will be learned from.
        name: of their file, for people.
        against: folder of suites, suite file, or rows of another split.
        accept: go on whatever is found.

    Raises:
        BadExamples: a limit is broken, and `accept` is False.
        UsageProblem: `against` cannot be read.
    """
    own = rows_of(rows)
    held = held_out(against) if against else ()
    found = within(own)
    if held:
        asked, said = Side.of([row.question for row in own]), Side.of([row.answer for row in own])
        found += [finding for each in leaks(own, asked, said, held) for finding in each.findings]
    found = list(in_order(found))
    over = broken(found, LIMITS)
    if over and not accept:
        raise BadExamples(_refusal(name, over, found, against))
    told: list[Json] = [[each.kind, list(each.rows), each.how, each.message] for each in found]
    data = digest([[[dict(turn) for turn in row.prompt], row.answer, row.rejected] for row in rows])
    compared: list[Json] = [[each.name, [example.id for example in each.examples]] for each in held]
    return Preflight(
        digest=contents_digest(data, compared, LIMITS, told),
        counts=rows_by_kind(found),
        suites=tuple(each.name for each in held),
        accepted=bool(over),
    )


def _refusal(name: str, over: dict[str, tuple[int, int]], found: Sequence[Finding], against: Path | None) -> str:
    counted = ", ".join(f"{rows} {kind}" for kind, (rows, _) in over.items())
    first = next(finding for finding in found if finding.kind in over and finding.decides)
    where = f"row {first.rows[-1]}: {first.message}" if first.rows else first.message
    compare = f" --against {against}" if against else ""
    return (
        f"{name}: the audit found {counted} ({where}); `tunegate audit {name}{compare}` shows all; mend them, or set "
        'audit = "accept" to train on them as they are'
    )
