"""Digests change with everything that can change an answer, and with nothing else."""

import json
import shutil

import pytest

from harness.fingerprint import adapter_digest, digest, file_digest, weights_digest


@pytest.fixture
def checkpoint(tmp_path):
    """A folder that has the files of a model and of an adapter; their contents are never loaded."""
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text('{"hidden_size": 8, "transformers_version": "5.0", "_name_or_path": "/a"}')
    (folder / "adapter_model.safetensors").write_bytes(b"factors")
    (folder / "adapter_config.json").write_text(
        '{"r": 4, "target_modules": ["a", "b"], "base_model_name_or_path": "/home/x", "peft_version": "0.21"}'
    )
    return folder


def test_equal_values_have_equal_digests_whatever_the_order_of_keys():
    """JSON objects are unordered, so their digests are too; lists are ordered."""
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest("1") != digest(1)


def test_a_digest_is_the_sha256_of_canonical_json():
    """Any other program can recompute it: keys sorted, no spaces, everything beyond ASCII escaped."""
    # printf '{"a":"\\u00e9"}' | sha256sum
    assert digest({"a": "é"}) == "57e512a1ff02f75e939e93d2196b8d29ad3721b70ce25a601402d26410f453a2"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_values_that_json_cannot_write_have_no_digest(value):
    """NaN equals nothing, so it must never become part of a key."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(value)


def test_a_changed_file_is_read_again(tmp_path):
    """The cache of file digests looks at size and time, not only at the path."""
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    before = file_digest(path)
    path.write_bytes(b"three")
    assert file_digest(path) != before


def test_moving_a_checkpoint_keeps_its_digest(checkpoint, tmp_path):
    """Where files lie, and which version wrote them, changes no answer."""
    other = tmp_path / "two"
    shutil.copytree(checkpoint, other)
    (other / "config.json").write_text('{"_name_or_path": "/b", "hidden_size": 8, "transformers_version": "6.0"}')
    (other / "adapter_config.json").write_text(
        '{"r": 4, "target_modules": ["b", "a"], "base_model_name_or_path": "/home/y", "peft_version": "0.22"}'
    )
    assert weights_digest(other) == weights_digest(checkpoint)
    assert adapter_digest(other) == adapter_digest(checkpoint)


@pytest.mark.parametrize(
    ("file", "content", "of"),
    [
        ("model.safetensors", "other", weights_digest),
        ("config.json", '{"hidden_size": 16}', weights_digest),
        ("adapter_model.safetensors", "other", adapter_digest),
        ("adapter_config.json", '{"r": 8, "target_modules": ["a", "b"]}', adapter_digest),
        ("adapter_config.json", '{"r": 4, "target_modules": ["a"]}', adapter_digest),
    ],
)
def test_changing_weights_or_their_meaning_changes_the_digest(checkpoint, file, content, of):
    """Weights and every setting that says how they are used enter the digest."""
    before = of(checkpoint)
    (checkpoint / file).write_text(content)
    assert of(checkpoint) != before


def test_a_folder_without_weights_has_no_digest(tmp_path):
    """A missing file is an error, never an empty digest that equals another empty one."""
    (tmp_path / "config.json").write_text(json.dumps({}))
    with pytest.raises(FileNotFoundError, match=r"no \*\.safetensors"):
        weights_digest(tmp_path)
