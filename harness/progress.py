"""How far measuring and training are: a line that is redrawn on a terminal, elsewhere now and then one that stays."""

import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import pytest

__all__ = ["TerminalProgress"]

REDRAW_S = 0.2
"""Seconds between two drawings of the line."""
SAY_S = 30.0
"""Seconds between two lines that stay, where nothing can be redrawn."""
MINUTE, HOUR = 60, 3600


@dataclass(slots=True)
class _Pace:
    """One model on one suite: when it began, with how many answers from the store, and what was computed since.

    `shown` is the moment of the last line; `lines` counts them.
    """

    started: float
    stored: int
    shown: float
    tokens: int = 0
    lines: int = 0

    def rate(self, done: int, now: float) -> str:
        """Tokens per second where tokens were made, else answers per second; empty while nothing is known."""
        seconds = now - self.started
        if seconds <= 0 or done <= self.stored:
            return ""
        return (
            f", {self.tokens / seconds:,.0f} tokens/s" if self.tokens else f", {(done - self.stored) / seconds:,.1f}/s"
        )

    def left(self, done: int, total: int, now: float) -> str:
        """The time that the other answers take at this pace; empty while it is not known."""
        fresh = done - self.stored
        return f", {_duration((now - self.started) * (total - done) / fresh)} left" if fresh > 0 else ""


class TerminalProgress:
    """Callable with (model, suite, done, total, new tokens); shows one line, past pytest's capturing.

    On a terminal the line of each model and suite is redrawn, and stays when it is done. Elsewhere a line is written
    each 30 seconds, so that short runs say nothing and long ones are seen to go on. What the store knew is not told.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Take what is needed of a `pytest.Config`."""
        self._reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._paces: dict[tuple[str, str], _Pace] = {}

    @property
    def live(self) -> bool:
        """Whether lines can be redrawn."""
        return self._reporter is not None and bool(self._reporter.isatty)

    def say(self, line: str) -> None:
        """Print one line that stays, whatever is captured."""
        if self._reporter is not None:
            with self._uncaptured():
                self._reporter.ensure_newline()
                self._reporter.write_line(line)

    def draw(self, text: str) -> None:
        """Print text as it is, when there is a terminal."""
        if self._reporter is not None and self.live:
            with self._uncaptured():
                self._reporter.write(text, flush=True)

    def __call__(self, model: str, suite: str, done: int, total: int, tokens: int = 0) -> None:
        """Show `done` of `total` answers of `model` on `suite`; `tokens` more were made since the last call."""
        now = time.monotonic()
        pace = self._paces.setdefault((model, suite), _Pace(started=now, stored=done, shown=now))
        pace.tokens += tokens
        where = f"{model} · {suite}"
        if done >= total:
            del self._paces[model, suite]
            if done > pace.stored and (self.live or pace.lines):
                took = _duration(now - pace.started)
                self._show(f"{where}: {done - pace.stored:,} answers in {took}{pace.rate(done, now)}", pace, last=True)
        elif now - pace.shown >= (REDRAW_S if self.live else SAY_S) or (self.live and not pace.lines):
            pace.shown = now
            said = f"{where}: {done:,} of {total:,} answers{pace.rate(done, now)}{pace.left(done, total, now)}"
            self._show(said, pace)

    def _show(self, line: str, pace: _Pace, *, last: bool = False) -> None:
        """Redraw the line, and leave it when it is the last one; or write it where nothing can be redrawn."""
        first, pace.lines = not pace.lines, pace.lines + 1
        if self._reporter is None or not self.live:
            self.say(line)
            return
        with self._uncaptured():
            if first:
                self._reporter.ensure_newline()
            self._reporter.rewrite(line[: shutil.get_terminal_size().columns - 1], erase=True)
            if last:
                self._reporter.write("\n", flush=True)

    def _uncaptured(self) -> AbstractContextManager[None]:
        capture: AbstractContextManager[None] | None = self._capture and self._capture.global_and_fixture_disabled()
        return capture or nullcontext()


def _duration(seconds: float) -> str:
    """`12 s`, `3 min` or `2 h 05 min`."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes} min" if seconds < HOUR else f"{minutes // MINUTE} h {minutes % MINUTE:02d} min"
