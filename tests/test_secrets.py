"""A key that is in the environment, or on the command line, is in nothing that a run leaves behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.playground import make_model, make_suite

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
CANARY = "sk-canary-7f3a9c51d2e84b06"
NAMES = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "GITHUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "WANDB_API_KEY",
    "TUNEGATE_JUDGE_KEY",
    "DATABASE_PASSWORD",
    "HTTPS_PROXY",
    "PIP_INDEX_URL",
    "MY_CREDENTIALS",
)


def run(root, *args):
    """The gate in a process of its own, with the canary in twelve variables."""
    planted = dict.fromkeys(NAMES, CANARY) | {"HTTPS_PROXY": f"http://me:{CANARY}@127.0.0.1:9"}
    environment = os.environ | planted | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *args]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    (root / "said.txt").write_text(done.stdout + done.stderr)
    return done.returncode


def leaks(root):
    """Every file that holds the canary."""
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


@pytest.fixture
def repo(tmp_path):
    """A repository with a good and a crashing adapter, whose error shows the engine's own words."""
    make_suite(tmp_path, rows=120)
    for name, rule in {
        "base": {"right": 110},
        "good": {"right": 115},
        "bad": {"right": 60, "crash": "no memory"},
    }.items():
        make_model(tmp_path / name, **rule)
    return tmp_path


def test_a_key_in_the_environment_is_in_no_artefact(repo):
    """Plan, records, receipt, store, JUnit file, report and everything that was printed, of a green and a red run."""
    gate = ("pytest", "suites", "--model", "base", "--adapter", "good")
    assert run(repo, *gate, "--run-dir", "green", "--junitxml", "junit.xml") == 0
    assert leaks(repo) == []
    assert run(repo, *gate, "--adapter", "bad", "--run-dir", "red") == 11
    assert leaks(repo) == []
    assert run(repo, "harness.cli", "report", "green") == 0
    assert (repo / "green" / "report.html").exists()
    assert leaks(repo) == []


def test_a_key_on_the_command_line_is_redacted(repo):
    """The plan keeps the command, for people, without the values of options that sound like secrets."""
    gate = ("pytest", "suites", "--model", "base", "--adapter", "good", "-o", f"api_key={CANARY}")
    assert run(repo, *gate, "--run-dir", "run") in {0, 4}
    assert leaks(repo) == []


def test_a_leak_would_be_seen(repo):
    """The search above can fail."""
    (repo / "deep").mkdir()
    (repo / "deep" / "file.bin").write_bytes(b"\0" + CANARY.encode())
    assert leaks(repo) == ["deep/file.bin"]
