"""`tunegate audit`: what a person types, what a shell gets back, what is written."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from harness.cli import app
from tests.audit.made import ROOT, SYSTEM, chat_rows, postings, write_rows


def invoke(*arguments):
    """The command, in this process."""
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


@pytest.fixture
def clean(tmp_path):
    """Thirty clean rows."""
    return write_rows(tmp_path / "train.jsonl", postings(30))


def test_clean_rows_are_exit_code_0(clean, suites, base):
    """The terminal says what was counted, and that every limit is kept."""
    done = invoke(clean, "--against", suites, "--model", base)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "leaks into fields" in done.stdout
    assert done.stdout.endswith("audit: clean (train.jsonl keeps every limit.)\n")


def test_a_broken_limit_is_exit_code_1_and_told_everywhere(tmp_path, suites, base):
    """Terminal, JSON and page name the same rows, and nothing was taken out of the file."""
    leak = postings(40, "test")[3]
    data = write_rows(tmp_path / "train.jsonl", [*postings(30), leak])
    before = data.read_bytes()
    done = invoke(
        data, "--against", suites, "--model", base, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html"
    )
    assert done.exit_code == 1
    assert "leak: 1 (tolerated 0)\n  31: " in done.stdout
    assert "31: question is, word for word, the question of fields" in done.stdout
    said = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    leaks = [each for each in said["findings"] if each["kind"] == "leak"]
    assert {(tuple(each["rows"]), each["how"], each["side"], each["suite"]) for each in leaks} == {
        ((31,), "exact", side, "fields") for side in ("question", "answer")
    }
    assert {each["text"] for each in leaks if each["side"] == "question"} == {leak["input"][:160]}
    assert (said["outcome"], said["broken"]) == ("broken", {"leak": {"rows": 1, "limit": 0}})
    assert said["rows"] == 31
    assert {"p50", "p95"} <= said["tokens"]["total"].keys() & said["characters"]["answer"].keys()
    assert said["truncated_share"] == 0.0
    assert "Do not train on train.jsonl yet: 1 leak." in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert data.read_bytes() == before


def test_limits_are_adjustable(tmp_path, base):
    """What is tolerated is said on the command line, kind by kind; a max_length that is given is a limit too."""
    data = write_rows(tmp_path / "train.jsonl", [*postings(30), postings(30)[0]])
    assert invoke(data, "--model", base).exit_code == 1
    assert invoke(data, "--model", base, "--limit", "duplicate=1").exit_code == 0
    assert invoke(data, "--model", base, "--limit", "duplicate=off").exit_code == 0
    short = ("--limit", "duplicate=off", "--max-length", 150)
    assert "truncated" in invoke(data, "--model", base, *short).stdout
    assert invoke(data, "--model", base, *short).exit_code == 1
    assert invoke(data, "--model", base, *short, "--limit", "truncated=off").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["{clean}", "--against", "nowhere"], "nowhere: no such Python file"),
        (["{clean}", "--model", "./nowhere"], "./nowhere: no such folder"),
        (["{clean}", "--schema", "nowhere.json"], "--schema nowhere.json: no such file"),
        (["{clean}", "--system-file", "nowhere.txt"], "--system-file nowhere.txt: cannot be read"),
        (["{clean}", "--production", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["{clean}", "--limit", "leek=1"], "--limit leek=1: no such kind of finding; did you mean 'leak'?"),
        (["{clean}", "--model", "{base}", "--json", "nowhere/a.json"], "--json nowhere/a.json: cannot be written"),
        (["{clean}", "--model", "{base}", "--html", "nowhere/a.html"], "--html nowhere/a.html: cannot be written"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2_and_one_line(arguments, said, clean, base, monkeypatch, tmp_path):
    """A file, suite or option that is wrong is never a clean audit."""
    monkeypatch.chdir(tmp_path)
    done = invoke(*(each.format(clean=clean, base=base) for each in arguments))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"tunegate: {said}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_system_file_is_the_system_turn_of_rows_without_one(clean, suites, base, tmp_path):
    """Prompts are compared with the suite's when the system turn is the suite's; another one is told."""
    (tmp_path / "system.txt").write_text(f"{SYSTEM}\n")
    invoke(
        clean,
        "--against",
        suites,
        "--model",
        base,
        "--json",
        tmp_path / "a.json",
        "--system-file",
        tmp_path / "system.txt",
    )
    assert json.loads((tmp_path / "a.json").read_text())["parity"]["suites"] == ["fields"]
    drifted = write_rows(tmp_path / "chats.jsonl", chat_rows(postings(30), SYSTEM.replace("one", "a")))
    done = invoke(drifted, "--against", suites, "--model", base)
    assert "prompt: 30 (tolerated 0)" in done.stdout
    assert "it says 'a JSON object.' in place of 'one JSON object.'" in done.stdout


def test_the_command_needs_no_torch_to_refuse():
    """A mistyped file is answered at once."""
    code = "import sys\nfrom harness.cli import main\nsys.argv = ['tunegate', 'audit', 'nowhere.jsonl']\n"
    code += (
        "try: main()\nexcept SystemExit as end: print(end.code, 'torch' in sys.modules, 'datasketch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "2 False False\n"
