"""`tunegate doctor`: what it looks at, and that each look can end badly."""

import sqlite3
import sys

import pytest
from typer.testing import CliRunner

from harness import doctor
from harness.cli import app
from harness.store import Store


def looks(tmp_path, store="store"):
    """Everything that is looked at, by name."""
    return {look.name: look for look in doctor.look_around(tmp_path, tmp_path / store)}


def test_this_machine_is_in_order(tmp_path):
    """Where the tests run, all that is needed is well, and each has one line."""
    done = CliRunner().invoke(app, ["doctor", "--store", str(tmp_path)])
    assert done.exit_code == 0, done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines()] == [
        *("python", "packages", "torch", "disk", "store", "browser")
    ]


def test_what_is_broken_ends_with_1(tmp_path, monkeypatch):
    """One thing that is needed and broken is exit code 1, and is marked."""
    (tmp_path / "store.sqlite").write_text("this is no database, although it is long enough to be looked at as one")
    done = CliRunner().invoke(app, ["doctor", "--store", str(tmp_path)])
    assert done.exit_code == 1
    assert "BROKEN  store" in done.stdout
    assert "remove it" in done.stdout
    monkeypatch.setattr(doctor, "BROWSERS", ())
    assert looks(tmp_path)["browser"].needed is False


def test_an_old_python_is_named_with_the_one_to_install():
    """The bound is the project's."""
    look = doctor._python((3, 10))
    assert not look.well
    assert look.said.endswith("install 3.11 or newer")
    assert doctor._python((3, 12)).well


@pytest.mark.parametrize(
    ("asked", "message"),
    [("pytest<1", "is out of bounds; install pytest<1"), ("no-such-package-here", "is missing; install no-such")],
)
def test_a_package_out_of_bounds_or_missing_is_named(asked, message):
    """Each one has its line, with what to install; those of another platform are no fault."""
    (look,) = doctor._packages(["numpy", asked, 'no-such-thing; sys_platform == "amiga"'])
    assert not look.well
    assert message in look.said


def test_knowing_no_bounds_is_not_being_within_them(monkeypatch):
    """A package whose requirements cannot be read is broken, and not clean."""

    def missing(_name):
        raise doctor.PackageNotFoundError

    monkeypatch.setattr(doctor, "requires", missing)
    (look,) = doctor._packages(doctor._requirements())
    assert not look.well


def test_torch_that_cannot_be_imported_is_said(monkeypatch):
    """A broken installation is a line and no traceback."""
    monkeypatch.setitem(sys.modules, "torch", None)
    look = doctor._torch()
    assert not look.well
    assert "cannot be imported" in look.said


def test_a_full_disk_is_said():
    """Little room is told in GiB with what is wanted."""
    assert not doctor._disk(2**30).well
    assert "1.0 GiB free; make room for 5 GiB" in doctor._disk(2**30).said
    assert doctor._disk(2**40).well


def test_a_store_is_checked_whole(tmp_path):
    """A new one is fine, a good one says its size, and one with a page of rubbish in it is damaged."""
    assert doctor._store(tmp_path).said.endswith("none yet; the first run makes it")
    store = Store(tmp_path)
    store.put_many({f"{index:064d}": "x" * 500 for index in range(200)})
    store.close()
    assert doctor._store(tmp_path).well
    with sqlite3.connect(tmp_path / "store.sqlite") as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray((tmp_path / "store.sqlite").read_bytes())
    content[8192:16384] = b"\xff" * 8192
    (tmp_path / "store.sqlite").write_bytes(content)
    assert not doctor._store(tmp_path).well


def test_a_store_on_a_network_is_refused_as_a_run_would(tmp_path, monkeypatch):
    """The doctor knows what `--store` refuses."""
    monkeypatch.setattr(doctor, "file_system", lambda _folder: "nfs4")
    look = doctor._store(tmp_path)
    assert not look.well
    assert "network file system (nfs4)" in look.said
