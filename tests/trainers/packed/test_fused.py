"""What a GPU gets compiled is compiled once, so that numbers are the same in any company; here without a compiler."""

from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from trainers.bases import load_base
from trainers.packed import fused, loss
from trainers.sections import Quantization


@pytest.fixture
def counter(monkeypatch):
    """Counts what is compiled, and runs it as it is."""
    counter = CompileCounter()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    return counter


def test_the_same_kernels_do_for_any_number_of_adapters_and_tokens(counter):
    """One adapter, or rows of another length, would otherwise take others, which round otherwise."""
    gate = fused.compiled(fused._gated(torch.nn.functional.silu))
    for adapters, tokens in ((2, 512), (1, 512), (3, 64), (1, 70)):
        x, y = torch.randn(2, adapters, tokens, 6)
        assert torch.allclose(gate(x, y), torch.nn.functional.silu(x) * y)
    assert counter.frame_count == 1


def test_rotations_are_the_models_own_for_any_number_of_adapters(counter):
    """Angles that all adapters share, and angles of each."""
    rotate = fused._rotated(fused.compiled(fused._turned))
    for adapters, heads, of in ((2, 3, 1), (1, 3, 1), (4, 3, 4)):
        q, k = torch.randn(adapters, heads, 5, 4), torch.randn(adapters, 1, 5, 4)
        angles = torch.randn(2, 1, 5, 4).expand(2, of, 5, 4)
        for found, expected in zip(rotate(q, k, *angles), apply_rotary_pos_emb(q, k, *angles), strict=True):
            assert torch.allclose(found, expected, atol=1e-6)
    assert counter.frame_count == 1


def test_a_gate_that_rounds_once_agrees_in_a_model_of_large_weights(base):
    """Whose outputs are in the tens, so that some that all but cancel are off by 1; another activation does not."""
    model = load_base(Path(base), dtype="bfloat16", quantization=Quantization(), device="cpu")
    mlp = model.get_decoder().layers[0].mlp
    for activation, agrees in ((torch.nn.functional.silu, True), (torch.nn.functional.gelu, False)):
        assert fused._gates(lambda x, y, act=activation: (act(x.float()) * y.float()).bfloat16(), mlp, model) is agrees


@pytest.mark.parametrize(("error", "falls_back"), [(RuntimeError, True), (torch.OutOfMemoryError, False)])
def test_want_of_memory_is_no_want_of_a_compiler(base, monkeypatch, error, falls_back):
    """Without a compiler the model's own arithmetic is used; out of memory, the pack is to be halved."""

    def fail(*_):
        raise error("no")

    said = []
    monkeypatch.setattr(fused, "compiled", fail)
    monkeypatch.setattr(loss, "compiled", fail)
    model = load_base(Path(base), dtype="float32", quantization=Quantization(), device="cpu")
    with ExitStack() as changed, nullcontext() if falls_back else pytest.raises(error):
        fused._compile_between(model, changed, said.append)
    with nullcontext() if falls_back else pytest.raises(error):
        assert loss._fastest.__wrapped__(7, torch.float32, torch.device("meta")) is loss._judged
    assert len(said) == falls_back
