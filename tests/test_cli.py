"""The command line: teaches, verifies in a process of its own, and says one line when something is wrong."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
import typer

import trainers.__main__ as trainer
from harness import cli, session
from harness.cli import verify
from harness.panels import PANELS, arrange
from tests.playground import finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository with a base that passes its gates, and a bad adapter."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path)
    make_model(pytester.path / "base", right=360)
    make_model(pytester.path / "bad", right=300)
    return pytester


def tunegate(*args, code=""):
    """Run the command line from the project's root."""
    start = [
        "-c",
        f"import sys; sys.argv[0] = 'tunegate'\nfrom harness.cli import main\ntry: main()\nfinally:\n  {code}",
    ]
    command = [sys.executable, *(start if code else ["-m", "harness.cli"]), *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [([], 0, "verified: PASS"), (["--adapter", "bad"], 1, "verified: FAIL"), (["--limit", "5"], 11, "REFUSED")],
)
def test_verify_ends_with_the_outcome(repo, args, code, said):
    """The exit code is the run's own, and 11 for a partial run."""
    run_gate(repo, *args)
    done = tunegate("verify", finished_run(repo)[0])
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_verify_accepts_a_partial_run_when_told_to(repo):
    """--allow-partial gives the outcome of what was run, and says that it is partial."""
    run_gate(repo, "-k", "exact_match")
    run_gate(repo, "--limit", "300", "--run-dir", "part")
    done = tunegate("verify", repo.path / "part", "--allow-partial")
    assert (done.returncode, "(partial)" in done.stdout) == (0, True)


def test_verify_says_what_disagrees(repo):
    """An edited record ends with 11 and is named."""
    run_gate(repo)
    run_dir, _ = finished_run(repo)
    record = run_dir / "records" / "asks--base.jsonl"
    record.write_text(record.read_text().replace('"value": 0.0', '"value": 1.0', 1))
    done = tunegate("verify", run_dir)
    assert done.returncode == 11
    assert "DISAGREES records/asks--base.jsonl: differs from the receipt" in done.stderr
    assert "REJECTED: INVALID" in done.stdout


def test_verify_recomputes_rather_than_believes(repo):
    """A forger who also mends the checksum is caught by the verdict that the records give."""
    import hashlib

    run_gate(repo, "--adapter", "bad")
    run_dir, run = finished_run(repo)
    record = run_dir / "records" / "asks--bad.jsonl"
    record.write_text(record.read_text().replace('"value": 0.0', '"value": 1.0'))
    run["receipt"]["records"]["records/asks--bad.jsonl"]["sha256"] = hashlib.sha256(record.read_bytes()).hexdigest()
    (run_dir / "run.json").write_text(json.dumps(run))
    done = tunegate("verify", run_dir)
    assert done.returncode == 11
    assert "exact_match of bad on asks is not what the records give" in done.stderr


@pytest.mark.parametrize("content", [None, {}, {"run.json": "{}"}, {"run.json": "{", "plan.json": "{}"}])
def test_verify_of_no_run_is_one_line_and_11(tmp_path, content):
    """No directory, no receipt and unreadable files are said in one line, without a traceback."""
    run_dir = tmp_path / "run"
    if content is not None:
        run_dir.mkdir()
        for name, text in content.items():
            (run_dir / name).write_text(text)
    done = tunegate("verify", run_dir)
    assert done.returncode == 11
    assert done.stderr.startswith(f"tunegate: {run_dir}: ")
    assert done.stderr.count("\n") == 1


def test_verify_needs_no_torch(repo):
    """Verification imports neither torch nor pytest."""
    run_gate(repo)
    heavy = "assert not {'torch', 'transformers', 'pytest', 'lm_eval'} & set(sys.modules)"
    done = tunegate("verify", finished_run(repo)[0], code=heavy)
    assert done.returncode == 0, done.stderr


def test_help_teaches():
    """--help says what the command is for and what its exit codes mean."""
    root, verify = (" ".join(tunegate(*args, "--help").stdout.split()) for args in ([], ["verify"]))
    assert "pytest suites/ --model BASE --adapter DIR" in root
    assert "10 INCONCLUSIVE" in verify
    assert "--allow-partial" in verify


@pytest.mark.parametrize("app", [cli.app, trainer.app], ids=["tunegate", "trainers"])
def test_help_loses_no_words(app):
    """What is in brackets would be taken for a style and not be shown."""

    def texts(command):
        yield from (each for each in (command.help, *(getattr(part, "help", "") for part in command.params)) if each)
        for below in getattr(command, "commands", {}).values():
            yield from texts(below)

    found = list(texts(typer.main.get_command(app)))
    assert len(found) > 10
    assert not [text for text in found if re.search(r"(?<!\\)\[[a-z/#]", text)]


def test_help_shows_the_path_in_order():
    """Commands stand in the order of use, each in a panel with a name, and three examples come last."""
    text = tunegate("--help").stdout
    path = ["init", "doctor", "plan", "audit", "train", "verify", "report", "card", "runs", "show", "power", "sheet"]
    assert [text.index(f"\n│ {name} ") for name in path] == sorted(text.index(f"\n│ {name} ") for name in path)
    assert [text.index(title[:40]) for title in PANELS] == sorted(text.index(title[:40]) for title in PANELS)
    assert text.rstrip().endswith("pytest suites/ --model embedded --adapter out/adapter")


def test_every_command_has_a_panel_of_its_own_choice():
    """None is left to `More`; a command that no panel names would be shown there, and not be lost."""
    app = typer.Typer()
    for callback in (test_help_teaches, verify):
        app.command()(callback)
    arrange(app)
    assert [command.rich_help_panel for command in app.registered_commands] == [list(PANELS)[1], "More"]
    assert "─ More ─" not in tunegate("--help").stdout


def test_train_is_the_trainer_in_a_process_of_its_own(tmp_path):
    """Arguments, help and exit code are the trainer's own."""
    wrong = tunegate("train", tmp_path / "nowhere.toml", "--out", tmp_path / "out")
    assert wrong.returncode == 2
    assert "nowhere.toml: cannot be read" in wrong.stderr
    assert "CONFIG" in tunegate("train", "--help").stdout
