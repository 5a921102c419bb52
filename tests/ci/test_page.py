"""docs/ci.md: what it names is there, and its lists are those of the code."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from harness.cli import app
from harness.junit import properties
from harness.types import Outcome, Verdict
from tests.ci.steps import load_yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


def test_every_link_leads_somewhere():
    """Files of the project only, and every file of docs/ci/ is told of."""
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    assert {path.name for path in (ROOT / "docs" / "ci").iterdir()} <= {Path(link).name for link in links}


def test_the_properties_are_those_of_junit():
    """The page lists each, and no other."""
    verdict = Verdict(Outcome.INVALID, "s", "g", "m", "x", None, 0.0, 1)
    listed = PAGE.partition("test case with the properties ")[2].partition("; what was not measured")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(name for name, _ in properties(verdict, None, {}))


@pytest.mark.parametrize("command", ["compare", "summary", "comment", "history", "verify"])
def test_every_option_that_the_page_names_is_one(command):
    """Commands and options on the page are those of the command line; the others are pytest's."""
    known = {option for each in get_command(app).commands.values() for param in each.params for option in param.opts}
    assert command in get_command(app).commands
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) - known <= {"--junitxml", "--data", "--mmlu-dir"}


def test_the_inputs_that_the_workflows_give_are_those_of_the_action():
    """A misspelt input would be passed over by GitHub with a warning."""
    known = set(load_yaml(ROOT / ".github" / "actions" / "gate" / "action.yml")["inputs"])
    for name in ("gate.yml", "gpu.yml"):
        steps = next(iter(load_yaml(ROOT / "docs" / "ci" / name)["jobs"].values()))["steps"]
        (given,) = [set(step["with"]) for step in steps if "tunegate/.github/actions/gate@" in step.get("uses", "")]
        assert given <= known


def test_what_a_newcomer_copies_is_pinned_to_the_commit_that_was_named(tmp_path):
    """The page's own lines, run in an empty repository, leave workflows without `OWNER` or zeros."""
    block = PAGE.partition("```console\n$ mkdir")[2].partition("```")[0]
    lines = [line.removeprefix("$ ") for line in f"mkdir{block}".strip().splitlines()]
    script = "\n".join(lines).replace("TUNEGATE/", f"{ROOT}/").replace("COMMIT", "0123456789" * 4).replace("YOU", "me")
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, check=True)
    copied = sorted((tmp_path / ".github" / "workflows").iterdir())
    assert [path.name for path in copied] == ["comment.yml", "gate.yml"]
    used = [
        line.split("uses: ")[1] for path in copied for line in path.read_text().splitlines() if "me/tunegate" in line
    ]
    assert [each.partition("@")[2][:40] for each in used] == ["0123456789" * 4] * 2
    assert not any("OWNER" in path.read_text() for path in copied)
    assert (tmp_path / "requirements.txt").read_text().endswith(f"me/tunegate@{'0123456789' * 4}\n")


def test_the_comment_waits_for_the_workflow_that_gates():
    """The name that `workflow_run` listens to is that of gate.yml, and the artifact that of its key."""
    gate, comment = (load_yaml(ROOT / "docs" / "ci" / f"{name}.yml") for name in ("gate", "comment"))
    assert comment["on"]["workflow_run"]["workflows"] == [gate["name"]]
    actions = [load_yaml(ROOT / ".github" / "actions" / name / "action.yml") for name in ("gate", "comment")]
    assert len({action["inputs"]["key"]["default"] for action in actions}) == 1
    uploaded = {step["with"].get("name") for step in actions[0]["runs"]["steps"] if "uses" in step}
    (fetched,) = [step["with"]["name"] for step in actions[1]["runs"]["steps"] if "uses" in step]
    assert fetched in uploaded
