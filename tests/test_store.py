"""The store: what is committed stays, what is damaged is not there, and many processes may share it."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageProblem
from harness.store import Store, file_system

MOUNTS = """\
22 1 0:1 / / rw - ext4 /dev/vda rw
23 22 0:2 / /home rw - nfs4 server:/home rw
24 22 0:3 / /mnt/with\\040space rw - cifs //server/share rw
25 23 0:4 / /home/fast rw - xfs /dev/vdb rw
26 22 0:5 / /mnt/ssh rw - fuse.sshfs me@server: rw
"""


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


def test_values_come_back_as_they_went_in(store):
    """Any JSON value survives, in and out of a later process; unknown keys are absent."""
    values = {"a": {"text": "naïve 😀", "ids": [1, 2]}, "b": None, "c": "", "d": 0.1}
    store.put_many(values)
    assert store.get_many([*values, "e"]) == values
    assert Store(store.path.parent).get_many(list(values)) == values


def test_many_keys_are_looked_up_in_one_call(store):
    """More keys than SQLite takes as variables are no matter."""
    values = {f"k{i}": i for i in range(40_000)}
    store.put_many(values)
    assert store.get_many(list(values)) == values


def test_later_value_replaces_earlier(store):
    """A key has one value, the last."""
    store.put_many({"a": 1})
    store.put_many({"a": 2})
    assert store.get_many(["a"]) == {"a": 2}


def test_nan_is_refused(store):
    """What is not JSON is not stored, and nothing else of that batch is."""
    with pytest.raises(ValueError, match="JSON"):
        store.put_many({"good": 1, "bad": float("nan")})
    assert store.get_many(["good", "bad"]) == {}


@pytest.mark.parametrize("damage", ["UPDATE answers SET value = '[2]'", "UPDATE answers SET value = '[1'"])
def test_damaged_value_is_a_miss(store, damage):
    """A value that does not match its checksum is not trusted, even if it is JSON."""
    store.put_many({"a": [1]})
    with sqlite3.connect(store.path) as db:
        db.execute(damage)
    assert store.get_many(["a"]) == {}


def test_value_under_another_key_is_a_miss(store):
    """A value that was moved to another key is not trusted."""
    store.put_many({"a": [1]})
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE answers SET key = 'b'")
    assert store.get_many(["a", "b"]) == {}


def test_eight_processes_write_at_once(tmp_path):
    """Processes that share a store neither fail on its lock nor lose a value."""
    code = (
        "import sys; from pathlib import Path; from harness.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for i in range(25): store.put_many({f'{sys.argv[2]}-{i}': i, 'shared': 7})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)]) for n in range(8)]
    assert [writer.wait() for writer in writers] == [0] * 8
    keys = [f"{n}-{i}" for n in range(8) for i in range(25)]
    assert len(Store(tmp_path).get_many([*keys, "shared"])) == 201


def test_attempts_count_runs_once(store):
    """A run counts once for a model and suite, however often it is noted."""
    for run in ("r1", "r1", "r2"):
        store.record_attempt("model", "suite", run)
    store.record_attempt("model", "other suite", "r1")
    assert store.attempts("model", "suite") == 2
    assert store.attempts("other model", "suite") == 0


def test_file_of_another_kind_is_refused(tmp_path):
    """A store that is no SQLite file is a usage error that says what to do."""
    (tmp_path / "store.sqlite").write_text(json.dumps(["not a database"] * 100))
    with pytest.raises(UsageProblem, match=r"cannot be opened .*give another folder"):
        Store(tmp_path)


def test_unwritable_place_is_refused(tmp_path):
    """A folder that cannot be made is a usage error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageProblem, match="give another folder"):
        Store(tmp_path / "file" / "store")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/x", "ext4"),
        ("/home/me", "nfs4"),
        ("/home/fast/me", "xfs"),
        ("/mnt/with space/x", "cifs"),
        ("/homework", "ext4"),
    ],
)
def test_file_system_is_that_of_the_nearest_mount(tmp_path, folder, kind):
    """The longest mount point above the folder decides, by whole names, spaces unescaped."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system(Path(folder), mounts) == kind


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs", "lustre"])
def test_network_file_system_is_refused(tmp_path, monkeypatch, kind):
    """SQLite's locks do not hold on network file systems, so a store there is refused."""
    monkeypatch.setattr("harness.store.file_system", lambda _folder: kind)
    with pytest.raises(UsageProblem, match="network file system"):
        Store(tmp_path)
