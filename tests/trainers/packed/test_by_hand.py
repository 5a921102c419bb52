"""What is written out for a CPU is what the model's own code computes, on the way and back."""

import pytest
import torch
from torch.autograd import gradcheck
from transformers.models.llama.modeling_llama import LlamaRMSNorm, apply_rotary_pos_emb

from harness.models import locate
from tests.trainers.packed.running import distance, member, ordinary, pack
from tests.trainers.packed.test_architectures import other_base
from trainers.bases import load_base
from trainers.packed import by_hand
from trainers.packed.fused import fused
from trainers.sections import Quantization


def numbers(*shape, seed=0):
    """Random ones in float64, with a gradient."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def angles():
    """Cosines and sines (1, N, D) whose halves differ, though those of the models are alike."""
    return numbers(1, 5, 4, seed=1).detach(), numbers(1, 5, 4, seed=2).detach()


def test_a_norm_and_its_gradient():
    """As the model's, which rounds to float32 on the way; the gradient is the slope."""
    theirs = LlamaRMSNorm(6, eps=1e-3).double()
    theirs.weight.data = numbers(6, seed=3).detach()
    x = numbers(2, 3, 6)
    assert torch.allclose(by_hand.normed(x, theirs.weight, 1e-3), theirs(x), rtol=1e-6)
    assert gradcheck(lambda x: by_hand.normed(x, theirs.weight.detach(), 1e-3), (x,))


def test_a_rotation_and_its_gradient():
    """As the model's, also where queries have more heads than keys."""
    q, k = numbers(2, 3, 5, 4), numbers(2, 1, 5, 4, seed=4)
    found = by_hand.rotated(q, k, *angles())
    assert all(map(torch.allclose, found, apply_rotary_pos_emb(q, k, *angles())))
    assert gradcheck(lambda q, k: by_hand.rotated(q, k, *angles()), (q, k))


def test_a_gate_and_its_gradients():
    """As autograd has them; the way back overwrites what it reads, so a second one is refused."""
    gate, up, weigh = numbers(2, 3, 4), numbers(2, 3, 4, seed=5), numbers(2, 3, 4, seed=6).detach()
    found, plain = by_hand.gated(gate, up), torch.nn.functional.silu(gate) * up
    assert torch.allclose(found, plain)
    ours, theirs = (torch.autograd.grad(y, (gate, up), weigh, retain_graph=True) for y in (found, plain))
    assert all(map(torch.allclose, ours, theirs))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(found, (gate, up), weigh)


def used_in(folder, monkeypatch) -> set[str]:
    """Which of them a base's forward pass goes through."""
    seen = set()
    for name in by_hand.__all__:
        plain = getattr(by_hand, name)
        monkeypatch.setattr(by_hand, name, lambda *args, plain=plain, name=name: seen.add(name) or plain(*args))
    model = load_base(locate(str(folder), None), dtype="float32", quantization=Quantization(), device="cpu")
    with fused(model, print):
        seen.clear()  # trying them beside the model's own uses them too
        model(torch.tensor([[1, 2, 3]]))
    return seen


def test_they_stand_in_for_the_models_own(base, monkeypatch):
    """All three in an ordinary base."""
    assert used_in(base, monkeypatch) == {"normed", "rotated", "gated"}


def test_a_base_with_another_activation_keeps_its_own(config, tmp_path, monkeypatch):
    """A gate that does not agree is not put in, and the adapter is the ordinary trainer's."""
    folder = other_base(tmp_path / "base", "llama", hidden_act="gelu")
    one = member()
    settings = config.model_copy(update={"model": str(folder), "steps": 4, "lora": one.lora, "optim": one.optim})
    packed = pack(settings, tmp_path / "pack", one, dtype="float32").adapters[0]
    assert distance(packed.factors, ordinary(settings, tmp_path / "ordinary")[0]) < 1e-4
    assert used_in(folder, monkeypatch) == {"normed"}
