"""The backend `unsloth`, as far as it is ours: Unsloth wants a GPU and other versions, so here a stand-in loads."""

import json
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from trainers.__main__ import app

STAND_IN = """
import os
import sys

assert "UNSLOTH_DISABLE_STATISTICS" in os.environ
assert not {"transformers", "peft", "trl"} & sys.modules.keys(), "Unsloth must come before what it patches"

from transformers import AutoModelForCausalLM


class FastLanguageModel:
    @staticmethod
    def from_pretrained(model_name, dtype, device_map, **settings):
        assert settings == {
            "max_seq_length": 256,
            "load_in_4bit": False,
            "use_gradient_checkpointing": False,
            "trust_remote_code": False,
        }
        return AutoModelForCausalLM.from_pretrained(model_name, dtype=dtype, device_map=device_map), None

    @staticmethod
    def get_peft_model(model, target_modules, random_state, use_gradient_checkpointing, max_seq_length, **settings):
        from peft import LoraConfig, get_peft_model
        from transformers import set_seed

        set_seed(random_state)
        return get_peft_model(model, LoraConfig(target_modules=WANTED or target_modules, **settings))


WANTED = None
"""


@pytest.fixture
def unsloth(tmp_path, monkeypatch) -> Path:
    """A package that is called so, found by every Python that is started."""
    folder = tmp_path / "site"
    (folder / "unsloth").mkdir(parents=True)
    (folder / "unsloth" / "__init__.py").write_text(STAND_IN)
    (folder / "unsloth-1.0.dist-info").mkdir()
    (folder / "unsloth-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: unsloth\nVersion: 1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture
def write(base, data):
    """A configuration with more lines on top."""

    def write(*lines: str) -> Path:
        path = data.with_name("config.toml")
        head = "".join(f"{line}\n" for line in lines)
        path.write_text(
            f'{head}model = "{base}"\ndata = "{data.name}"\nsteps = 2\nmax_length = 256\n[lora]\nrank = 2\nalpha = 4\n'
        )
        return path

    return write


def run(*arguments) -> object:
    """The command, as a shell would give it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def interpreter() -> str:
    """The line that has training done by a process of its own, with this very Python."""
    return f'interpreter = "{sys.executable}"'


@pytest.mark.usefixtures("unsloth")
def test_the_backend_changes_who_loads_and_nothing_else(write, tmp_path):
    """A stand-in that loads as transformers and PEFT do ends in the very adapter of the backend `trl`."""
    for backend in ("trl", "unsloth"):
        found = run(write(f'backend = "{backend}"', interpreter()), "--out", tmp_path / backend)
        assert found.exit_code == 0, found.output
    ours, theirs = (load_file(tmp_path / backend / "adapter_model.safetensors") for backend in ("trl", "unsloth"))
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in ours)
    pins = json.loads((tmp_path / "unsloth" / "tunegate.json").read_text())
    assert pins["environment"]["unsloth"] == "1.0"
    assert pins["train_config"]["backend"] == "unsloth"
    assert "interpreter" not in pins["train_config"]
    assert "unsloth" not in json.loads((tmp_path / "trl" / "tunegate.json").read_text())["environment"]


def test_an_adapter_of_another_size_is_refused(unsloth, write, tmp_path, capfd):
    """Unsloth may leave layers out; what was configured is what is trained, or nothing is."""
    (unsloth / "unsloth" / "__init__.py").write_text(STAND_IN.replace("WANTED = None", 'WANTED = ["q_proj"]'))
    assert run(write('backend = "unsloth"', interpreter()), "--out", tmp_path / "out").exit_code == 11
    assert "trainable parameters, and its configuration means" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_python_without_unsloth_is_one_line(write, tmp_path):
    """It names the Python that was asked and what to do."""
    found = run(write('backend = "unsloth"'), "--out", tmp_path / "out")
    assert found.exit_code == 11
    assert found.stderr.strip().startswith(
        f"error: backend 'unsloth': {sys.executable} cannot import it (No module named"
    )
    assert "name its python in 'interpreter'" in found.stderr


def test_an_interpreter_that_is_not_there_is_one_line(write, tmp_path):
    """The path is taken from the configuration's folder."""
    found = run(write('interpreter = "gone/bin/python"'), "--out", tmp_path / "out")
    assert found.exit_code == 2
    assert f"{write().parent}/gone/bin/python' cannot be started" in found.stderr


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('method = "orpo"', "method"),
        ("packing = true", "packing"),
        ('lora = { variant = "dora" }', "lora.variant"),
        ('quantization = { kind = "int8" }', "quantization"),
        ('quantization = { kind = "nf4", double = false }', "quantization"),
    ],
)
def test_what_unsloth_has_not_is_refused(data, tmp_path, line, key):
    """Before anything is loaded, with the key to change."""
    path = data.with_name("config.toml")
    path.write_text(f'backend = "unsloth"\ndata = "{data.name}"\n{line}\n')
    found = run(path, "--out", tmp_path / "out")
    assert found.exit_code == 2
    assert f"change '{key}' or take backend 'trl'" in found.stderr
