"""One line that shows how far a measurement is, on a terminal; nothing anywhere else."""

import time

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

    def __call__(self, model: str, suite: str, done: int, total: int) -> None:
        """Show `done` of `total` answers of `model` on `suite`."""
        now = time.monotonic()
        if self._reporter is None or not self._reporter.isatty or (done < total and now - self._drawn < REDRAW_S):
            return
        self._drawn = now
        line = "" if done == total else f"{model} · {suite}: {done:,} of {total:,} answers"
        if self._capture is None:
            self._reporter.rewrite(line, erase=True)
            return
        with self._capture.global_and_fixture_disabled():
            self._reporter.rewrite(line, erase=True)
