"""The CI workflow that `tunegate init` writes: sound by schema and audit, and run step by step on a project."""

import json
import os
import sys
from xml.etree import ElementTree as ET

import pytest

from tests.ci.steps import commands, load_yaml, run_steps
from tests.ci.test_lint import audited, checked, refuse_traps
from tests.starter.made import ROOT, SCHEMA, plain_postings, write
from tests.starter.test_project import init, scripts

SHIMS = {
    "tunegate": 'exec "{python}" -m harness.cli "$@"',
    "pytest": 'exec "{python}" -m pytest "$@"',
    "python": """case "$1 $2" in
  "-m pip") echo "pip $*" ;;
  "-m trainers") if [ -n "$TUNED" ]; then mkdir -p out/adapter; cp "$TUNED" out/adapter/script.json
    else exec "{python}" "$@"; fi ;;
  *) exec "{python}" "$@" ;;
esac""",
}
"""What the words of the workflow stand for; `TUNED` takes the place of a training."""


def project(home, *options):
    """A project for postings, and its workflow."""
    home.mkdir(exist_ok=True)
    done = init(home / "gate", write(home / "rows.jsonl", plain_postings(120)), "--schema", SCHEMA, *options)
    assert done.exit_code == 0, done.output
    return home / "gate", home / "gate" / ".github" / "workflows" / "gate.yml"


@pytest.fixture(scope="module")
def workflows(tmp_path_factory):
    """On the embedded base, and on one from the Hub."""
    home = tmp_path_factory.mktemp("workflows")
    return [project(home / "embedded")[1], project(home / "hub", "--model", "org/base@abc")[1]]


def run(home, temp, tuned="", **variables):
    """Every step in order, as a job of GitHub would; pip does nothing, and what is uploaded is noted."""
    tools = temp / "bin"
    tools.mkdir(parents=True)
    for name, line in SHIMS.items():
        (tools / name).write_text(f"#!/bin/bash\n{line.replace('{python}', sys.executable)}\n")
        (tools / name).chmod(0o755)
    given = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TUNED": str(tuned), **variables}
    steps = load_yaml(home / ".github" / "workflows" / "gate.yml")["jobs"]["gate"]["steps"]
    return run_steps(steps, {"vars.TUNEGATE": "tunegate @ somewhere"}, home, temp=temp / "runner", variables=given)


def test_it_fits_the_schema_and_the_auditor_has_nothing_against_it(workflows):
    """GitHub's own schema; pinned actions, least permissions, no kept credential, nothing of a stranger in a script."""
    for code, said in (checked("vendor.github-workflows", *workflows), audited(*workflows)):
        assert code == 0, said
    for path in workflows:
        content = load_yaml(path)
        assert content["permissions"] == {"contents": "read"}
        assert set(content["on"]) == {"pull_request", "push"}
        for step in content["jobs"]["gate"]["steps"]:
            if "run" in step:
                refuse_traps(step)


def test_without_an_address_to_install_from_it_says_which_variable(workflows, tmp_path):
    """The first step that fails is the first that a newcomer meets."""
    (step,) = [each for each in load_yaml(workflows[0])["jobs"]["gate"]["steps"] if each.get("name") == "Install"]
    ran = run_steps([step], {"vars.TUNEGATE": ""}, tmp_path, temp=tmp_path / "runner", variables={})
    assert ran.code == 4
    assert "the repository variable TUNEGATE is not set" in commands(ran.said)[0].message


@pytest.mark.slow
@pytest.mark.parametrize(("right", "code", "outcome"), [(1.0, 0, "PASS"), (None, 1, "FAIL")])
def test_its_steps_end_with_the_gate_and_tell_what_came_out(tmp_path, right, code, outcome):
    """Every step but pip and training is real: exit code, summary, annotations and artifacts are those of the gate."""
    (tmp_path / "base.json").write_text("{}")
    home, _ = project(tmp_path, "--model", tmp_path / "base.json")
    scripts(home, right=right or 1.0)
    tuned = tmp_path / "tuned.json"
    if right is None:
        asked = json.loads((tmp_path / "base.json").read_text())["answers"]
        tuned.write_text(json.dumps({"answers": {text: "Sorry." for index, text in enumerate(asked) if index % 2}}))
    ran = run(home, tmp_path / "job", tuned, PYTEST_ADDOPTS="--backend scripted")
    assert ran.code == code, ran.said
    assert ran.names == [
        *("", "", "Keep downloaded bases", "Install", "Audit", "Train", "Gate", "Tell", "Verify"),
        *("Keep the report, to open in the browser", "Keep the run"),
    ]
    told_and_kept(home, ran, outcome)
    marked = {(each.name, each.properties.get("file", "").partition("_")[0]) for each in commands(ran.said)}
    assert marked == (set() if code == 0 else {("error", "suites/test")})


def told_and_kept(home, ran, outcome):
    """The summary begins with the outcome, verify agrees, and what is uploaded is there."""
    assert ran.summary.partition("\n")[0].endswith(f" tunegate: {outcome}")
    assert f"verified: {outcome}" in ran.said
    page, whole = (given for action, given in ran.used if "upload-artifact" in action)
    assert page["archive"] == "false"
    assert "<!doctype html>" in (home / page["path"]).read_text()
    assert {"ci", "junit.xml"} == {path.name for path in (home / whole["path"]).iterdir()}
    assert json.loads((home / whole["path"] / "ci" / "run.json").read_text())["outcome"] == outcome
    assert len(list(ET.parse(home / whole["path"] / "junit.xml").iter("testcase"))) == 4
