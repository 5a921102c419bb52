"""Adapters of every variant: where they start, how many numbers they hold, and that what is saved fits the base."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from harness.errors import BadSpec
from harness.models import identify
from harness.quiet import quiet
from trainers.adapt import adapt, export, notes
from trainers.bases import load_base
from trainers.encode import EncodedRow
from trainers.sections import Lora, Quantization
from trainers.sft import train

IDS = torch.tensor([[1, 20, 30, 40]])
ROW = EncodedRow(input_ids=tuple(range(1, 41)), labels=tuple(range(1, 41)))


def loaded(base, quantization=None):
    """The base in memory."""
    return load_base(base, dtype="float32", quantization=quantization or Quantization(), device="cpu")


def adapted(base, folder, *, quantization=None, **lora):
    """The base with a new adapter."""
    settings = Lora(**{"rank": 4, "scale": 2.0} | lora)
    return adapt(loaded(base, quantization), settings, rows=[ROW], base=base, seed=0, start=folder / "start")


def logits(model):
    """What a model says after a few tokens."""
    with torch.inference_mode():
        return model.eval()(IDS).logits


def push(model):
    """Stand in for training: move every factor."""
    torch.manual_seed(1)
    for tensor in model.parameters():
        if tensor.requires_grad:
            tensor.data += 0.05 * torch.randn_like(tensor)


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora", "pissa", "olora", "eva"])
def test_an_exported_adapter_says_on_the_untouched_base_what_the_trained_model_said(base, tmp_path, variant):
    """Also where training had moved weights of the base into the adapter."""
    model = adapted(base, tmp_path, variant=variant)
    push(model)
    trained = logits(model)
    export(model, tmp_path / "out", start=tmp_path / "start")
    with quiet():
        again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "out")
    assert torch.allclose(logits(again), trained, atol=2e-3, rtol=0)
    with again.disable_adapter():
        assert torch.allclose(logits(again), logits(loaded(base)), atol=1e-4, rtol=0)
    assert not torch.allclose(trained, logits(loaded(base)), atol=0.1, rtol=0)


@pytest.mark.parametrize("variant", ["pissa", "olora"])
def test_a_variant_that_moves_the_base_does_so_in_memory_and_is_converted(base, tmp_path, variant):
    """Switched off in memory it is not the base; on disk it is an ordinary LoRA of twice the rank and equal scale."""
    model = adapted(base, tmp_path, variant=variant)
    with model.disable_adapter():
        assert not torch.allclose(logits(model), logits(loaded(base)), atol=0.1, rtol=0)
    export(model, tmp_path / "out", start=tmp_path / "start")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["init_lora_weights"]) == (8, 16, True)


@pytest.mark.parametrize("variant", ["pissa", "olora", "eva", "loftq"])
def test_the_harness_measures_what_was_trained_with_any_variant(config, tmp_path, variant):
    """Trained to the end, saved, and accepted as a LoRA of this base."""
    values = config.model_dump() | {"lora": {"rank": 4, "variant": variant}}
    if variant == "loftq":
        values["quantization"] = {"kind": "nf4"}
    trained = train(type(config).model_validate(values), tmp_path / "out")
    assert identify(trained.model).train_config["lora"]["variant"] == variant


@pytest.mark.parametrize("double", [True, False])
def test_loftq_starts_nearer_to_the_exact_base_than_rounding_left_it(base, tmp_path, double):
    """The quantised weights plus s * BA are closer to the exact ones than the quantised weights alone, at any scale."""
    from bitsandbytes.functional import dequantize_4bit

    nf4 = Quantization(kind="nf4", double=double)
    model = adapted(base, tmp_path, variant="loftq", quantization=nf4, rank=16, scale=5.0)
    exact = load_file(base / "model.safetensors")["model.layers.0.self_attn.q_proj.weight"]
    layer = model.get_base_model().model.layers[0].self_attn.q_proj
    rounded = dequantize_4bit(layer.base_layer.weight.data, layer.base_layer.weight.quant_state)
    added = 5.0 * layer.lora_B["default"].weight.float() @ layer.lora_A["default"].weight.float()
    assert (rounded + added - exact).norm() < 0.85 * (rounded - exact).norm()


def test_eva_looks_along_the_directions_of_the_inputs(base, tmp_path):
    """A's rows are orthonormal directions that hold most of a layer's input, which random rows do not."""
    model = adapted(base, tmp_path, variant="eva")
    inputs = []
    layer = model.get_base_model().model.layers[1].mlp.down_proj
    handle = layer.base_layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0][0]))
    with torch.inference_mode(), model.disable_adapter():
        model.eval()(torch.tensor([ROW.input_ids]))
    handle.remove()
    rows = layer.lora_A["default"].weight.detach()
    centred = inputs[0] - inputs[0].mean(dim=0)
    assert torch.allclose(rows @ rows.T, torch.eye(4), atol=1e-4)
    assert (centred @ rows.T).norm() ** 2 > 0.2 * centred.norm() ** 2


def test_eva_needs_more_learned_tokens_than_directions(base, tmp_path):
    """Forty tokens cannot show thirty directions; the message says what to lower."""
    with pytest.raises(BadSpec, match="hold 40 learned tokens, and rank 30 needs 60; lower the rank"):
        adapted(base, tmp_path, variant="eva", rank=30)


@pytest.mark.parametrize("variant", ["lora", "rslora"])
def test_merged_weights_hold_the_effective_scale(base, tmp_path, variant):
    """W' - W is scale * BA, with the scale that the configuration says, whichever rule turns alpha into it."""
    model = adapted(base, tmp_path, variant=variant, rank=4, scale=3.0)
    push(model)
    layer = model.get_base_model().model.layers[0].mlp.up_proj
    factors = layer.lora_B["default"].weight.detach() @ layer.lora_A["default"].weight.detach()
    merged = model.merge_and_unload().model.layers[0].mlp.up_proj.weight
    exact = load_file(base / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    assert torch.allclose(merged - exact, 3.0 * factors, atol=1e-5)


def test_alpha_and_scale_say_the_same_number():
    """Alpha / rank, alpha / sqrt(rank) for rslora, and a default that stays put when the rank changes."""
    assert (Lora(rank=16, alpha=32).effective_scale, Lora(rank=8).effective_scale) == (2.0, 2.0)
    assert Lora(rank=16, alpha=32, variant="rslora").effective_scale == 8.0
    assert Lora(rank=16, scale=2, variant="rslora").effective_alpha == 8.0
    assert Lora(rank=64).effective_alpha == 128


def test_what_a_person_should_know_is_said_before_training():
    """A base that is not the base while it trains, and a scale outside the usual."""
    assert notes(Lora()) == ()
    assert (
        "with the adapter off is not the base; what is saved is an ordinary LoRA of rank 32"
        in notes(Lora(variant="pissa"))[0]
    )
    assert notes(Lora(scale=8.0))[0].startswith("scale 8 is outside 0.5 to 4")


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        (Lora(rank=16), None),
        (Lora(rank=17), "vLLM serves this adapter: yes, with --enable-lora --max-lora-rank 32 (rank 17)"),
        (
            Lora(rank=16, variant="pissa"),
            "vLLM serves this adapter: yes, with --enable-lora --max-lora-rank 32 (rank 32)",
        ),
        (Lora(rank=8, variant="dora"), "vLLM serves this adapter: no: it is a DoRA; merge it first"),
    ],
)
def test_what_vllm_will_need_is_said_before_training(lora, said):
    """A rank beyond vLLM's default, counted as it is saved, names the flag; a DoRA says to merge it."""
    served = [note for note in notes(lora) if "vLLM" in note]
    assert len(served) == (said is not None)
    assert served == [] or served[0].startswith(said)
