"""Merging: each target is written whole and measured against the adapter on its base."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from harness.errors import AdapterMismatch, ModelProblem
from harness.models import identify
from harness.types import ModelRef
from tests.tiny import make_adapter, make_base
from trainers.__main__ import app
from trainers.config import TrainConfig
from trainers.merge import merge
from trainers.product import COMPLETE
from trainers.sft import train


@pytest.fixture(scope="module")
def random_adapter(base, tmp_path_factory):
    """An adapter from elsewhere, without pins."""
    return make_adapter(base, tmp_path_factory.mktemp("merge") / "adapter", scale=0.05)


def test_merging_into_the_exact_base_changes_nothing_but_rounding(base, random_adapter, tmp_path):
    """In float32 the logits are those of adapter-on-base; bfloat16 storage costs a little, and it is measured."""
    exact = merge(random_adapter, tmp_path / "fp32", model=str(base), dtype="float32")
    assert exact.max_logit < 1e-2
    assert (exact.agreement, exact.mean_kl < 1e-6) == (1.0, True)
    rounded = merge(random_adapter, tmp_path / "bf16", model=str(base), dtype="bfloat16")
    assert rounded.max_logit > 10 * exact.max_logit
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "bf16").dtype == torch.bfloat16


def test_the_three_targets_differ_as_they_should(config, tmp_path):
    """An adapter of 4-bit training fits the base as it was then: the round trip beats the exact base and 4 bits."""
    values = config.model_dump() | {"quantization": {"kind": "nf4"}}
    train(TrainConfig.model_validate(values), tmp_path / "adapter")
    drift = {
        into: merge(tmp_path / "adapter", tmp_path / into, into=into, dtype="float32")
        for into in ("base", "nf4-roundtrip", "nf4")
    }
    assert drift["nf4-roundtrip"].mean_kl < 0.01 * drift["base"].mean_kl
    assert drift["nf4-roundtrip"].mean_kl < 0.01 * drift["nf4"].mean_kl
    assert drift["nf4-roundtrip"].agreement > 0.99
    assert json.loads((tmp_path / "nf4" / "merge.json").read_text())["trained_on"] == "nf4"
    assert "quantization_config" in json.loads((tmp_path / "nf4" / "config.json").read_text())


def test_a_merged_folder_is_a_model_that_the_harness_takes(base, random_adapter, tmp_path):
    """Tokenizer and template are the base's, byte for byte; a second run does nothing."""
    merge(random_adapter, tmp_path / "out", model=str(base))
    merged, plain = (identify(ModelRef(name="m", base=str(folder))) for folder in (tmp_path / "out", base))
    assert merged.digests["tokenizer"] == plain.digests["tokenizer"]
    assert merged.digests["template"] == plain.digests["template"]
    assert merged.digests["weights"] != plain.digests["weights"]
    before = (tmp_path / "out" / COMPLETE).stat().st_mtime_ns
    merge(random_adapter, tmp_path / "out", model=str(base))
    assert (tmp_path / "out" / COMPLETE).stat().st_mtime_ns == before


def test_an_adapter_is_not_merged_into_another_base(config, tmp_path):
    """The pins decide; shapes alone would agree."""
    train(config, tmp_path / "adapter")
    other = make_base(tmp_path / "other", seed=5)
    with pytest.raises(AdapterMismatch, match="trained on another base"):
        merge(tmp_path / "adapter", tmp_path / "out", model=str(other))
    assert not (tmp_path / "out").exists()


def test_an_adapter_without_pins_needs_its_base_named(random_adapter, tmp_path):
    """Nothing is guessed."""
    with pytest.raises(ModelProblem, match="pins no base; give it with --model"):
        merge(random_adapter, tmp_path / "out")


def test_the_command_says_how_far_the_merged_model_is(base, random_adapter, tmp_path):
    """The figures stand in one line."""
    arguments = ["merge", str(random_adapter), "--out", str(tmp_path / "out"), "--model", str(base)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    assert "same greedy token 100.0%" in done.stdout
