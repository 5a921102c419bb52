"""Muon for many small matrices: those of one shape are moved together.

`torch.optim.Muon` moves one matrix after another; for the base's 56 that takes longer than the forward and backward
pass. The mathematics here is its mathematics, and a test holds the two against each other.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

__all__ = ["Muon"]

MOMENTUM = 0.95
# Newton-Schulz coefficients and size rule as in torch.optim.Muon: Jordan 2024 (kellerjordan.github.io/posts/muon),
# and Liu et al. 2025 (arXiv 2502.16982) for the factor that matches the size of AdamW's updates
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
ADAMW_RMS = 0.2


class Muon:
    """Momentum whose step is made orthogonal, for weights of two dimensions.

    Args:
        weights: matrices (rows, columns); those of one shape form a stack (count, rows, columns).
        decay: decoupled weight decay, in units of the rate.
    """

    def __init__(self, weights: Iterable[Any], *, decay: float) -> None:
        stacks: dict[Any, list[Any]] = defaultdict(list)
        for weight in weights:
            stacks[weight.shape].append(weight)
        self.decay = decay
        self.stacks = [(stack, torch.zeros_like(torch.stack(stack))) for stack in stacks.values()]

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is not followed by the type checker
    def step(self, rate: float) -> None:
        """Move every matrix along its gradient; `rate` is in units of AdamW's rate."""
        for weights, velocity in self.stacks:
            gradients = torch.stack([weight.grad for weight in weights])
            velocity.lerp_(gradients, 1 - MOMENTUM)
            directions = orthogonal(gradients.lerp(velocity, MOMENTUM))
            size = rate * ADAMW_RMS * math.sqrt(max(velocity.shape[1:]))
            torch._foreach_mul_(weights, 1 - rate * self.decay)
            torch._foreach_add_(weights, [each.to(velocity.dtype) for each in directions.unbind()], alpha=-size)


def orthogonal(stack: Any) -> Any:
    """The nearest orthogonal matrices, roughly (singular values in about 0.7 to 1.2), in bf16; shape (n, rows, columns)."""
    linear, cubic, quintic = COEFFICIENTS
    tall = stack.shape[1] > stack.shape[2]
    found = (stack.mT if tall else stack).bfloat16()
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = found @ found.mT
        found = torch.baddbmm(found, torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic), found, beta=linear)
    return found.mT if tall else found
