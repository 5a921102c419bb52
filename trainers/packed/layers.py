"""A frozen linear layer with K adapters on it: one product with the base's weight, and two small ones for each block.

    y = x W'      (K, N, in) -> (K, N, out): N tokens of each adapter, all alike at first
    y = y + s (D(x) A') B'      D is dropout; A, B and s differ from adapter to adapter

The backward pass is written out. It adds into the stack's gradients itself, keeps no input in a second precision, and
asks for no gradient of the frozen weight. What the base's layer computes, and how its weight is kept, is `frozen`'s.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import ModelProblem
from trainers.bases import Model
from trainers.packed.frozen import Frozen, computes_as, frozen, mixing
from trainers.packed.stack import Member, Place, Stack

__all__ = ["Moment", "attached"]

ONE_INPUT = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers of one block that read the same numbers, in the families that are packed."""


@dataclass(slots=True)
class Moment:
    """What a forward pass tells all layers: how many adapters there are, and what dropout is drawn by."""

    adapters: int
    step: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class _Slot:
    """One layer's share of a block of the stack, for the adapters [first, last): k of them.

    Attributes:
        a, b: (k, rank, in) and (k, rank, out), in the arithmetic's precision.
        grad_a, grad_b: the same shapes, in the weights' precision.
        scale: (k, 1, 1).
        dropout: of those adapters, on this layer.
    """

    first: int
    last: int
    a: Tensor
    b: Tensor
    grad_a: Tensor
    grad_b: Tensor
    scale: Tensor
    dropout: "_Dropout"


@contextmanager
def attached(model: Model, stack: Stack, members: tuple[Member, ...]) -> Iterator[Moment]:
    """Put the stack's adapters on the layers of `model`, part them where they would touch, and undo it at the end.

    Args:
        model: the base; its layers are replaced in place meanwhile.
        stack: whose rows are the members.
        members: in the order of the rows.

    Yields:
        What forward passes must fill in.

    Raises:
        ModelProblem: a targeted layer is not an ordinary or quantised linear one.
    """
    moment, replaced, tried = Moment(len(members)), [], set()
    anchor = torch.zeros((), device=stack.weights.device, requires_grad=True)
    readers: dict[tuple[str, Sequence[str]], _Together] = {}
    try:
        for name in dict.fromkeys((*stack.places, *mixing(model))):
            parent_name, _, leaf = name.rpartition(".")
            parent = model.get_submodule(parent_name)
            layer = getattr(parent, leaf)
            if (base := frozen(layer, stack.shadow.dtype)) is None:
                raise ModelProblem(f"{name}: a {type(layer).__name__} cannot be packed; train with --no-pack")
            if type(layer) not in tried and not computes_as(base, layer):
                raise ModelProblem(f"{name}: this {type(layer).__name__} computes otherwise; train with --no-pack")
            tried.add(type(layer))
            slots = tuple(_slot(name, stack, place, members) for place in stack.places.get(name, ()))
            part = _Part(base, slots)
            alike = next((names for names in ONE_INPUT if leaf in names), (leaf,))
            together = readers.setdefault((parent_name, alike), _Together(moment, anchor))
            setattr(parent, leaf, _PackedLinear(together, together.join(part)))
            replaced.append((parent, leaf, layer))
        yield moment
    finally:
        for parent, leaf, layer in replaced:
            setattr(parent, leaf, layer)


def _slot(name: str, stack: Stack, place: Place, members: tuple[Member, ...]) -> _Slot:
    (a, b), (grad_a, grad_b) = place.of(stack.shadow), place.of(stack.gradients)
    here = members[place.first : place.last]
    scales = [member.lora.effective_scale for member in here]
    scale = torch.tensor(scales, dtype=a.dtype, device=a.device)[:, None, None]
    return _Slot(place.first, place.last, a, b, grad_a, grad_b, scale, _Dropout(name, here))


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


@dataclass(frozen=True, slots=True)
class _Part:
    """One layer among those that read the same input; its slots are in the order of the rows, none for no adapter."""

    base: Frozen
    slots: tuple[_Slot, ...]

    def of_all(self, x: Tensor) -> bool:
        """Whether all adapters that `x` (K, ...) is of have this layer."""
        return sum(slot.last - slot.first for slot in self.slots) == len(x)


class _Together:
    """Layers that read one input: all products are made when the first is asked for, and given out one by one."""

    def __init__(self, moment: Moment, anchor: Tensor) -> None:
        """`anchor` is a number that asks for gradients, so that autograd comes by though no weight is known to it."""
        self._moment, self._anchor = moment, anchor
        self._parts: list[_Part] = []
        self._read: Tensor | None = None
        self._made: dict[int, Tensor] = {}

    def join(self, part: _Part) -> int:
        """Take in a layer; its number is what `ask` is given."""
        self._parts.append(part)
        return len(self._parts) - 1

    def ask(self, number: int, x: Tensor) -> Tensor:
        """(K, N, in) -> (K, N, out)."""
        if x.ndim != 3 or x.shape[0] != self._moment.adapters:  # noqa: PLR2004  # adapters, tokens, features
            raise ModelProblem(f"a layer gets {tuple(x.shape)}: this architecture mixes rows; train with --no-pack")
        if x is not self._read or number not in self._made:
            masks = [
                slot.dropout.mask(x[slot.first : slot.last], self._moment) if slot.dropout.on else None
                for part in self._parts
                for slot in part.slots
            ]
            made = _Products.apply(x, self._anchor, tuple(self._parts), *masks)
            self._read, self._made = x, dict(enumerate(made))
        y = self._made.pop(number)
        if not self._made:
            self._read = None
        return y


class _PackedLinear(nn.Module):  # type: ignore[misc]  # torch is read without its types
    """A linear layer and its adapters, one of `together`."""

    def __init__(self, together: _Together, number: int) -> None:
        super().__init__()
        self._together, self._number = together, number

    def forward(self, x: Tensor) -> Tensor:
        """(K, N, in) -> (K, N, out)."""
        return self._together.ask(self._number, x)


class _Products(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """The layers' arithmetic, see the module's docstring.

    Where all adapters have a layer, their product comes first and the base's is added to it by the matrix product
    itself, which hides the traffic that an addition of its own would cost.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  # autograd's context
        x: Tensor,
        anchor: Tensor,  # noqa: ARG004  # its flag is what counts
        parts: tuple[_Part, ...],
        *masks: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """(K, N, in) -> (K, N, out) for each part; a mask or None for each slot of each part."""
        made, downs, left = [], [], iter(masks)
        for part in parts:
            own = [  # zip asks the slots first, so it takes no mask of the next part
                torch.bmm(_own(x, slot, mask), slot.a.mT).mul_(slot.scale)  # (k, N, rank)
                for slot, mask in zip(part.slots, left, strict=False)
            ]
            if part.of_all(x) and part.base.plain:
                y = _products(own, [slot.b for slot in part.slots])
                y.flatten(0, 1).addmm_(x.flatten(0, 1), part.base.weight().T)
            else:
                y = part.base.product(x)
                for slot, down in zip(part.slots, own, strict=True):
                    y[slot.first : slot.last].baddbmm_(down, slot.b)
            made.append(y)
            downs += own
        ctx.save_for_backward(x, *downs, *masks)
        ctx.parts = parts
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # autograd's context
        """Adds to the stack's gradients; returns that of x."""
        parts: tuple[_Part, ...] = ctx.parts
        x, *saved = ctx.saved_tensors
        half = len(saved) // 2
        kept = zip(saved[:half], saved[half:], strict=True)
        grad_x = None
        for part, y_grad in zip(parts, grads, strict=True):
            grad = y_grad.contiguous()
            backs, masks = [], []
            for slot, (down, mask) in zip(part.slots, kept, strict=False):
                here = grad[slot.first : slot.last]
                _add_product(slot.grad_b, down.mT, here)
                back = torch.bmm(here, slot.b.mT).mul_(slot.scale)  # (k, N, rank)
                _add_product(slot.grad_a, back.mT, _own(x, slot, mask))
                backs.append(back)
                masks.append(mask)
            if ctx.needs_input_grad[0]:
                grad_x = _input_grad(grad_x, grad, part, backs, masks)
        return grad_x, None, None, *(None for _ in saved[half:])


def _own(x: Tensor, slot: _Slot, mask: Tensor | None) -> Tensor:
    """What the slot's adapters read, (k, N, in)."""
    own = x[slot.first : slot.last]
    return own if mask is None else own * mask


def _products(lefts: Sequence[Tensor], rights: Sequence[Tensor]) -> Tensor:
    """The batched product of each pair, one after the other: (K, N, features) of blocks that make up K."""
    if len(lefts) == 1:
        return torch.bmm(lefts[0], rights[0])
    sizes = [len(left) for left in lefts]
    whole = lefts[0].new_empty(sum(sizes), lefts[0].shape[1], rights[0].shape[2])
    for left, right, out in zip(lefts, rights, whole.split(sizes), strict=True):
        torch.bmm(left, right, out=out)
    return whole


def _input_grad(
    total: Tensor | None, grad: Tensor, part: _Part, backs: Sequence[Tensor], masks: Sequence[Tensor | None]
) -> Tensor:
    """`total` and what comes back through one layer, (K, N, in)."""
    weight = part.base.weight()
    if total is None and part.of_all(grad) and not any(mask is not None for mask in masks):
        total = _products(backs, [slot.a for slot in part.slots])
        total.flatten(0, 1).addmm_(grad.flatten(0, 1), weight)
        return total
    if total is None:
        total = grad @ weight
    else:
        total.flatten(0, 1).addmm_(grad.flatten(0, 1), weight)
    for slot, back, mask in zip(part.slots, backs, masks, strict=True):
        if mask is None:
            total[slot.first : slot.last].baddbmm_(back, slot.a)
        else:
            total[slot.first : slot.last].addcmul_(torch.bmm(back, slot.a), mask)
    return total


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add the batched product to `total`, which may be of higher precision."""
    if total.dtype == left.dtype:
        total.baddbmm_(left, right)
    else:
        total.add_(torch.bmm(left, right))
