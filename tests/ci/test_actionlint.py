"""actionlint on every workflow: expressions, contexts, events, runners and permissions as GitHub knows them."""

import os
import re
import shutil
import subprocess

import pytest

from tests.ci.test_lint import ROOT, WORKFLOWS
from tests.starter.test_workflow import project

pytestmark = pytest.mark.slow

TOOL = ROOT / "build" / "actionlint" / "node_modules" / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"


@pytest.fixture(scope="module")
def lint():
    """Call with a folder of workflows: exit code, and what is wrong with them."""
    if shutil.which("node") is None or not TOOL.is_file():
        pytest.fail("actionlint is not there; get it from npm's registry with: make actionlint", pytrace=False)

    def lint(folder):
        command = ["node", str(TOOL), str(folder / "*.yml")]
        done = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return lint


def test_it_has_nothing_against_any_workflow(lint, tmp_path):
    """Our own, those to copy, and both that `tunegate init` writes."""
    (tmp_path / "all").mkdir()
    written = {path.name: path for path in WORKFLOWS}
    written["embedded.yml"] = project(tmp_path / "embedded")[1]
    written["hub.yml"] = project(tmp_path / "hub", "--model", "org/base@abc")[1]
    for name, path in written.items():
        shutil.copy(path, tmp_path / "all" / name)
    code, said = lint(tmp_path / "all")
    assert code == 0, said
    assert re.search(rf"Checking {len(written)} workflow file", said)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("contents: read", "contents: reed", "permissions"),
        ("ubuntu-latest", "ubuntu-1999", "runner-label"),
        ("${{ github.ref }}", "${{ github.reff }}", "expression"),
        ("run: .ci/run", "run: echo ${{ steps.none.outputs.x }}", "expression"),
        ("  pull_request:", "  pull_requests:", "events"),
    ],
)
def test_what_it_looks_for_is_found(lint, tmp_path, old, new, kind):
    """Each of these in our own workflow is a finding."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert old in text
    (tmp_path / "ci.yml").write_text(text.replace(old, new))
    code, said = lint(tmp_path)
    assert (code, re.findall(r"\[ ([\w-]+) \]", said)[:1]) == (1, [kind]), said
