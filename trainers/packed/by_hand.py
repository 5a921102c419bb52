"""Norms, rotations and gates on a CPU, with backward passes that are written out.

torch makes several operations of each, and each of those reads and writes all tokens of all adapters, which costs more
than its arithmetic. Here intermediate numbers are overwritten in place, and less is kept for the way back.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["gated", "normed", "rotated"]


def normed(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """`weight` x / sqrt(mean(x^2) + `epsilon`) over the last dimension; the weight is frozen."""
    found: Tensor = _Norm.apply(x, weight, epsilon)
    return found


def rotated(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys (K, heads, N, D) turned by angles (1, N, D): x cos + (-x2, x1) sin of its halves x1 and x2."""
    return _Rotation.apply(q, cos, sin), _Rotation.apply(k, cos, sin)


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """silu(`gate`) `up`, of any one shape."""
    found: Tensor = _Gate.apply(gate, up)
    return found


class _Norm(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """With r = 1 / sqrt(mean(x^2) + epsilon) and g = w dy:  dx = r (g - x r^2 mean(g x))."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:  # noqa: ANN401  # autograd's context
        """See `normed`."""
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = size.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return torch.mul(x, scale).mul_(weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401  # autograd's context
        """The gradient of x."""
        x, weight, scale = ctx.saved_tensors
        back = grad * weight
        along = torch.linalg.vecdot(back, x)[..., None].mul_(scale.square()).div_(x.shape[-1])
        return back.addcmul_(x, along, value=-1).mul_(scale), None, None


class _Rotation(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """The way back is the same with the transposed matrix."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # noqa: ANN401  # autograd's context
        """See `rotated`."""
        ctx.save_for_backward(cos, sin)
        first, second = sin.chunk(2, dim=-1)
        return _turned(x, cos, first, second)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401  # autograd's context
        """The gradient of x."""
        cos, sin = ctx.saved_tensors
        first, second = sin.chunk(2, dim=-1)
        return _turned(grad, cos, -second, -first), None, None


def _turned(x: Tensor, cos: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Halves (x1 c1 - x2 first, x2 c2 + x1 second) of x (K, heads, N, D), as tokens before heads in memory."""
    tokens = x.transpose(1, 2)
    y = tokens * cos[:, :, None]  # (K, N, heads, D)
    (x1, x2), (y1, y2) = tokens.chunk(2, dim=-1), y.chunk(2, dim=-1)
    y1.addcmul_(x2, first[:, :, None], value=-1)
    y2.addcmul_(x1, second[:, :, None])
    return y.transpose(1, 2)


class _Gate(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """silu of the gate is kept; the way back overwrites it, so it can be gone once."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:  # noqa: ANN401  # autograd's context
        """See `gated`."""
        opened = torch.nn.functional.silu(gate)
        ctx.save_for_backward(gate, up, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401  # autograd's context
        """The gradients of both."""
        gate, up, opened = ctx.saved_tensors
        back = grad * up
        torch.ops.aten.silu_backward.grad_input(back, gate, grad_input=back)
        return back, opened.mul_(grad)
