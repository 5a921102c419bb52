"""Muon on stacks of matrices: the steps of torch's own, matrix by matrix."""

import torch

from trainers.embedded_base.muon import Muon

SHAPES = ((8, 8), (8, 8), (16, 8), (8, 16), (16, 8))


def _steps(move):
    """The weights after four steps on seeded gradients; `move(weights)` gives the function that makes a step."""
    generator = torch.Generator().manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    step = move(weights)
    for _ in range(4):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        step()
    return [weight.detach() for weight in weights]


def _torch(weights):
    optimizer = torch.optim.Muon(weights, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    return optimizer.step


def _stacked(weights, rate=0.01):
    optimizer = Muon(weights, decay=0.1)
    return lambda: optimizer.step(rate)


def test_stacked_steps_are_those_of_torch():
    """Square, tall and wide matrices move as torch.optim.Muon moves them, within bf16's precision."""
    for ours, theirs in zip(_steps(_stacked), _steps(_torch), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-3)


def test_another_rate_is_noticed():
    """The comparison above can fail: at twice the rate the weights differ by far more."""
    ours = _steps(lambda weights: _stacked(weights, rate=0.02))
    assert not any(torch.allclose(one, two, atol=1e-2) for one, two in zip(ours, _steps(_torch), strict=True))
