"""Trainable parameters, from the configuration alone: the figures that guides print, right and wrong."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from harness.errors import ModelProblem
from harness.quiet import quiet
from tests.tiny import make_base
from trainers.adapt import adapt, refuse_other
from trainers.bases import load_base
from trainers.parameters import predicted_parameters
from trainers.sections import Lora, Quantization

# shapes as in the models' own config.json
LLAMA_32_3B = {
    "vocab_size": 128256,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
}
LLAMA_3_8B = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}


def skeleton(**shape):
    """A model without memory."""
    with torch.device("meta"):
        return LlamaForCausalLM(LlamaConfig(**shape))


@pytest.mark.parametrize(
    ("shape", "lora", "count"),
    [
        (LLAMA_32_3B, {"rank": 16, "target_modules": "all-linear"}, 24_313_856),
        (LLAMA_32_3B, {"rank": 16, "target_modules": "attention"}, 9_175_040),
        (LLAMA_3_8B, {"rank": 16, "target_modules": "attention"}, 13_631_488),
        (LLAMA_3_8B, {"rank": 16, "target_modules": "all-linear"}, 41_943_040),
        (LLAMA_3_8B, {"rank": 8, "target_modules": "all-linear"}, 20_971_520),
    ],
)
def test_the_counts_of_known_models_follow_from_their_configurations(shape, lora, count):
    """The guides' figures, the last of which one guide prints for another configuration."""
    assert predicted_parameters(skeleton(**shape), Lora(**lora)) == count


@pytest.mark.parametrize("target", ["all-linear", "attention", "mlp", "qv", ("o_proj", "up_proj")])
@pytest.mark.parametrize("variant", ["lora", "dora"])
def test_peft_makes_as_many_as_were_predicted(target, variant):
    """On a model without memory, for every group of layers, with and without magnitudes."""
    small = LLAMA_32_3B | {"num_hidden_layers": 2}
    predicted = predicted_parameters(skeleton(**small), Lora(rank=8, target_modules=target, variant=variant))
    groups = {
        "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
        "mlp": ["gate_proj", "up_proj", "down_proj"],
        "qv": ["q_proj", "v_proj"],
    }
    names = groups.get(target, target if isinstance(target, str) else list(target))
    lora = LoraConfig(r=8, target_modules=names, use_dora=variant == "dora", task_type="CAUSAL_LM")
    with quiet():
        made = get_peft_model(skeleton(**small), lora, low_cpu_mem_usage=True)
    assert sum(tensor.numel() for tensor in made.parameters() if tensor.requires_grad) == predicted


def test_an_adapter_that_is_not_the_configured_one_stops_the_run(base, tmp_path):
    """A count that differs means that another configuration is running than was asked for."""
    model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
    made = adapt(model, Lora(rank=4), rows=[], base=base, seed=0, start=tmp_path)
    with pytest.raises(ModelProblem, match=r"has \d+ trainable parameters, and its configuration means 7"):
        refuse_other(made, 7)


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_quantised_layers_are_counted_by_their_true_shape(tmp_path, kind):
    """Packed weights have another shape than the layer has."""
    base = make_base(tmp_path / "base")
    exact, packed = (
        predicted_parameters(
            load_base(base, dtype="float32", quantization=Quantization(kind=kind_), device="cpu"), Lora(rank=4)
        )
        for kind_ in ("none", kind)
    )
    assert exact == packed > 0
