"""`tunegate init` from an installed wheel: templates and data are in it."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.starter.made import ROOT, SCHEMA, plain_postings, write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the contents of a wheel, built from a copy of the project."""
    home = tmp_path_factory.mktemp("wheel")
    source = home / "source"
    for part in ("harness", "reports", "trainers", "suites"):
        shutil.copytree(ROOT / part, source / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source / part)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", home / "dist", source], check=True, capture_output=True)
    (wheel,) = (home / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(home / "site")
    return home / "site"


def test_a_wheel_makes_the_same_project_as_the_repository(installed, tmp_path):
    """Both write the same files with the same contents, and the wheel needs nothing of the repository."""
    write(tmp_path / "rows.jsonl", plain_postings(120))
    for name, place in (("wheel", installed), ("tree", ROOT)):
        command = [sys.executable, "-m", "harness.cli", "init", name, "--data", "rows.jsonl", "--schema", SCHEMA]
        environment = {**os.environ, "PYTHONPATH": str(place)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    made = {
        name: {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("wheel", "tree")
    }
    assert made["wheel"] == made["tree"]
    assert len(made["wheel"]) == 16
