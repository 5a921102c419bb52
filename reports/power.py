"""The table of `tunegate power`, and what an earlier run tells it."""

import io
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.power import Assumed, GatePower, PlanPower
from harness.stats import shrunk_share
from harness.types import Outcome, Verdict
from reports.load import load
from reports.numbers import count, percent, points

__all__ = ["as_text", "measured_by"]

_WIDTH = 130
_LOW = 0.80


def as_text(found: PlanPower) -> str:
    """A table with one line a gate, and what it means, for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("suite", "gate"):
        table.add_column(title, overflow="fold")
    for title in ("rows", "discordant", "if the truth is", "passes", "detectable", "80 % needs", "95 % needs"):
        table.add_column(title, justify="right")
    for each in found.gates:
        table.add_row(*_cells(each))
    out = io.StringIO()
    Console(file=out, width=_WIDTH, color_system=None, markup=False, emoji=False, highlight=False).print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    lines.append(
        f"all gates pass: {percent(found.joint)} if they err independently, at least {percent(found.least)} in any case"
    )
    if weak := [each for each in found.gates if each.power < _LOW and not each.advisory]:
        names = ", ".join(f"{each.suite} {each.gate}" for each in weak)
        lines.append(f"weak: {names}: a good candidate will often end INCONCLUSIVE; add rows or widen the limit")
    if clustered := [each for each in found.gates if each.units < each.n]:
        first = clustered[0]
        lines.append(f"rows that share a source count as one: {first.suite} has {count(first.units)} independent ones")
    return "\n".join(lines)


def measured_by(run_dir: Path) -> dict[tuple[str, str], Assumed]:
    """Discordance and effect that the gates of a finished run saw, by suite and gate; of the first model that has them.

    An effect on the wrong side of its limit is left out, for there is nothing to find there.

    Raises:
        BadRunDirectory: it holds no finished run.
    """
    found: dict[tuple[str, str], Assumed] = {}
    for verdict in load(run_dir).verdicts:
        if verdict.outcome not in (Outcome.INVALID, Outcome.NOT_RUN, Outcome.CUT):
            found.setdefault((verdict.suite, verdict.gate), _seen(verdict))
    return found


def _seen(verdict: Verdict) -> Assumed:
    effect = None if verdict.observed is None else verdict.observed.value - verdict.required
    share = None
    if verdict.gained is not None and verdict.lost is not None:
        share = shrunk_share(verdict.gained + verdict.lost, verdict.read or verdict.n)
    return Assumed(share, effect if effect is not None and effect > 0 else None)


def _cells(each: GatePower) -> tuple[str, ...]:
    paired = each.discordance is not None
    return (
        each.suite,
        f"{each.gate}{' (advisory)' if each.advisory else ''}",
        count(each.n),
        percent(each.discordance) if each.discordance is not None else "",
        f"{points(each.truth)} points" if paired else percent(each.truth),
        percent(each.power),
        f"{100 * each.detectable:.1f} points",
        *("no number" if needed is None else count(needed) for needed in each.needed),
    )
