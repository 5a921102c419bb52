"""A disk that fills up, at every write of a run: the run stops with 13, is never green, and goes on later."""

import errno
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import disk, runs, session
from harness.errors import UsageProblem
from harness.store import Store
from harness.types import Outcome
from harness.verify import verify
from tests.playground import calls, make_model, make_suite, run_gate

pytest_plugins = "pytester"

COMMAND = ("--adapter", "good", "--run-dir", "run")


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository whose gate passes after eight writes to the store and four whole files."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, rows=120)
    make_model(pytester.path / "base", right=110)
    make_model(pytester.path / "good", right=115)
    return pytester


def verdicts(repo):
    """What the finished run decided."""
    return json.loads((repo.path / "run" / "run.json").read_text())["verdicts"]


def failing(real, nth, error):
    """`real`, which raises at its nth call and at every later one."""
    count = 0

    def call(*args, **kwargs):
        nonlocal count
        count += 1
        if count >= nth:
            raise error()
        return real(*args, **kwargs)

    return call


def refuse_green(repo, result):
    """The run says what cannot be written, and has no receipt."""
    assert result.ret in {4, 13}, result.stdout.str()
    said = result.stdout.str() + result.stderr.str()
    assert "free some space" in said or "give another one" in said
    assert "Traceback" not in said
    assert not (repo.path / "run" / "run.json").exists()


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_no_space_for_a_file_of_the_run(repo, monkeypatch, nth):
    """Plan, records and receipt are four files; whichever does not fit, the same command goes on and ends alike."""
    full = failing(os.fsync, 2 * nth - 1, lambda: OSError(errno.ENOSPC, "No space left on device"))
    with monkeypatch.context() as patch:
        patch.setattr(runs.os, "fsync", full)
        refuse_green(repo, run_gate(repo, *COMMAND))
    computed = len(calls(repo))
    assert run_gate(repo, *COMMAND).ret == 0
    assert verify(repo.path / "run").outcome is Outcome.PASS
    assert len(calls(repo)) == 240 >= computed


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_no_space_in_the_store(repo, monkeypatch, nth):
    """Two models of two batches and an attempt each: whichever meets a full file, nothing that was stored is lost."""
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_transaction", at_most(Store._transaction, nth))
        refuse_green(repo, run_gate(repo, *COMMAND))
    assert run_gate(repo, *COMMAND).ret == 0
    assert len(calls(repo)) <= 240 + 64  # the batch that could not be stored is computed again
    assert {verdict["outcome"] for verdict in verdicts(repo)} == {"PASS"}


def at_most(real, nth):
    """Let the store's nth transaction, and every later one, meet a file that may not grow by a page."""
    count = 0

    def transaction(store):
        nonlocal count
        count += 1
        if count == nth:
            pages = store._db.execute("PRAGMA page_count").fetchone()[0]
            store._db.execute(f"PRAGMA max_page_count = {pages}")
            with sqlite3.connect(store.path) as other:
                other.execute("INSERT INTO answers VALUES ('filler', '', hex(zeroblob(2048)))")
            other.close()
        return real(store)

    return transaction


def free(monkeypatch, room):
    """Let every disk have `room` bytes free."""
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _place: SimpleNamespace(free=room))


def test_a_disk_without_room_is_refused_before_anything_is_measured(repo, monkeypatch):
    """One line names the disk, what may be written and what is free; nothing is asked, and no run is left."""
    with monkeypatch.context() as patch:
        free(patch, 100_000)
        result = run_gate(repo, *COMMAND)
    assert result.ret == 4
    said = result.stderr.str() + result.stdout.str()
    assert re.search(r"up to 1 MB may be written there, and 0 MB are free; free some space, or give --run-dir", said)
    assert "Traceback" not in said
    assert (calls(repo), (repo.path / "run").exists()) == ([], False)
    assert run_gate(repo, *COMMAND).ret == 0
    written = sum(path.stat().st_size for path in (repo.path / "run").rglob("*") if path.is_file())
    assert written < 1_000_000


def test_what_goes_to_one_disk_is_added(tmp_path, monkeypatch):
    """Two folders that fit alone do not fit together; those of other disks are looked at apart."""
    needs = {tmp_path / "runs" / "new": 60, tmp_path: 60}
    free(monkeypatch, 120)
    disk.refuse_full_disk(needs, "free some space")
    free(monkeypatch, 119)
    with pytest.raises(UsageProblem, match=f"{tmp_path}: up to 0 MB .*; free some space"):
        disk.refuse_full_disk(needs, "free some space")
    other = Path("/dev/shm")
    if other.is_dir() and other.stat().st_dev != tmp_path.stat().st_dev:
        disk.refuse_full_disk({tmp_path: 60, other: 60}, "free some space")


@pytest.mark.slow
@pytest.mark.parametrize("kib", [1, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192])
def test_files_that_may_not_grow(repo, kib):
    """With a real limit on the size of files the system itself refuses the write, somewhere else for each limit."""

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kib << 10, kib << 10))

    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", *COMMAND, "-q", "-pno:cacheprovider"]
    started = {"cwd": repo.path, "env": environment, "capture_output": True, "text": True}
    first = subprocess.run(command, check=False, preexec_fn=limited, **started)
    if first.returncode != 0:
        assert first.returncode in {4, 13}, first.stdout + first.stderr
        assert "Traceback" not in first.stdout + first.stderr
        assert not (repo.path / "run" / "run.json").exists()
        assert subprocess.run(command, check=False, **started).returncode == 0
    assert verify(repo.path / "run").outcome is Outcome.PASS
