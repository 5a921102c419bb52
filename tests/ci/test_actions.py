"""The shell steps of the action, the workflows and the GitLab job, run with bash on a real gate."""

import json
import os
import re
import stat
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reports.publish.gate_file import read_gate_file, write_gate_file
from tests.ci.steps import commands, load_yaml, run_steps
from tests.playground import make_model, make_suite

ROOT = Path(__file__).parents[2]
GATE = load_yaml(ROOT / ".github" / "actions" / "gate" / "action.yml")
COMMENT = load_yaml(ROOT / ".github" / "actions" / "comment" / "action.yml")
GITLAB = load_yaml(ROOT / "docs" / "ci" / "gitlab-ci.yml")
HEAD = "89abcdef" * 5
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def repo(tmp_path):
    """A repository with a suite, a base, and adapters that pass, fail and crash the engine."""
    home = tmp_path / "repo"
    home.mkdir()
    make_suite(home, rows=120)
    for name, rule in {
        "base": {"right": 110},
        "good": {"right": 119},
        "bad": {"right": 40},
        "crash": {"right": 1, "crash": "no memory"},
    }.items():
        make_model(home / name, **rule)
    return home


def gate(repo, temp, **given):
    """The gate action's steps with these inputs."""
    defaults = {name: spec.get("default", "") for name, spec in GATE["inputs"].items()}
    inputs = {**defaults, "python": sys.executable, "model": "base", "suites": "suites", **given}
    context = {f"inputs.{name.replace('_', '-')}": text for name, text in inputs.items()} | {"github.sha": REVISION}
    return run_steps(
        GATE["runs"]["steps"], context, repo, temp=temp, variables={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    )


def test_a_green_gate_publishes_everything_and_ends_with_0(repo, tmp_path):
    """Summary, report, numbers and JUnit are there, the evidence only when asked for, and verify has the last word."""
    ran = gate(repo, tmp_path / "temp", adapter="good", args="--batch-size 16", key="mine")
    assert (ran.code, ran.outputs["outcome"]) == (0, "PASS")
    assert ran.summary.startswith("## ✓ tunegate: PASS\n")
    out = tmp_path / "temp" / "tunegate-mine"
    report, numbers = (given for _, given in ran.used)
    assert (report["archive"], Path(report["path"])) == ("false", out / f"gate-mine-{REVISION[:12]}.html")
    assert "<!doctype html>" in Path(report["path"]).read_text()
    assert numbers["name"] == "tunegate-mine"
    assert all(Path(line.strip()).is_file() for line in numbers["path"].splitlines())
    assert read_gate_file((out / "gate.json").read_bytes()).outcome == "PASS"
    assert len(list(ET.parse(out / "junit.xml").iter("testcase"))) == 2
    assert "verified: PASS" in ran.said
    assert commands(ran.said) == []


def test_a_red_gate_ends_red_and_still_publishes(repo, tmp_path):
    """Exit code 1, and the summary says FAIL; nothing between hides the code."""
    ran = gate(repo, tmp_path / "temp", adapter="bad", evidence="true", report="false")
    assert (ran.code, ran.outputs["outcome"]) == (1, "FAIL")
    assert ran.summary.startswith("## ✗ tunegate: FAIL\n")
    assert [given.get("name") for _, given in ran.used] == ["tunegate-default", "tunegate-evidence-default"]
    assert (Path(ran.used[1][1]["path"]) / "run.json").is_file()
    marked = [(each.name, each.properties["file"], each.message.partition(": ")[0]) for each in commands(ran.said)]
    assert marked == [("error", "suites/test_asks.py", "FAIL")] * 2


def test_a_gate_that_never_ran_is_red(repo, tmp_path):
    """A wrong option leaves no run: the summary says so, nothing is uploaded, and the job is INVALID."""
    ran = gate(repo, tmp_path / "temp", adapter="nowhere")
    assert (ran.code, ran.used) == (11, [])
    assert "No finished run: pytest ended with 4" in ran.summary
    assert [each.message for each in commands(ran.said)][:1] == ["no finished run: pytest ended with 4"]


def test_what_an_engine_says_is_no_command_to_the_runner(repo, tmp_path):
    """Text of a model in the log can neither forge an annotation, nor set an output, nor silence ours."""
    words = "##[set-output name=out]/elsewhere\n::error file=x::forged\n  ::add-mask::FAIL\n::stop-commands::x"
    make_model(repo / "loud", right=1, crash=words)
    ran = gate(repo, tmp_path / "temp", adapter="loud", report="false")
    assert ran.code == 11
    assert "##[set-output name=out]" in ran.said
    assert {(each.name, each.message.partition(": ")[0]) for each in commands(ran.said)} == {("error", "INVALID")}
    assert "forged" not in "".join(each.message for each in commands(ran.said))
    assert {each.name for each in commands(words)} == {"set-output", "error", "add-mask"}


@pytest.mark.parametrize(("key", "said"), [("A", "key must be 1 to 40 of"), ("mine", "key mine was used in this job")])
def test_a_key_that_is_none_or_taken_is_one_line(repo, tmp_path, key, said):
    """Nothing is measured, and what another gate of the job left stays."""
    taken = tmp_path / "temp" / "tunegate-mine"
    taken.mkdir(parents=True)
    (taken / "gate.json").write_text("of the first")
    ran = gate(repo, tmp_path / "temp", adapter="good", key=key)
    ((name, _, message),) = commands(ran.said)
    assert (ran.code, name, message.startswith(said)) == (4, "error", True)
    assert [path.name for path in taken.iterdir()] == ["gate.json"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"adapter": "good", "args": "-k drop"}, 11),  # partial: green for pytest, refused by verify
        ({"adapter": "crash"}, 11),
        ({"key": "a b; touch owned"}, 4),
        ({"adapter": "good; touch owned"}, 11),
        ({"adapter": "good", "args": "$(touch owned) `touch owned`"}, 11),
    ],
)
@pytest.mark.slow
def test_what_is_not_whole_or_not_plain_is_red(repo, tmp_path, given, code):
    """Partial and crashed runs are INVALID, and no input is run as shell."""
    assert gate(repo, tmp_path / "temp", **given).code == code
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.slow
def test_verify_has_the_last_word(repo, tmp_path):
    """Where pytest's code and the recomputed one differ, the job is red and says both."""
    shim = tmp_path / "python"
    shim.write_text(
        f'#!/bin/bash\nif [ "$2" = pytest ]; then "{sys.executable}" "$@"; exit 0; fi\nexec "{sys.executable}" "$@"\n'
    )
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    ran = gate(repo, tmp_path / "temp", adapter="bad", python=str(shim))
    assert ran.code == 1
    assert "::error::pytest ended with 0 and tunegate verify with 1" in ran.said


GH = """#!/bin/bash
set -euo pipefail
printf '%s\\n' "$*" >> "$GH_LOG"
case "$*" in
  *"--method GET repos/o/r/pulls "*) cat "$GH_PULLS" ;;
  *"--method GET --paginate repos/o/r/issues/7/comments"*) cat "$GH_COMMENTS" ;;
  *"--method PATCH"*|*"--method POST"*) for word in "$@"; do
      case $word in body=@*) cp "${word#body=@}" "$GH_BODY" ;; esac; done ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


GATE_JSON = """
{"schema_version": 1, "run": "000000000000", "finished_at": "2026-01-02T03:04:05+00:00", "outcome": "FAIL",
 "partial": false, "policy": "POLICY", "run_sha256": "POLICY", "gates": [
 {"suite": "asks", "metric": "asks", "gate": "asks>=0.9", "model": "mine", "outcome": "FAIL", "advisory": false,
  "n": 100, "base": 0.5, "candidate": 0.4, "observed": 0.4, "low": 0.3, "high": 0.5, "required": 0.9, "gained": null,
  "lost": null, "fingerprint": "POLICY"}]}
""".replace("POLICY", "a" * 64)


@pytest.fixture
def comment(tmp_path):
    """Runs the comment action's steps with a `gh` that notes what it is asked; returns what happened."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "gh"
    tool.write_text(GH)
    tool.chmod(0o755)
    file = json.loads(GATE_JSON)

    def run(*, pulls=f"7\t{HEAD}\n", comments="", change=lambda content: content, branch="topic", plant=None):
        folder = tmp_path / "temp" / "tunegate-artifact"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gate.json").unlink(missing_ok=True)
        if (content := change(json.loads(json.dumps(file)))) is not None:
            (folder / "gate.json").write_text(json.dumps(content))
        if plant:
            plant(folder)
        (tmp_path / "pulls").write_text(pulls)
        (tmp_path / "comments").write_text(comments)
        event = {"head_repository.owner.login": "fork", "head_branch": branch, "head_sha": HEAD, "id": "99"}
        event |= {"html_url": "https://github.com/o/r/actions/runs/99"}
        context = {f"github.event.workflow_run.{key}": text for key, text in event.items()}
        context |= {"inputs.key": "default", "inputs.github-token": "t", "github.repository": "o/r"}
        context |= {"runner.temp": str(tmp_path / "temp"), "github.action_path": str(ROOT / ".github/actions/comment")}
        variables = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        variables["TMPDIR"] = str(tmp_path)
        variables |= {f"GH_{name.upper()}": str(tmp_path / name) for name in ("log", "pulls", "comments", "body")}
        (tmp_path / "log").write_text("")
        (tmp_path / "body").unlink(missing_ok=True)
        ran = run_steps(COMMENT["runs"]["steps"], context, tmp_path, temp=tmp_path / "temp", variables=variables)
        body = (tmp_path / "body").read_text() if (tmp_path / "body").exists() else ""
        return ran, (tmp_path / "log").read_text(), body

    return run


def test_the_first_comment_is_posted_to_the_pull_request_of_that_head(comment):
    """It is found by owner, branch and commit of the run, not by anything in the artifact."""
    ran, log, body = comment(pulls=f"6\tOTHER\n7\t{HEAD}\n")
    assert ran.code == 0, ran.said
    assert "head=fork:topic" in log
    assert "--method POST repos/o/r/issues/7/comments" in log
    assert body.startswith("<!-- tunegate:gate:default -->\n### ✗ tunegate: FAIL at `89abcdef89ab`\n")
    ((_, fetched),) = ran.used
    assert (fetched["run-id"], fetched["name"]) == ("99", "tunegate-default")


def test_the_second_comment_replaces_the_first(comment):
    """Only our own comment with this very marker is replaced; there is never a second one."""
    others = "1\tLooks good\n2\t<!-- tunegate:gate:other -->\n"
    _, log, body = comment(comments=f"{others}3\t<!-- tunegate:gate:default -->\n4\t<!-- tunegate:gate:default -->\n")
    assert "--method PATCH repos/o/r/issues/comments/3 " in log
    assert "POST" not in log
    assert "`asks>=0.9`" in body
    assert "--method POST" in comment(comments=others)[1]


def test_without_a_pull_request_nothing_is_written(comment):
    """A head that moved on, or a branch that has no pull request, ends green without a word to anybody."""
    ran, log, body = comment(pulls="7\tNEWER\n")
    assert (ran.code, body, "POST" in log, "PATCH" in log) == (0, "", False, False)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content | {"outcome": "PASS"},
        lambda content: content | {"body": "@maintainer"},
        lambda content: content | {"gates": [content["gates"][0] | {"model": "[x](https://evil.example)"}]},
        lambda content: content | {"gates": []},
        lambda _: "x",
        lambda _: None,
    ],
    ids=range(6),
)
def test_a_hostile_or_missing_artifact_takes_the_green_comment_away(comment, change):
    """The comment is replaced by one that says INVALID, holds nothing of the file, and names the commit."""
    ran, log, body = comment(change=change, comments="3\t<!-- tunegate:gate:default -->\n")
    assert (ran.code, "--method PATCH repos/o/r/issues/comments/3 " in log) == (0, True)
    assert body.splitlines()[:2] == ["<!-- tunegate:gate:default -->", "### ! tunegate: INVALID at `89abcdef89ab`"]
    assert len(body.splitlines()) == 4
    assert not re.search(r"PASS|FAIL|@|evil", body)


def link(folder, target):
    """A gate.json that leads elsewhere."""
    (folder / "gate.json").unlink()
    (folder / "gate.json").symlink_to(target)


def full_of(folder, *names):
    """Files and folders by the names that the action might use itself."""
    for name in names:
        (folder / name).mkdir()
    (folder / "reports").mkdir()
    (folder / "reports" / "__init__.py").write_text("raise SystemExit('owned')")
    (folder / "json.py").write_text("raise SystemExit('owned')")


@pytest.mark.parametrize(
    "plant",
    [
        lambda folder: link(folder, "/dev/zero"),
        lambda folder: link(folder, "/proc/self/environ"),
        lambda folder: link(folder, folder / "gate.json"),
        lambda folder: ((folder / "gate.json").unlink(), (folder / "gate.json").mkdir()),
        lambda folder: (folder / "gate.json").write_bytes(b" " * 10_000_000 + GATE_JSON.encode()),
        lambda folder: (folder / "gate.json").write_text('{"run":' * 20_000),
    ],
    ids=["endless", "environment", "loop", "folder", "10-MB", "deep"],
)
def test_an_artifact_that_is_no_plain_small_file_is_invalid(comment, plant):
    """It is neither followed, nor waited for, nor read to its end."""
    ran, _, body = comment(plant=plant, comments="3\t<!-- tunegate:gate:default -->\n")
    assert ran.code == 0, ran.said
    assert body.splitlines()[1] == "### ! tunegate: INVALID at `89abcdef89ab`"


def test_other_files_of_an_artifact_touch_nothing(comment):
    """Whatever lies beside gate.json, the comment is that of gate.json: nothing there is imported or written to."""
    ran, _, body = comment(plant=lambda folder: full_of(folder, "comment.md", "pulls.tsv", "comments.tsv"))
    assert ran.code == 0, ran.said
    assert body.splitlines()[1] == "### ✗ tunegate: FAIL at `89abcdef89ab`"


def test_a_hostile_branch_name_is_only_a_word(comment, tmp_path):
    """What a fork calls its branch reaches one argument of one request."""
    ran, log, _ = comment(branch='$(touch owned)"; touch owned #')
    assert ran.code == 0
    assert 'head=fork:$(touch owned)"; touch owned #' in log
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.slow
@pytest.mark.parametrize(("adapter", "code", "outcome"), [("good", 0, "PASS"), ("bad", 1, "FAIL")])
def test_the_gitlab_job_ends_with_the_gate_and_leaves_its_files(repo, tmp_path, adapter, code, outcome):
    """JUnit, metrics, the page and gate.json lie where the job says, whatever the outcome."""
    job = GITLAB["gate"]
    tool = tmp_path / "bin" / "python"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
    tool.chmod(0o755)
    steps = [
        {"shell": "bash", "run": "\n".join(job["script"])},
        {"shell": "bash", "run": "\n".join(job["after_script"]), "if": "always()"},
    ]
    variables = {"PATH": f"{tool.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    variables |= {"MODEL": "base", "ADAPTER": adapter}
    ran = run_steps(steps, {}, repo, temp=tmp_path / "temp", variables=variables)
    assert ran.code == code, ran.said
    named = [*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()]
    assert all((repo / name).is_file() for name in named)
    found = read_gate_file((repo / "gate.json").read_bytes())
    assert (found.outcome, write_gate_file(found)) == (outcome, (repo / "gate.json").read_bytes())
    assert (repo / "metrics.txt").read_text().endswith("# EOF\n")


@pytest.mark.slow
def test_the_verify_lane_holds_a_run_against_the_checkout(repo, tmp_path):
    """The step of docs/ci/verify.yml passes on a run of these suites, and not once a limit was lowered."""
    gate(repo, tmp_path / "temp", adapter="good")
    steps = load_yaml(ROOT / "docs" / "ci" / "verify.yml")["jobs"]["verify"]["steps"]
    (step,) = [each for each in steps if each.get("name") == "Verify"]
    step["env"]["EVIDENCE"] = str(tmp_path / "temp" / "tunegate-default" / "run")
    step["run"] = step["run"].replace(' --adapter "$ADAPTER"', "").replace("python ", f"{sys.executable} ")
    variables = {"PYTHONPATH": str(ROOT)}
    assert run_steps([step], {}, repo, temp=tmp_path / "two", variables=variables).code == 0
    suite = repo / "suites" / "test_asks.py"
    suite.write_text(suite.read_text().replace("at_least=0.8", "at_least=0.7"))
    ran = run_steps([step], {}, repo, temp=tmp_path / "two", variables=variables)
    assert (ran.code, "gates of 'asks' are not those" in ran.said) == (11, True)
