"""`python -m trainers`: what a person types, and what a shell gets back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.fingerprint import adapter_digest
from trainers.__main__ import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def toml(base, data):
    """A configuration file beside the rows, for one short run."""
    path = data.with_name("config.toml")
    path.write_text(
        f'model = "{base}"\ndata = "{data.name}"\nsteps = 2\nmax_length = 256\n[lora]\nrank = 2\nalpha = 4\n'
    )
    return path


def invoke(*arguments):
    """The command, in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_training_says_where_the_adapter_is_and_a_second_run_says_so_too(toml, tmp_path):
    """Exit code 0 both times; the second run trains nothing."""
    first = invoke(toml, "--out", tmp_path / "out")
    assert (first.exit_code, first.stdout) == (0, f"trained: {tmp_path / 'out'}\n")
    second = invoke(toml, "--out", tmp_path / "out")
    assert (second.exit_code, second.stdout) == (0, f"already trained: {tmp_path / 'out'}\n")


def test_a_mistyped_key_is_exit_code_2_and_one_line(toml, tmp_path):
    """A person sees the key and the right one, and no traceback."""
    toml.write_text(toml.read_text() + "rnak = 3\n")
    result = invoke(toml, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == f"error: {toml}: unknown key 'lora.rnak'; did you mean 'rank'?\n"


def test_a_training_that_is_not_finite_is_exit_code_11(toml, tmp_path, overflowing_base):
    """INVALID, as for a measurement that cannot be trusted; no adapter is left."""
    result = invoke(toml, "--out", tmp_path / "out", "--model", overflowing_base)
    assert result.exit_code == 11
    assert "error: training stopped at step 1: loss" in result.stderr
    assert "" not in result.stderr.splitlines()
    assert not (tmp_path / "out").exists()


def test_a_refusal_and_a_second_run_need_no_torch(toml, tmp_path):
    """What needs no training answers at once."""
    invoke(toml, "--out", tmp_path / "out")
    for text, code in ((toml.read_text(), 0), ("epochs = 1\n", 2)):
        toml.write_text(text)
        program = (
            "import sys, runpy\n"
            f"sys.argv = ['trainers', {str(toml)!r}, '--out', {str(tmp_path / 'out')!r}]\n"
            "try: runpy.run_module('trainers', run_name='__main__')\n"
            "except SystemExit as end: print(end.code, 'torch' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.endswith(f"{code} False\n")


@pytest.mark.slow
def test_a_training_killed_by_the_system_is_taken_up_by_the_same_command(toml, tmp_path):
    """SIGKILL leaves no folder under the adapter's name; afterwards the adapter is that of an unbroken run."""
    toml.write_text(toml.read_text().replace("steps = 2", "steps = 60") + "dropout = 0.1\n[checkpoints]\nseconds = 0\n")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def command(name):
        return [sys.executable, "-m", "trainers", str(toml), "--out", str(tmp_path / name)]

    with subprocess.Popen(command("broken"), cwd=ROOT, stderr=subprocess.DEVNULL, env=environment) as process:
        while not list(tmp_path.glob(".broken.*.checkpoints/*/checkpoint-7/COMPLETE")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "broken").exists()
    for name in ("broken", "whole"):
        done = subprocess.run(command(name), cwd=ROOT, capture_output=True, text=True, env=environment, check=True)
        assert ("going on from step" in done.stderr) == (name == "broken")
    assert adapter_digest(tmp_path / "broken") == adapter_digest(tmp_path / "whole")
    assert {path.name for path in tmp_path.glob(".broken*")} == {".broken.lock"}
