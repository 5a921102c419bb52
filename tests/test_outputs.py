"""Files that commands write where an option says: refused in one line before any work, and when the disk is full."""

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import UsageProblem
from harness.outputs import write_output

WORDS = {
    "audit --json": ["rows.jsonl", "--json"],
    "audit --html": ["rows.jsonl", "--html"],
    "speed --json": ["suite.py", "--adapter", "lora", "--json"],
    "plan --json": ["train.toml", "--json"],
    "power --json": ["suites", "--json"],
    "aa --json": ["suites", "--json"],
    "compare --json": ["a", "b", "--json"],
    "history --out": ["runs", "--out"],
    "compare-sweeps --json": ["a", "b", "--json"],
    "runs --json": ["runs", "--json"],
    "calibrate-judge --json": ["--judge", "embedded", "--labels", "labels.jsonl", "--json"],
    "card --out": ["run", "--model", "mine", "--out"],
    "sheet export --out": ["run", "--suite", "s", "--model", "mine", "--out"],
    "sheet score --json": ["sheet.csv", "--json"],
}
"""Commands that write a file, and what comes before its path; none of the other files is there."""


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize(
    ("path", "why"),
    [("nowhere/found.json", "its folder does not exist"), (".", "is a folder"), ("file/x.json", "its folder")],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(name, path, why, tmp_path, monkeypatch):
    """One line, exit code 2, and nothing was read: the missing inputs are not even complained about."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    *command, option = name.split()
    done = CliRunner().invoke(app, [*command, *WORDS[name], path])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"tunegate: {option} {path}: cannot be written ({why}")
    assert (done.stderr.count("\n"), done.stdout) == (1, "")


def test_every_such_option_is_tried():
    """An option that names a file to write, by these names or by its callback, stands in the list above."""
    found = set()

    def walk(command, names):
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, [*names, name])
        for parameter in command.params:
            if parameter.opts[0] in {"--json", "--html", "--out"}:
                found.add(" ".join([*names, parameter.opts[0]]))

    walk(get_command(app), [])
    assert isinstance(app, typer.Typer)
    assert found == set(WORDS)


def test_a_disk_that_is_full_is_one_line():
    """What no look beforehand can find is told when it happens."""
    from pathlib import Path

    with pytest.raises(UsageProblem, match=r"--json /dev/full: cannot be written \(No space left on device\)"):
        write_output(Path("/dev/full"), b"{}")
