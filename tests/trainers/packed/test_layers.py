"""The arithmetic of one packed layer beside the same sums written plainly and differentiated by autograd."""

import torch
from torch import nn

from tests.trainers.packed.running import member
from trainers.packed.layers import attached
from trainers.packed.stack import Factors, Stack, padded


def test_a_layer_and_its_gradients_are_those_of_the_plain_sums():
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
    stack = Stack(starts, arithmetic=torch.float64)
    x = torch.randn(3, 7, 6, dtype=torch.float64, requires_grad=True)
    weigh = torch.randn(3, 7, 5, dtype=torch.float64)
    with attached(model, stack, members) as moment:
        moment.step = 3
        dropout = model.proj._together._parts[0].dropout
        mask = dropout.mask(torch.ones(2, 7, 6, dtype=torch.float64), moment)
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
        found_a, found_b = (part[row - 1] for part in stack.places["proj"].of(stack.gradients))
        assert torch.allclose(found_a[: ranks[row]], a.grad)
        assert torch.allclose(found_b[: ranks[row]], b.grad.T)
        assert not found_a[ranks[row] :].any()
        assert not found_b[ranks[row] :].any()


def test_ranks_come_in_eights_in_half_precision_on_a_gpu_alone():
    """Elsewhere no rank is padded but to the largest."""
    assert [padded(rank, half=True) for rank in (1, 4, 8, 9, 64)] == [8, 8, 8, 16, 64]
    assert padded(5, half=False) == 5
    start = {"proj": Factors(torch.zeros(4, 6), torch.zeros(5, 4))}
    assert Stack([start], arithmetic=torch.bfloat16).weights.shape == (1, 4, 11)
