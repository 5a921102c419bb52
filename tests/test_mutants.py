"""Each technique that a verdict rests on has a test that sees it fail: `mutants.toml` names the fault and the test."""

import shutil
import tomllib
from pathlib import Path

import pytest

from tests.forked import Forked

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
PARTS = ("harness", "reports", "suites", "tests", "trainers", "docs", "conftest.py", "pyproject.toml", "README.md")

WHERE = """
from pathlib import Path
import harness, reports, trainers
def test_it_is_the_copy():
    root = Path(__file__).parents[1]
    assert all(Path(each.__file__).parents[1] == root for each in (harness, reports, trainers))
"""

pytestmark = pytest.mark.mutants


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project, to be broken."""
    folder = tmp_path_factory.mktemp("mutants")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


@pytest.fixture(scope="module")
def run(copy):
    """Call with tests: they are run in the copy."""
    with Forked() as forked:
        yield lambda *tests: forked.pytest(copy, "-q", "-x", "-p", "no:cacheprovider", *dict.fromkeys(tests))


@pytest.fixture(scope="module", autouse=True)
def sound(copy, run):
    """Every named test passes before anything is broken, and it is the copy that is tested."""
    (copy / "tests" / "test_where.py").write_text(WHERE, encoding="utf-8")
    told = run("tests/test_where.py", *(mutant["test"] for mutant in MUTANTS))
    assert told.returncode == 0, told.stdout[-3000:]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant["technique"].replace(" ", "-") for mutant in MUTANTS])
def test_a_broken_technique_is_seen(copy, run, mutant):
    """With the fault in place the named test fails: not for want of a module or a name, but of a result."""
    path = copy / mutant["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant["old"]) == 1, f"{mutant['file']} holds {mutant['old']!r} {text.count(mutant['old'])} times"
    path.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
    try:
        told = run(mutant["test"])
    finally:
        path.write_text(text, encoding="utf-8")
    assert told.returncode == 1, told.stdout[-2000:]
    assert not any(error in told.stdout for error in ("SyntaxError", "ImportError", "NameError")), told.stdout[-2000:]
