"""Every architecture that is packed is trained as the ordinary trainer trains it; others say that they cannot be."""

import json

import pytest
import torch

from harness.errors import ModelProblem
from harness.quiet import quiet
from tests.tiny import make_base, make_tokenizer
from tests.trainers.packed.running import distance, member, ordinary, pack
from trainers.planning.shapes import FAMILIES

SHAPE = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def other_base(folder, family, **settings):
    """A random base of another architecture, with the tiny tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    make_base(folder)
    kept = json.loads((folder / "config.json").read_text())
    shape = {
        key: kept[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    }
    tokens = {key: kept[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = AutoConfig.for_model(
        family, vocab_size=len(make_tokenizer()), num_hidden_layers=2, **shape, **tokens, **settings
    )
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_equals_ordinary_on_every_architecture_that_is_packed(config, tmp_path, family):
    """Biases, normalised heads and layers without rotation included: the same losses and adapter after four steps."""
    folder = other_base(tmp_path / "base", family)
    one = member(lora={"rank": 8})
    settings = config.model_copy(update={"model": str(folder), "steps": 4, "lora": one.lora, "optim": one.optim})
    beside = member("b", lora={"rank": 4, "target_modules": "qv"})
    packed = pack(settings, tmp_path / "pack", beside, one, dtype="float32").adapters[1]
    factors, curve = ordinary(settings, tmp_path / "ordinary")
    assert distance(packed.factors, factors) < 1e-4
    assert [point.loss for point in packed.curve] == pytest.approx([point.loss for point in curve], rel=1e-4)


def test_rows_longer_than_a_sliding_window_are_refused(config, tmp_path):
    """Rows attend to all that is before them here; a base that would not is not trained otherwise in silence."""
    folder = other_base(tmp_path / "base", "mistral", sliding_window=16)
    with pytest.raises(ModelProblem, match="longer than the base's window of 16 tokens; train with --no-pack"):
        pack(config.model_copy(update={"model": str(folder), "steps": 1}), tmp_path / "pack", member(), dtype="float32")


def test_an_architecture_that_scales_its_logits_is_refused(config, tmp_path):
    """The loss is worked out from the output layer alone; a model that does more says so before it trains."""
    folder = other_base(tmp_path / "base", "granite", logits_scaling=8.0)
    with pytest.raises(ModelProblem, match="more than one product to make logits; train with --no-pack"):
        pack(config.model_copy(update={"model": str(folder), "steps": 1}), tmp_path / "pack", member(), dtype="float32")
