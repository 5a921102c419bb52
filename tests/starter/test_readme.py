"""The README's path from rows to a verdict, run as it stands there, from an empty folder."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.starter.split import LEAST
from harness.starter.thresholds import rate_for
from tests.starter.made import ROOT, SCHEMA, plain_postings, write

PROGRAMS = {"tunegate": ["harness.cli"], "pytest": ["pytest"], "python": []}
"""What each first word stands for: modules, so that no environment needs to be active."""


def commands():
    """The lines after `$` in the README's section."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Your own project in five minutes")[2].partition("\n## ")[0]
    return re.findall(r"^\$ (.+)$", section, re.MULTILINE)


def run(line, folder):
    """One line of the README; `cd` changes the folder that is returned."""
    program, *words = shlex.split(line)
    if program == "cd":
        return folder / words[0], None
    module = PROGRAMS[program]
    command = [sys.executable, *(["-m", *module] if module else []), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return folder, subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def begin(folder, rows):
    """What the section says a user has."""
    write(folder / "rows.jsonl", plain_postings(rows))
    shutil.copy(SCHEMA, folder / "schema.json")


def test_the_path_begins_with_init_and_ends_with_a_verified_run():
    """The commands that are tested below are there, in the order of use."""
    assert [line.split()[:2] for line in commands()] == [
        ["tunegate", "init"],
        ["cd", "gate"],
        ["tunegate", "audit"],
        ["python", "-m"],
        ["pytest", "suites/"],
        ["tunegate", "verify"],
        ["tunegate", "runs"],
    ]


def test_the_path_reaches_the_training(tmp_path):
    """Up to the training every command of the README ends with 0."""
    begin(tmp_path, 120)
    folder = tmp_path
    for line in commands()[:3]:
        folder, done = run(line, folder)
        assert done is None or done.returncode == 0, done.stdout + done.stderr


@pytest.mark.demo
def test_the_path_leads_to_a_verdict(tmp_path):
    """With 400 rows the embedded base is trained and gated; the run passes, verifies, and is listed."""
    begin(tmp_path, 400)
    folder, said = tmp_path, {}
    for line in commands():
        folder, done = run(line, folder)
        if done is not None:
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            said[line] = done.stdout
    run_json = json.loads((folder / "runs/first/run.json").read_text(encoding="utf-8"))
    assert run_json["outcome"] == "PASS"
    assert {verdict["suite"] for verdict in run_json["verdicts"]} == {
        *("valid_json", "exact_match", "forgetting", "regression"),
    }
    assert (folder / "runs/first/report.html").is_file()
    assert "PASS" in said["tunegate runs"]


def test_the_guide_tells_the_limits_that_init_takes():
    """Every line of the table in docs/own_project.md is what so many rows get."""
    text = (ROOT / "docs/own_project.md").read_text(encoding="utf-8")
    table = [(int(n), int(rate) / 100) for n, rate in re.findall(r"^\| (\d+) \| (\d+) % \|$", text, re.MULTILINE)]
    assert [rate for _, rate in table] == [0.6, 0.7, 0.8, 0.85, 0.9, 0.95]
    assert [rate_for("m", n) for n, _ in table] == [rate for _, rate in table]
    assert f"At least {2 * LEAST} different rows are needed" in text


def test_every_file_of_the_guide_is_written(tmp_path):
    """The table of files names what `init` writes, with and without a schema."""
    text = (ROOT / "docs/own_project.md").read_text(encoding="utf-8")
    table = text.partition("## What is written")[2].partition("\nRows may have")[0]
    named = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    begin(tmp_path, 120)
    run(commands()[0], tmp_path)
    written = {
        str(path.relative_to(tmp_path / "gate")) for path in Path(tmp_path / "gate").rglob("*") if path.is_file()
    }
    assert named - written == {"suites/test_output_health.py"}
    assert {name for name in written - named if not name.startswith(("suites/data/", "data/general"))} == set()
