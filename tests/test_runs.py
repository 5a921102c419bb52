"""The run directory: plan first, whole files only, one process at a time, no secrets."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BadRunDirectory
from harness.gates import Gate
from harness.plan import Item, Plan, gate_from, plan_suite
from harness.runs import RunDirectory, new_run_path, record_name, redacted, write_atomically
from harness.types import ModelRef
from tests.test_suite import make

KILLED_WHILE_WRITING = """
import os, sys
from pathlib import Path
from harness import runs
step = int(sys.argv[2])
counted = 0
def dying(real):
    def call(*args, **kwargs):
        global counted
        counted += 1
        if counted == step:
            os.kill(os.getpid(), 9)
        return real(*args, **kwargs)
    return call
os.fsync = dying(os.fsync)
Path.replace = dying(Path.replace)
runs.write_atomically(Path(sys.argv[1]), b"new" * 100_000)
"""


def plan(limit=None, gate=0.5):
    """A plan of one small suite."""
    suite = make(gates=[Gate("exact_match", max_drop=gate)])
    items = (Item("n", "asks", f"exact_match-drop<={gate}", "base"),)
    return Plan((plan_suite(suite, limit),), (ModelRef("base", "b"),), items, {"limit": limit})


def test_plan_is_there_before_anything_else(tmp_path):
    """A new directory holds the plan, and nothing that looks finished."""
    run = RunDirectory.open(tmp_path / "a" / "run", plan(), ["pytest"])
    assert run.plan["digest"] == plan().spec()["digest"]
    assert {path.name for path in run.path.iterdir()} == {"plan.json", "records", ".lock"}
    assert not run.resumed


def test_unfinished_run_of_an_equal_plan_is_taken_up(tmp_path):
    """The id stays, so that a continued run is one attempt."""
    first = RunDirectory.open(tmp_path / "run", plan(), ["pytest"])
    first.close()
    second = RunDirectory.open(tmp_path / "run", plan(), ["pytest", "-v"])
    assert (second.resumed, second.plan) == (True, first.plan)


@pytest.mark.parametrize("other", [plan(limit=5), plan(gate=0.6)])
def test_another_plan_is_refused(tmp_path, other):
    """Other rows or gates make another run."""
    RunDirectory.open(tmp_path / "run", plan(), ["pytest"]).close()
    with pytest.raises(BadRunDirectory, match="another plan"):
        RunDirectory.open(tmp_path / "run", other, ["pytest"])


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "{"])
def test_directory_without_a_readable_plan_is_refused(tmp_path, content):
    """Nothing is written into a directory that is not ours."""
    (tmp_path / "run").mkdir()
    if content is not None:
        (tmp_path / "run" / "plan.json").write_text(content)
    before = sorted((tmp_path / "run").iterdir())
    with pytest.raises(BadRunDirectory, match="no readable plan"):
        RunDirectory.open(tmp_path / "run", plan(), ["pytest"])
    assert sorted((tmp_path / "run").iterdir()) == before


def test_directory_that_cannot_be_made_is_refused(tmp_path):
    """A path below a file is a usage error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRunDirectory, match="give another one"):
        RunDirectory.open(tmp_path / "file" / "run", plan(), ["pytest"])


def test_lock_ends_with_its_process(tmp_path):
    """A second process is refused while the first lives, by its number, and not after it was killed."""
    RunDirectory.open(tmp_path / "run", plan(), ["pytest"]).close()
    code = "import fcntl, os, sys, time\nf = os.open(sys.argv[1], os.O_RDWR)\nfcntl.flock(f, fcntl.LOCK_EX)\n"
    code += "os.truncate(f, 0)\nos.write(f, str(os.getpid()).encode())\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run/.lock")], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(BadRunDirectory, match=f"process {holder.pid} is running in it"):
            RunDirectory.open(tmp_path / "run", plan(), ["pytest"])
        os.kill(holder.pid, signal.SIGKILL)
    assert RunDirectory.open(tmp_path / "run", plan(), ["pytest"]).resumed


@pytest.mark.parametrize("step", [1, 2, 3])
def test_killed_while_writing_leaves_the_file_old_or_new(tmp_path, step):
    """At no step of writing is there a torn file under the real name."""
    file = tmp_path / "run.json"
    file.write_bytes(b"old")
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(file), str(step)]
    assert subprocess.run(command, check=False, cwd=Path(__file__).parents[1]).returncode == -9
    assert file.read_bytes() in {b"old", b"new" * 100_000}
    write_atomically(file, b"later")
    assert file.read_bytes() == b"later"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["pytest", "suites/", "--limit", "5"], ["pytest", "suites/", "--limit", "5"]),
        (["--api-key", "sk-123", "-v"], ["--api-key", "***", "-v"]),
        (["--api-key=sk-123"], ["--api-key=***"]),
        (["--hf-token", "hf_1", "HF_TOKEN=hf_2"], ["--hf-token", "***", "HF_TOKEN=***"]),
        (["--password", "--verbose"], ["--password", "--verbose"]),
        (["-k", "exact=1"], ["-k", "exact=1"]),
    ],
)
def test_secrets_do_not_reach_the_plan(command, shown):
    """Values of options and variables that sound like secrets are replaced."""
    assert redacted(command) == shown


def test_new_directories_differ(tmp_path):
    """Two runs of one second have two directories."""
    assert new_run_path(tmp_path) != new_run_path(tmp_path)


def test_pool_records_have_their_own_names():
    """Neither suite, model nor pool number can be mixed up in a file name."""
    names = {record_name("s", "base"), record_name("s", "base", 0), record_name("s", "base", 1), record_name("s", "x")}
    assert len(names) == 4


@pytest.mark.parametrize(
    "gate",
    [Gate("m", at_least=0.5), Gate("m", max_drop=0.1, confidence=0.99), Gate("m", min_gain=0.2, advisory=True)],
)
def test_gate_comes_back_from_the_plan(gate):
    """`verify` decides with the very gates that were planned."""
    spec = plan_suite(make(metrics=[_always("m")], gates=[gate]), None).spec() if gate.absolute else None
    from dataclasses import asdict

    assert gate_from({"text": str(gate), **asdict(gate)}) == gate
    assert spec is None or gate_from(spec["gates"][0]) == gate


def _always(name):
    from harness.metrics import Judgement, per_example

    return per_example(name, lambda _example, _text: Judgement(1.0))
