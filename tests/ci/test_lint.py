"""The workflows and actions: valid by schema, no finding of an auditor, pinned, and no trap in their shell."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.ci.steps import load_yaml

ROOT = Path(__file__).parents[2]
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
WORKFLOWS = [ROOT / ".github" / "workflows" / "ci.yml", *sorted((ROOT / "docs" / "ci").glob("*.yml"))]
WORKFLOWS = [path for path in WORKFLOWS if path.name != "gitlab-ci.yml"]
GITLAB = ROOT / "docs" / "ci" / "gitlab-ci.yml"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
SCRIPTS = Path(sysconfig.get_path("scripts"))


def checked(schema, *files):
    """What the schema has against the files."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def audited(*files):
    """What the auditor has against the files, without asking any network."""
    command = [str(SCRIPTS / "zizmor"), "--offline", "--no-progress", "--strict-collection", "--persona=pedantic"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def jobs(path):
    """(place, steps) of each job of a workflow, or of an action."""
    content = load_yaml(path)
    if "runs" in content:
        return [(path.parent.name, content["runs"]["steps"])]
    return [(name, job["steps"]) for name, job in content["jobs"].items()]


STEPS = [(path, step) for path in [*ACTIONS, *WORKFLOWS] for _, steps in jobs(path) for step in steps]
SHELL = [(path, step) for path, step in STEPS if "run" in step]


def named(pairs):
    """Ids of parametrised steps."""
    return [f"{path.parent.name}/{path.stem}-{step.get('name', step.get('uses', ''))[:24]}" for path, step in pairs]


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.github-actions", ACTIONS), ("vendor.gitlab-ci", [GITLAB])],
)
def test_every_file_fits_its_schema(schema, files):
    """GitHub's and GitLab's own schemas take them."""
    code, said = checked(schema, *files)
    assert (code, len(files) > 0) == (0, True), said


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("vendor.github-workflows", "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: x, usess: y}]\n"),
        ("vendor.github-actions", "name: x\ndescription: a: b\n"),
        ("vendor.gitlab-ci", "gate:\n  script: x\n  artifacts: {reports: {junit: {a: 1}}}\n"),
    ],
)
def test_a_file_that_does_not_fit_is_noticed(tmp_path, schema, text):
    """The check above could fail."""
    (tmp_path / "x.yml").write_text(text)
    assert checked(schema, tmp_path / "x.yml")[0] == 1


def test_the_auditor_has_nothing_against_them():
    """No injection, unpinned action, wide permission, kept credential or dangerous trigger, at a strict level."""
    code, said = audited(*ACTIONS, *WORKFLOWS)
    assert code == 0, said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"),
        ("persist-credentials: false", "fetch-depth: 1"),
        ("contents: read", "contents: write"),
        ("run: .ci/run", "run: echo ${{ github.event.pull_request.title }}"),
        ("  pull_request:", "  pull_request_target:"),
    ],
)
def test_what_the_auditor_looks_for_is_found(tmp_path, old, new):
    """Each of these in our own workflow is a finding."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert old in text
    (tmp_path / "ci.yml").write_text(text.replace(old, new))
    assert audited(tmp_path / "ci.yml")[0] >= 11


@pytest.mark.parametrize(("path", "step"), [(p, s) for p, s in STEPS if "uses" in s], ids=str)
def test_every_action_is_pinned_by_commit(path, step):
    """Forty hex digits, and a word beside them that says which version, or that the reader has to choose."""
    assert PINNED.fullmatch(step["uses"])
    line = next(line for line in path.read_text().splitlines() if step["uses"] in line)
    assert re.search(r"# (v\d+\.\d+\.\d+|the commit that you trust)$", line)


def test_an_action_has_one_pin_everywhere():
    """Ours, those to copy and what `tunegate init` writes name the same commit and version of each."""
    places = [*ACTIONS, *WORKFLOWS, ROOT / "harness" / "starter" / "templates" / "gate.yml.j2"]
    pins = {}
    for path in places:
        for action, pin in re.findall(r"uses: (actions/[\w/-]+)@(.+)", path.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert {action: pin for action, pin in pins.items() if len(pin) > 1} == {}
    assert {"actions/checkout", "actions/setup-python", "actions/upload-artifact", "actions/cache"} <= pins.keys()


def refuse_traps(step):
    """Several lines begin strictly; nothing is piped, least of all into tee; no expression stands in the script."""
    lines = step["run"].strip().splitlines()
    assert step["shell"] == "bash"
    assert len(lines) == 1 or lines[0] == "set -euo pipefail"
    bare = re.sub(r"'[^']*'", "''", re.sub(r"#.*", "", step["run"])).replace("||", "")
    assert "|" not in bare
    assert "${{" not in step["run"]
    assert subprocess.run(["bash", "-n"], input=step["run"], text=True, check=False).returncode == 0


@pytest.mark.parametrize("step", [step for _, step in SHELL], ids=named(SHELL))
def test_no_shell_step_can_lose_a_failure(step):
    """Whatever fails in it ends it."""
    refuse_traps(step)


@pytest.mark.parametrize("script", ["make | tee log", "make\nmake test", "echo ${{ github.ref }}", "if true; then"])
def test_a_step_that_could_lose_a_failure_is_noticed(script):
    """A pipe, several lines without strictness, an expression in the script, and what bash cannot read."""
    with pytest.raises(AssertionError):
        refuse_traps({"shell": "bash", "run": script})


def test_the_commenting_job_checks_nothing_out_and_may_write_nothing_else():
    """It has two permissions, one step, no checkout and no shell of its own."""
    content = load_yaml(ROOT / "docs" / "ci" / "comment.yml")
    (job,) = content["jobs"].values()
    assert content["permissions"] == {}
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert not any("checkout" in step.get("uses", "") or "run" in step for step in job["steps"])
    inside = load_yaml(ROOT / ".github" / "actions" / "comment" / "action.yml")["runs"]["steps"]
    assert [step["uses"].partition("@")[0] for step in inside if "uses" in step] == ["actions/download-artifact"]


def test_only_the_commenting_and_publishing_jobs_may_write():
    """Whatever runs code of a pull request has a token that reads."""
    for path in WORKFLOWS:
        content = load_yaml(path)
        granted = [content.get("permissions", {}), *(job.get("permissions", {}) for job in content["jobs"].values())]
        writes = {scope for each in granted for scope, level in each.items() if level == "write"}
        assert writes <= {"comment.yml": {"pull-requests"}, "pages.yml": {"pages", "id-token"}}.get(path.name, set())
        assert "pull_request_target" not in content["on"]
