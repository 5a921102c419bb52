"""Composition root of the pytest side: loads the gate, and ties the report to the end of a run."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["harness.plugin"]


def pytest_tunegate_report(run_dir: Path) -> str:
    """Write report.html in a process of its own: whatever goes wrong there cannot touch the verdict."""
    command = [sys.executable, "-m", "harness.cli", "report", str(run_dir)]
    done = subprocess.run(  # noqa: S603  # our own module, a list of words, no shell
        command, check=False, capture_output=True, text=True
    )
    if done.returncode == 0:
        return f"report: {run_dir / 'report.html'}"
    cause = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"NO REPORT: {cause}; the verdict stands, rebuild the report with: tunegate report {run_dir}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the verdict table above the last lines."""
    from harness.plugin import FINISHED

    if FINISHED in config.stash:
        from reports.terminal import print_verdicts

        _, run = config.stash[FINISHED]
        print_verdicts(run, file=sys.stdout, color=terminalreporter.hasmarkup)
