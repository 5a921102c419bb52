"""Each technique that a verdict rests on has a test that sees it fail: `mutants.toml` names the fault and the test."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
PARTS = ("harness", "reports", "suites", "tests", "trainers", "docs", "conftest.py", "pyproject.toml", "README.md")

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


def run(folder: Path, *tests: str) -> subprocess.CompletedProcess:
    """Run tests of the copy, which stands first on the path."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *dict.fromkeys(tests)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def sound(copy):
    """Every named test passes before anything is broken, and it is the copy that is tested."""
    told = run(copy, *(mutant["test"] for mutant in MUTANTS))
    assert told.returncode == 0, told.stdout[-3000:]
    where = subprocess.run(
        [sys.executable, "-c", "import harness; print(harness.__file__)"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(copy))


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant["technique"].replace(" ", "-") for mutant in MUTANTS])
def test_a_broken_technique_is_seen(copy, mutant):
    """With the fault in place the named test fails: not for want of a module or a name, but of a result."""
    path = copy / mutant["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant["old"]) == 1, f"{mutant['file']} holds {mutant['old']!r} {text.count(mutant['old'])} times"
    path.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
    try:
        told = run(copy, mutant["test"])
    finally:
        path.write_text(text, encoding="utf-8")
    assert told.returncode == 1, told.stdout[-2000:]
    assert not any(error in told.stdout for error in ("SyntaxError", "ImportError", "NameError")), told.stdout[-2000:]
