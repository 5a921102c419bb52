"""How far a measurement is, on a terminal and in a log."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from harness import progress as module
from harness.progress import TerminalProgress
from tests.playground import make_model, make_suite


class Terminal:
    """A terminal reporter and a plugin manager in one, that remember what was written."""

    def __init__(self, *, isatty):
        self.isatty = isatty
        self.lines = []
        self.pluginmanager = self

    def get_plugin(self, name):
        """Only the reporter is there."""
        return self if name == "terminalreporter" else None

    def ensure_newline(self):
        """What pytest wrote before is ended."""
        self.lines.append("⏎")

    def rewrite(self, line, *, erase):
        """Remember the line."""
        assert erase
        self.lines.append(line)

    def write(self, text, *, flush):
        """Remember the text."""
        assert flush
        self.lines.append(text)

    def write_line(self, line):
        """Remember the line."""
        self.lines.append(line)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    moment = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: moment[0])
    return moment


def measure(terminal, clock, *, seconds, steps=4, stored=0):
    """100 answers of 5 tokens, in so many steps that take so long together."""
    shown = TerminalProgress(terminal)
    shown("base", "asks", stored, 100)
    for step in range(1, steps + 1):
        clock[0] += seconds / steps
        shown("base", "asks", stored + (100 - stored) * step // steps, 100, 5 * (100 - stored) // steps)
    return terminal.lines


def test_a_terminal_has_one_line_with_pace_and_time_left(clock):
    """It stands on a line of its own, is redrawn, and stays once it is done."""
    lines = measure(Terminal(isatty=True), clock, seconds=40)
    assert lines == [
        "⏎",
        "base · asks: 0 of 100 answers",
        "base · asks: 25 of 100 answers, 12 tokens/s, 30 s left",
        "base · asks: 50 of 100 answers, 12 tokens/s, 20 s left",
        "base · asks: 75 of 100 answers, 12 tokens/s, 10 s left",
        "base · asks: 100 answers in 40 s, 12 tokens/s",
        "\n",
    ]


def test_a_terminal_is_not_redrawn_too_often(clock):
    """A hundred steps of 10 ms draw at most six times, the last one included."""
    lines = measure(Terminal(isatty=True), clock, seconds=1, steps=100)
    assert 3 <= sum(line.startswith("base") for line in lines) <= 7
    assert lines[-2].startswith("base · asks: 100 answers in 1 s")


def test_a_log_gets_a_line_each_half_minute(clock):
    """Three minutes in steps of one second say less than ten lines; each stands by itself."""
    lines = measure(Terminal(isatty=False), clock, seconds=180, steps=180)
    said = [line for line in lines if line != "⏎"]
    assert said[0] == "base · asks: 16 of 100 answers, 2 tokens/s, 3 min left"
    assert 5 <= len(said) <= 7
    assert said[-1].startswith("base · asks: 100 answers in 3 min")


def test_a_log_of_a_short_run_is_quiet(clock):
    """Nothing is said of a measurement that takes less than half a minute."""
    assert measure(Terminal(isatty=False), clock, seconds=29) == []


@pytest.mark.parametrize("isatty", [True, False])
def test_answers_from_the_store_are_not_told(clock, isatty):
    """What was known before is no measurement, and does not make the pace look faster."""
    terminal = Terminal(isatty=isatty)
    TerminalProgress(terminal)("base", "asks", 100, 100)
    assert terminal.lines == []
    lines = measure(Terminal(isatty=True), clock, seconds=40, stored=80)
    assert lines[-2] == "base · asks: 20 answers in 40 s, 2 tokens/s"


def test_without_tokens_answers_are_counted(clock):
    """Likelihoods make no tokens; their pace is in answers."""
    terminal = Terminal(isatty=True)
    shown = TerminalProgress(terminal)
    shown("base", "facts", 0, 10)
    clock[0] += 2
    shown("base", "facts", 5, 10)
    assert terminal.lines[-1] == "base · facts: 5 of 10 answers, 2.5/s, 2 s left"


def test_two_measurements_have_a_line_each(clock):
    """The second suite does not draw over the first one's last line."""
    terminal = Terminal(isatty=True)
    shown = TerminalProgress(terminal)
    for suite in ("one", "two"):
        shown("base", suite, 0, 10)
        clock[0] += 1
        shown("base", suite, 10, 10, 10)
    assert [line.partition(":")[0] for line in terminal.lines] == [
        *("⏎", "base · one", "base · one", "\n"),
        *("⏎", "base · two", "base · two", "\n"),
    ]


def test_hours_are_hours(clock):
    """Long times are told in words that a person plans by."""
    terminal = Terminal(isatty=False)
    shown = TerminalProgress(terminal)
    shown("base", "asks", 0, 100)
    clock[0] += 3600
    shown("base", "asks", 10, 100, 10)
    assert terminal.lines[-1].endswith("9 h 00 min left")


def on_a_terminal(folder, *options):
    """What `pytest suites` writes when it is started in a terminal of 100 columns."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", "--adapter", "good", *options]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "100", "TERM": "dumb"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=follower, stderr=follower) as running:
        os.close(follower)
        said = b""
        while part := _read(leader):
            said += part
    os.close(leader)
    assert running.returncode == 0, said.decode()
    return said.decode().replace("\r\n", "\n")


def _read(leader):
    try:
        return os.read(leader, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


@pytest.mark.parametrize("options", [["-q"], ["-v"], ["-s"]])
def test_a_real_terminal_keeps_what_pytest_writes(tmp_path, options):
    """Quiet, verbose or uncaptured: the line begins at the margin, is redrawn in place, and nothing is drawn over."""
    make_suite(tmp_path)
    make_model(tmp_path / "base", right=380)
    make_model(tmp_path / "good", right=390)
    lines = on_a_terminal(tmp_path, "-p", "no:cacheprovider", *options).split("\n")
    for model in ("base", "good"):
        (drawn,) = [line for line in lines if f"{model} · asks: 400 answers in" in line]
        first, *others = drawn.split("\r")
        assert first == ""
        assert others[0].startswith(f"{model} · asks: 0 of 400 answers")
        assert all(part.startswith(f"{model} · asks: ") and len(part) < 100 for part in others)
    assert "2 passed" in lines[-2]
    if options == ["-v"]:
        assert sum("test_gate[" in line and "PASSED" in line for line in lines) == 2
