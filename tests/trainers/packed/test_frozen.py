"""What the base's own layers compute in a pack, however their weights are kept."""

from dataclasses import replace

import bitsandbytes
import pytest
import torch
from bitsandbytes.autograd._functions import MatMul8bitLt

import trainers.packed.frozen as module
from harness.errors import ModelProblem
from tests.trainers.packed.running import distance, member, ordinary, pack
from trainers.bases import load_base
from trainers.packed.frozen import frozen, mixing
from trainers.sections import Quantization


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """8-bit layers multiply in 8 bits in training too, all columns but those in which a row is large.

    On a CPU bitsandbytes trains with whole weights instead, though it has these products.
    """
    monkeypatch.setattr(module, "_mixes", lambda _: True)
    products = MatMul8bitLt.apply
    monkeypatch.setattr(bitsandbytes, "matmul", lambda x, w, *, bias, state: products(x, w, None, bias, state))


@pytest.fixture
def steps(config):
    """Ten steps, a row each: the ordinary trainer pads none."""
    quantization = Quantization(kind="int8")
    return config.model_copy(update={"steps": 10, "batch_size": 1, "accumulation": 1, "quantization": quantization})


@pytest.mark.parametrize("kind", ["none", "nf4", "fp4", "int8"])
def test_a_layer_computes_what_it_does_by_itself(base, kind):
    """Before its first forward pass and after it, on the way and back."""
    model = load_base(base, dtype="float32", quantization=Quantization(kind=kind), device="cpu").train()
    layer = model.get_decoder().layers[0].mlp.up_proj
    ours, x = frozen(layer, torch.float32), torch.randn(2, 5, layer.in_features, requires_grad=True)
    before = ours.product(x)
    y = layer(x)
    assert torch.allclose(before, y, atol=1e-5)
    assert torch.allclose(ours.product(x), y, atol=1e-5)
    weigh = torch.randn_like(y)
    (slope,) = torch.autograd.grad(y, x, weigh)
    assert torch.allclose(weigh @ ours.weight(), slope, rtol=1e-4, atol=1e-4)
    assert frozen(torch.nn.Embedding(2, 3), torch.float32) is None


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_layer_that_computes_otherwise_is_refused(steps, tmp_path, monkeypatch, kind):
    """As another release of bitsandbytes might; a pack that is refused is trained one by one."""
    plain = module.frozen

    def otherwise(layer, dtype):
        found = plain(layer, dtype)
        return replace(found, weight=lambda: 1.1 * found.weight())

    monkeypatch.setattr("trainers.packed.layers.frozen", otherwise)
    name = {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[kind]
    with pytest.raises(ModelProblem, match=rf"_proj: this {name} computes otherwise; train with --no-pack"):
        pack(steps, tmp_path, member(), dtype="float32", quantization=kind)


@pytest.mark.usefixtures("as_on_a_gpu")
def test_rows_touch_each_other_in_8_bits_and_adapters_do_not(base):
    """A row with large numbers changes what another one comes to, in one product; in a pack each is by itself."""
    model = load_base(base, dtype="float32", quantization=Quantization(kind="int8"), device="cpu").eval()
    name = "model.layers.0.mlp.up_proj"
    assert name in mixing(model)
    layer = model.get_submodule(name)
    with torch.inference_mode():
        x = torch.stack([torch.randn(5, layer.in_features), 9 * torch.randn(5, layer.in_features)])
        alone = layer(x[:1])
        assert not torch.equal(layer(x)[:1], alone)
        assert torch.equal(frozen(layer, torch.float32).product(x)[:1], alone)


@pytest.mark.usefixtures("as_on_a_gpu")
def test_an_adapter_in_8_bits_is_the_same_in_any_company(steps, tmp_path):
    """On some layers and on others, which an 8-bit product must keep apart where no adapter is, too."""
    members = (
        member("qv", lora={"target_modules": "qv"}),
        member("mlp", seed=1, lora={"rank": 8, "target_modules": "mlp"}),
        member("drops", seed=2, lora={"dropout": 0.2, "target_modules": "qv"}),
    )
    how = {"dtype": "float32", "quantization": "int8"}
    for packed in pack(steps, tmp_path / "pack", *members, **how).adapters:
        alone = pack(steps, tmp_path / packed.member.name, packed.member, **how).adapters[0]
        assert distance(packed.factors, alone.factors) < 1e-4
        assert distance(packed.factors, packed.start) > 0.001


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_pack_of_one_in_8_bits_equals_the_ordinary_trainer(steps, tmp_path):
    """The same losses, to the last digits until adapters differ: TRL keeps those on such bases in bf16."""
    one = member(lora={"target_modules": "qv"})
    config = steps.model_copy(update={"lora": one.lora, "optim": one.optim})
    (packed,) = pack(config, tmp_path / "pack", one, dtype="float32", quantization="int8").adapters
    factors, curve = ordinary(config, tmp_path / "ordinary")
    assert packed.curve[0].loss == pytest.approx(curve[0].loss, rel=1e-6)
    assert [point.loss for point in packed.curve] == pytest.approx([point.loss for point in curve], rel=1e-3)
    assert distance(packed.factors, factors) < 0.01
