"""A frozen linear layer with K adapters on it: one product with the base's weight for all, two small ones for each.

    y = x W'      (K, N, in) -> (K, N, out): N tokens of each adapter, all alike at first
    y = y + s (D(x) A') B'      D is dropout; A, B and s differ from adapter to adapter

The backward pass is written out. It adds into the stack's gradients itself, keeps no input in a second precision, and
asks for no gradient of the frozen weight. Quantised layers multiply by their own code, which is differentiated as ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import ModelProblem
from trainers.bases import Model
from trainers.packed.stack import Member, Place, Stack

__all__ = ["Moment", "attached"]


@dataclass(slots=True)
class Moment:
    """What a forward pass tells all layers: how many adapters there are, and what dropout is drawn by."""

    adapters: int
    step: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class _Slot:
    """One layer's share of the stack, for the adapters [first, last): k of them, `rank` padded.

    Attributes:
        a, b: (k, rank, in) and (k, rank, out), in the arithmetic's precision.
        grad_a, grad_b: the same shapes, in the weights' precision.
        scale: (k, 1, 1).
        anchor: a number that asks for gradients, so that autograd comes by though no weight is known to it.
    """

    first: int
    last: int
    a: Tensor
    b: Tensor
    grad_a: Tensor
    grad_b: Tensor
    scale: Tensor
    anchor: Tensor


@contextmanager
def attached(model: Model, stack: Stack, members: tuple[Member, ...]) -> Iterator[Moment]:
    """Put the stack's adapters on the layers of `model`, and take them off at the end.

    Args:
        model: the base; its layers are replaced in place meanwhile.
        stack: whose rows are the members.
        members: in the order of the rows.

    Yields:
        What forward passes must fill in.

    Raises:
        ModelProblem: a targeted layer is not an ordinary or quantised linear one.
    """
    moment, replaced = Moment(len(members)), []
    anchor = torch.zeros((), device=stack.weights.device, requires_grad=True)
    try:
        for name, place in stack.places.items():
            parent_name, _, leaf = name.rpartition(".")
            parent = model.get_submodule(parent_name)
            layer = getattr(parent, leaf)
            if not isinstance(layer, nn.Linear):
                raise ModelProblem(f"{name}: a {type(layer).__name__} cannot be packed; train with --no-pack")
            here = members[place.first : place.last]
            slot = _slot(stack, place, here, anchor)
            setattr(parent, leaf, _PackedLinear(layer, slot, moment, _Dropout(name, here)))
            replaced.append((parent, leaf, layer))
        yield moment
    finally:
        for parent, leaf, layer in replaced:
            setattr(parent, leaf, layer)


def _slot(stack: Stack, place: Place, members: tuple[Member, ...], anchor: Tensor) -> _Slot:
    (a, b), (grad_a, grad_b) = place.of(stack.shadow), place.of(stack.gradients)
    scales = [member.lora.effective_scale for member in members]
    scale = torch.tensor(scales, dtype=a.dtype, device=a.device)[:, None, None]
    return _Slot(place.first, place.last, a, b, grad_a, grad_b, scale, anchor)


class _Dropout:
    """Masks that are a function of seed, step, layer and row alone, so that they are the same in any company."""

    def __init__(self, layer: str, members: tuple[Member, ...]) -> None:
        self._layer = layer
        self._members = members
        self.on = any(member.lora.dropout for member in members)

    def mask(self, x: Tensor, moment: Moment) -> Tensor:
        """What the input (k, N, in) is multiplied by: 0, or 1 / (1 - p)."""
        factors = torch.ones_like(x)
        for factor, member in zip(factors, self._members, strict=True):
            if member.lora.dropout:
                kept = 1 - member.lora.dropout
                key = f"{member.seed}/{moment.step}/{moment.part}/{self._layer}".encode()
                seed = int.from_bytes(sha256(key).digest()[:8]) >> 1
                generator = torch.Generator(x.device).manual_seed(seed)
                factor.bernoulli_(kept, generator=generator).div_(kept)
        return factors


class _PackedLinear(nn.Module):  # type: ignore[misc]  # torch is read without its types
    """A linear layer and its adapters. `base` stays what it was."""

    def __init__(self, base: nn.Linear, slot: _Slot, moment: Moment, dropout: _Dropout) -> None:
        super().__init__()
        self.base, self._slot, self._moment, self._dropout = base, slot, moment, dropout
        self._plain = type(base) is nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        """(K, N, in) -> (K, N, out)."""
        moment, slot = self._moment, self._slot
        if x.ndim != 3 or x.shape[0] != moment.adapters:  # noqa: PLR2004  # adapters, tokens, features
            raise ModelProblem(f"a layer gets {tuple(x.shape)}: this architecture mixes rows; train with --no-pack")
        mask = self._dropout.mask(x[slot.first : slot.last], moment) if self._dropout.on else None
        weight, bias = (self.base.weight, self.base.bias) if self._plain else (None, None)
        made = None if self._plain else self.base(x)
        y: Tensor = _Product.apply(x, made, weight, bias, slot, mask, slot.anchor)
        return y


class _Product(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """The layer's arithmetic, see the module's docstring. `made` is the base's product where it is made elsewhere."""

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917  # autograd wants every input by itself
        ctx: Any,  # noqa: ANN401  # autograd's context
        x: Tensor,
        made: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        slot: _Slot,
        mask: Tensor | None,
        anchor: Tensor,  # noqa: ARG004  # its flag is what counts
    ) -> Tensor:
        """(K, N, in) -> (K, N, out)."""
        y = made.clone() if weight is None and made is not None else nn.functional.linear(x, weight, bias)
        own = x[slot.first : slot.last]  # (k, N, in)
        own = own if mask is None else own * mask
        down = torch.bmm(own, slot.a.mT).mul_(slot.scale)  # (k, N, rank)
        y[slot.first : slot.last].baddbmm_(down, slot.b)
        ctx.save_for_backward(x, weight, mask, down)
        ctx.slot, ctx.base_elsewhere = slot, made is not None
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # autograd's context
        """Adds to the stack's gradients; returns those of x and of the base's product."""
        x, weight, mask, down = ctx.saved_tensors
        slot: _Slot = ctx.slot
        rows = slice(slot.first, slot.last)
        grad = grad.contiguous()
        own = x[rows] if mask is None else x[rows] * mask
        _add_product(slot.grad_b, down.mT, grad[rows])
        back = torch.bmm(grad[rows], slot.b.mT).mul_(slot.scale)  # (k, N, rank)
        _add_product(slot.grad_a, back.mT, own)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.zeros_like(x) if weight is None else grad @ weight
            if mask is None:
                grad_x[rows].baddbmm_(back, slot.a)
            else:
                grad_x[rows].addcmul_(torch.bmm(back, slot.a), mask)
        return grad_x, grad if ctx.base_elsewhere else None, None, None, None, None, None


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add the batched product to `total`, which may be of higher precision."""
    if total.dtype == left.dtype:
        total.baddbmm_(left, right)
    else:
        total.add_(torch.bmm(left, right))
