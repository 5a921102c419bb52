"""How far measuring and training are: a line that is redrawn on a terminal, and lines that stay anywhere."""

import time
from contextlib import AbstractContextManager, nullcontext

import pytest

__all__ = ["TerminalProgress"]

REDRAW_S = 0.2


class TerminalProgress:
    """Callable with (model, suite, done, total); rewrites one line, past pytest's capturing."""

    def __init__(self, config: pytest.Config) -> None:
        """Take what is needed of a `pytest.Config`."""
        self._reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._drawn = 0.0

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

    def __call__(self, model: str, suite: str, done: int, total: int) -> None:
        """Show `done` of `total` answers of `model` on `suite`."""
        now = time.monotonic()
        if self._reporter is None or not self.live or (done < total and now - self._drawn < REDRAW_S):
            return
        self._drawn = now
        line = "" if done == total else f"{model} · {suite}: {done:,} of {total:,} answers"
        with self._uncaptured():
            self._reporter.rewrite(line, erase=True)

    def _uncaptured(self) -> AbstractContextManager[None]:
        capture: AbstractContextManager[None] | None = self._capture and self._capture.global_and_fixture_disabled()
        return capture or nullcontext()
