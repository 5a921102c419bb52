"""The reports' part of the pytest side: writes the page and prints the verdicts. Imports nothing heavy until asked.

A conftest.py names it beside harness.plugin: `pytest_plugins = ["harness.plugin", "reports.plugin"]`.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["pytest_tunegate_report", "pytest_tunegate_verdicts"]


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


def pytest_tunegate_verdicts(run_dir: Path, run: Mapping[str, Any], color: bool) -> bool:  # noqa: FBT001  # a hook's arguments are named
    """Show the verdict table at the end of the terminal's output, and what stands behind each FAIL."""
    from reports.telling import print_telling
    from reports.terminal import print_verdicts

    print_verdicts(run, file=sys.stdout, color=color)
    print_telling(run_dir, file=sys.stdout)
    return True
