"""The verdict table for a terminal. Text of others is shown as text: never as markup, never as a control sequence."""

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.types import Outcome, Verdict
from reports.document import Document
from reports.headline import absolute
from reports.load import verdict
from reports.numbers import count, interval, percent, percent_interval, points
from reports.texts import visible

__all__ = ["print_verdicts", "verdict_table"]

_STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.INVALID: "magenta",
    Outcome.NOT_RUN: "magenta",
    Outcome.CUT: "dim",
}
_WIDTH_OF_A_FILE = 120
_ANY_WIDTH = 10_000
_STRICTER = "bounds are wider than 95% where a gate shares its error between looks or candidates, as its reason says"


def print_verdicts(run_json: Mapping[str, Any], *, file: TextIO, color: bool) -> None:
    """Print the verdicts of a run and the outcome of the whole; pytest itself shows the reasons.

    Args:
        run_json: the content of run.json.
        file: where to; 120 columns wide unless it is a terminal, so that logs do not depend on who reads them.
        color: whether to colour the outcomes; the words say it all either way.

    Raises:
        BadRunDirectory: a verdict is malformed.
    """
    document = Document("run.json", run_json)
    verdicts = tuple(verdict(item) for item in document.list_of("verdicts"))
    console = Console(
        file=file,
        width=None if file.isatty() else _WIDTH_OF_A_FILE,
        color_system="auto" if color else None,
        force_terminal=True if color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as printed:
        table = verdict_table(verdicts)
        fits = console.measure(table, options=console.options.update_width(_ANY_WIDTH)).maximum <= console.width
        console.print(table if fits else Text("\n").join(map(_stacked, verdicts)), soft_wrap=not fits)
        if _shares_error(run_json):
            console.print(Text(_STRICTER))
        tail = " (partial: not a verdict to ship on)" if document.flag("partial") else ""
        console.print(Text("outcome: "), _outcome(Outcome(document.text("outcome"))), Text(tail), sep="")
    encoding = getattr(file, "encoding", None) or "utf-8"  # a log in ASCII must not cost the verdict
    file.write(printed.get().encode(encoding, "replace").decode(encoding))


def _shares_error(run_json: Mapping[str, Any]) -> bool:
    """Whether gates of the run had several chances, and decided each at less than the whole error."""
    plan = run_json.get("plan", {})
    spends = plan.get("options", {}).get("attempts") == "spend"
    return spends or any(suite.get("first") is not None for suite in plan.get("suites", ()))


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """One line a gate: outcome, where, what was observed with its bounds, and the examples it rests on."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("outcome", "suite", "gate", "model"):
        table.add_column(title, overflow="fold")
    for title in ("observed", "95% bounds", "n", "gained", "lost"):
        table.add_column(title, justify="right", no_wrap=True)
    for each in verdicts:
        numbers = (*_observed(each), count(each.n), _optional(each.gained), _optional(each.lost))
        table.add_row(_weighed(each), _text(each.suite), _text(each.gate), _text(each.model), *map(Text, numbers))
    return table


def _stacked(verdict: Verdict) -> Text:
    """A gate on a terminal that is too narrow for the table: what it is on one line, its numbers on the next."""
    where = _text(f"  {verdict.suite} · {verdict.gate} · {verdict.model}")
    value, bounds = _observed(verdict)
    numbers = [value, f"95% bounds {bounds}" if bounds else "", f"n {count(verdict.n)}"]
    flips = (("gained", verdict.gained), ("lost", verdict.lost))
    numbers += [f"{what} {count(number)}" for what, number in flips if number is not None]
    return Text.assemble(_weighed(verdict), where, "\n  ", ", ".join(filter(None, numbers)))


def _observed(verdict: Verdict) -> tuple[str, str]:
    seen = verdict.observed
    if seen is None:
        return "not measured", ""
    if absolute(verdict):
        return percent(seen.value), percent_interval(seen.low, seen.high)
    return f"{points(seen.value)} pts", interval(seen.low, seen.high)


def _optional(number: int | None) -> str:
    return "" if number is None else count(number)


def _weighed(verdict: Verdict) -> Text:
    """The outcome, and whether the run's own rests on it."""
    return _outcome(verdict.outcome).append(" (advisory)" if verdict.advisory else "")


def _outcome(outcome: Outcome) -> Text:
    return Text(outcome.value, style=_STYLES[outcome])


def _text(words: str) -> Text:
    return Text(visible(words).replace("\n", "␊"))
