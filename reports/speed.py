"""The table of `tunegate speed`."""

import io
import statistics
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from harness.speed import Speed
from harness.stopwatch import Figure, Timing
from harness.types import Estimate

__all__ = ["as_text"]

_WIDTH = 130


def as_text(found: Speed) -> str:
    """One line for each way of asking, figure and model, and what was asked, for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("asked", "figure", "model"):
        table.add_column(title, overflow="fold")
    for title in ("median", "rounds", "of the base (95 %)", "more than the base (95 %)"):
        table.add_column(title, justify="right")
    for timing in found.timings:
        table.add_row(*_cells(timing))
    out = io.StringIO()
    Console(file=out, width=_WIDTH, color_system=None, markup=False, emoji=False, highlight=False).print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    base, middle = found.models[0], statistics.median(found.prompt_tokens)
    held = "" if base.quantization == "none" else f", held as {base.quantization}"
    lines.append(
        f"{len(found.prompt_tokens)} prompts of {found.suite}, {middle:g} tokens in the middle; "
        f"{found.pace.tokens} tokens an answer; {found.pace.rounds} rounds in turn; "
        f"{base.dtype}{held} on {found.policy['device']}; nothing was gated"
    )
    return "\n".join(lines)


def _cells(timing: Timing) -> tuple[str, ...]:
    return (
        timing.asking.value,
        timing.figure.value,
        timing.model,
        f"{_number(timing.median, timing.figure)} {_unit(timing.figure)}",
        f"{_number(min(timing.rounds), timing.figure)} to {_number(max(timing.rounds), timing.figure)}",
        _interval(timing.ratio, lambda value: f"{value:.2f}"),
        _interval(timing.more, lambda value: _number(value, timing.figure, signed=True)),
    )


def _interval(found: Estimate | None, write: Callable[[float], str]) -> str:
    return f"{write(found.value)} ({write(found.low)} to {write(found.high)})" if found else ""


def _number(value: float, figure: Figure, *, signed: bool = False) -> str:
    """Milliseconds with one decimal, and tokens a second with one, thousands apart."""
    text = f"{1000 * value if figure is Figure.FIRST else value:{'+' if signed else ''},.1f}"
    return text.replace("-", "−")


def _unit(figure: Figure) -> str:
    return "ms" if figure is Figure.FIRST else "tokens/s"
