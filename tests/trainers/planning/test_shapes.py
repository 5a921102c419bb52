"""Shapes count parameters exactly as the models do."""

import json
import tomllib
from pathlib import Path

import pytest

import trainers.planning.shapes
from harness.errors import BadSpec
from tests.tiny import make_adapter
from trainers.planning.shapes import GROUPS, Shape, known_shapes, read_shape

SHAPES = known_shapes()
TABLE = tomllib.loads((Path(trainers.planning.shapes.__file__).parent / "shapes.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SHAPES)
def test_parameters_equal_those_that_the_model_is_published_with(name):
    """A shape that ships has exactly the parameters of its model's weights."""
    assert SHAPES[name].parameters == TABLE[name]["parameters"]
    assert SHAPES[name].source


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "smollm3"])
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_equal_those_of_the_model_that_transformers_makes(tmp_path, family, tied):
    """Every family that is covered is counted as its code builds it: biases, norms of heads and tied tables."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        family,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16 if family != "qwen2" else 12,
        intermediate_size=80,
        vocab_size=120,
        tie_word_embeddings=tied,
        pad_token_id=0,
    )
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert read_shape(str(tmp_path)).parameters == sum(tensor.numel() for tensor in model.parameters())


@pytest.mark.parametrize(
    ("model", "rank", "group", "expected"),
    [
        ("Llama-3.2-3B", 16, "all-linear", 24_313_856),
        ("Llama-3.2-3B", 16, "attention", 9_175_040),
        ("Llama-3.1-8B", 16, "attention", 13_631_488),
        ("Llama-3.1-8B", 16, "all-linear", 41_943_040),
        ("Llama-3.1-8B", 8, "all-linear", 20_971_520),  # the guide S1:31 prints this for rank 16 on attention
    ],
)
def test_adapters_of_known_models(model, rank, group, expected):
    """Trainable parameters follow from the configuration alone, and equal what PEFT prints."""
    assert SHAPES[model].adapter_parameters(rank, GROUPS[group]) == expected


def test_one_square_layer():
    """Rank 16 on 4096 x 4096 is 131,072 numbers, 0.78 % of the layer."""
    shape = Shape("one", hidden=4096, layers=1, heads=32, kv_heads=32, head_dim=128, ffn=1, vocab=1, tied=True)
    assert shape.adapter_parameters(16, ("q_proj",)) == 131_072
    assert round(131_072 / 4096**2, 4) == 0.0078


def test_adapter_parameters_equal_those_that_peft_makes(base, tmp_path):
    """The count for a tiny base is the number of values in the adapter file that PEFT writes."""
    from safetensors.torch import load_file

    adapter = make_adapter(base, tmp_path / "adapter")
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    targets = tuple({name.rpartition(".")[2] for name in settings["target_modules"]})
    made = sum(tensor.numel() for tensor in load_file(adapter / "adapter_model.safetensors").values())
    assert read_shape(str(base)).adapter_parameters(settings["r"], targets) == made


@pytest.mark.parametrize("name", ["Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct", "llama-3.2-3b"])
def test_names_with_and_without_organisation(name):
    """A Hub id means its model's shape, however it is spelled, and its instruct version has the same."""
    assert read_shape(name) == SHAPES["Llama-3.2-3B"]


@pytest.mark.demo
def test_the_base_that_ships():
    """`embedded` is a shape like any other."""
    assert read_shape("embedded").layers == 8


@pytest.mark.parametrize(
    ("name", "hint"), [("Lama-3.2-3B", "did you mean 'Llama-3.2-3B'"), ("zzz", "names that are known: Llama-3.2-1B")]
)
def test_an_unknown_name_is_refused_with_the_next_step(name, hint):
    """A model of unknown shape is an error, never a guess."""
    with pytest.raises(BadSpec, match=hint):
        read_shape(name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"model_type": "mixtral"}', "model_type 'mixtral' cannot be told"),
        ('{"model_type": "llama", "num_attention_heads": 4}', "key 'hidden_size' is missing"),
        ("{", "not valid JSON"),
    ],
)
def test_a_configuration_that_is_not_covered_is_refused(tmp_path, text, reason):
    """Experts, or half a configuration, are an error that names the file."""
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadSpec, match=reason):
        read_shape(str(tmp_path))
