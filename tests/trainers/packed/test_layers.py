"""The arithmetic of one packed layer beside the same sums written plainly and differentiated by autograd."""

import pytest
import torch
from torch import nn

from tests.trainers.packed.running import member
from trainers.packed.layers import attached
from trainers.packed.stack import Factors, Stack, padded


@pytest.mark.parametrize("lean", [False, True])
def test_a_layer_and_its_gradients_are_those_of_the_plain_sums(lean):
    """Two of three adapters, of unlike rank, scale and dropout, over a biased layer: output, and every gradient."""
    torch.manual_seed(0)
    model = nn.Module()
    model.proj = nn.Linear(6, 5, dtype=torch.float64).requires_grad_(requires_grad=False)
    members = (
        member("none"),
        member("drops", lora={"rank": 2, "dropout": 0.5, "scale": 3}),
        member("wide", lora={"rank": 4}),
    )
    ranks = {1: 2, 2: 4}
    starts = [
        {"proj": Factors(torch.randn(ranks[row], 6).double(), torch.randn(5, ranks[row]).double())} if row else {}
        for row in range(3)
    ]
    stack = Stack(starts, arithmetic=torch.float64, lean=lean)
    x = torch.randn(3, 7, 6, dtype=torch.float64, requires_grad=True)
    weigh = torch.randn(3, 7, 5, dtype=torch.float64)
    with attached(model, stack, members) as moment:
        moment.step = 3
        slots = model.proj._together._parts[0].slots
        ones = torch.ones(1, 7, 6, dtype=torch.float64)
        masks = [slot.dropout.mask(ones.expand(slot.last - slot.first, -1, -1), moment) for slot in slots]
        mask = torch.cat(masks)
        y = model.proj(x)
        (y * weigh).sum().backward()
    assert type(model.proj) is nn.Linear
    assert set(mask[0].unique().tolist()) == {0.0, 2.0}
    assert mask[1].eq(1).all()

    plain = x.detach().clone().requires_grad_()
    factors = {row: [part.clone().requires_grad_() for part in starts[row]["proj"]] for row in (1, 2)}
    rows = [model.proj(plain[0])]
    for row, (a, b) in factors.items():
        scale = members[row].lora.effective_scale
        rows.append(model.proj(plain[row]) + scale * (plain[row] * mask[row - 1]) @ a.T @ b.T)
    expected = torch.stack(rows)
    (expected * weigh).sum().backward()
    assert torch.allclose(y, expected)
    assert torch.allclose(x.grad, plain.grad)
    for row, (a, b) in factors.items():
        found = stack.adapter(row, stack.gradients)["proj"]
        assert torch.allclose(found.a, a.grad)
        assert torch.allclose(found.b, b.grad)
    assert stack.weights.numel() == (2 + 4 if lean else 3 * 4) * (6 + 5)


def test_ranks_come_in_eights_in_half_precision_on_a_gpu_alone():
    """Elsewhere no rank is padded but to the largest."""
    assert [padded(rank, half=True) for rank in (1, 4, 8, 9, 64)] == [8, 8, 8, 16, 64]
    assert padded(5, half=False) == 5
    start = {"proj": Factors(torch.zeros(4, 6), torch.zeros(5, 4))}
    assert Stack([start], arithmetic=torch.bfloat16).weights.numel() == 4 * 11


def test_a_lean_stack_has_a_block_for_adapters_that_are_alike():
    """Layers and rank are what counts, whatever the order of the layers; nothing is padded or lost."""

    def start(rank: int, *names: str) -> dict[str, Factors]:
        return {name: Factors(torch.rand(rank, 6), torch.rand(5, rank)) for name in names}

    starts = [start(2, "q", "v"), start(2, "v", "q"), start(4, "q", "v"), start(4, "q")]
    stack = Stack(starts, arithmetic=torch.float32, lean=True)
    rows = {name: [(place.first, place.last) for place in there] for name, there in stack.places.items()}
    assert rows == {"q": [(0, 2), (2, 3), (3, 4)], "v": [(0, 2), (2, 3)]}
    for row, each in enumerate(starts):
        found = stack.adapter(row)
        assert found.keys() == each.keys()
        assert all(torch.equal(one, other) for name in each for one, other in zip(found[name], each[name], strict=True))
    assert [own.numel() for own in stack.own(stack.weights)] == [2 * 22, 2 * 22, 4 * 22, 4 * 11]
    assert stack.weights.numel() == (2 + 2 + 4 + 2) * 22
