"""The last block is worked out at answers' tokens alone where that changes nothing, and nowhere else."""

import pytest
import torch

import trainers.packed.fit as loop
from harness.models import locate
from tests.trainers.packed.running import distance, member, pack
from tests.trainers.packed.test_architectures import other_base
from trainers.bases import load_base
from trainers.packed.answers import Places, at_answers, ends_alike
from trainers.planning.shapes import FAMILIES
from trainers.sections import Quantization

MEMBERS = (
    member("a", lora={"rank": 8}),
    member("b", seed=2, lora={"rank": 4, "target_modules": "mlp"}),
    member("c", seed=1, lora={"rank": 4, "target_modules": ("o_proj", "q_proj")}),
)
IDS = torch.tensor([[1, 20, 30, 40, 50]])


def loaded(folder):
    """A base in fp32."""
    return load_base(locate(str(folder), None), dtype="float32", quantization=Quantization(), device="cpu")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_architecture_that_is_packed_ends_in_such_a_block(tmp_path, family):
    """So none of them computes more than it must."""
    assert ends_alike(loaded(other_base(tmp_path / "base", family)), IDS)


def test_a_block_that_does_something_else_is_left_alone(tmp_path):
    """One that scales what it adds, and one whose parts have other names."""
    model = loaded(other_base(tmp_path / "base", "granite", residual_multiplier=0.5))
    assert not ends_alike(model, IDS)
    block = model.get_decoder().layers[-1]
    block.self_attn.out = block.self_attn.o_proj
    del block.self_attn.o_proj
    assert not ends_alike(model, IDS)


def test_adapters_are_those_of_the_whole_block(config, tmp_path, monkeypatch):
    """Several rows and passes, adapters in the last block among them; and no other tokens go through it."""
    steps = config.model_copy(update={"steps": 10, "batch_size": 2, "accumulation": 2})
    seen = []
    plain = loop.at_answers

    def watched(model, places):
        mlp = model.get_decoder().layers[-1].mlp
        mlp.register_forward_pre_hook(lambda _, inputs: seen.append((inputs[0].shape[1], len(places.now))))
        return plain(model, places)

    monkeypatch.setattr(loop, "at_answers", watched)
    early = pack(steps, tmp_path / "early", *MEMBERS).adapters
    assert seen
    assert all(tokens == learned for tokens, learned in seen)
    monkeypatch.setattr(loop, "ends_alike", lambda *_: False)
    whole = pack(steps, tmp_path / "whole", *MEMBERS).adapters
    for one, other in zip(early, whole, strict=True):
        assert distance(one.factors, other.factors) < 1e-9
        assert [point.loss for point in one.curve] == pytest.approx([point.loss for point in other.curve], rel=1e-9)


def test_afterwards_the_block_is_whole_again(base):
    """Also when something failed meanwhile."""
    model, places = loaded(base), Places()
    before = model(IDS).logits
    places.now = torch.tensor([1, 3, 3])
    with at_answers(model, places):
        assert torch.allclose(model(IDS).logits, before[:, places.now], atol=1e-5)
    assert torch.equal(model(IDS).logits, before)
    places.now = torch.tensor([99])
    with pytest.raises(RuntimeError, match="out of"), at_answers(model, places):
        model(IDS)
    assert torch.equal(model(IDS).logits, before)
