"""K adapters in one buffer, block by block: a block holds a row for each of its adapters.

    a row:  first row of A and of B transposed of layer 1, of layer 2, ... | second rows of all layers | ...

A layer's factors lie in the same columns for all adapters of a block, so that one batched product does for them. Ranks
are padded to the block's largest one, and a layer that one of its adapters leaves alone is 0 for that one. All of it is
inert: where A and B both are 0, their product and both of their gradients are 0. What pads a rank is each row's end,
which no update has to visit.

One block for all takes the fewest products. *Lean*, each block is of adapters that are alike in layers and rank, so
that nothing is padded: of unlike ones it holds less than half of the numbers, in more products.

In half precision on a GPU ranks come in eights either way: others take other kernels, which round otherwise, so that an
adapter of rank 4 would depend on its company.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import torch

from trainers.adapt import adapt, refuse_other
from trainers.bases import Model
from trainers.parameters import predicted_parameters
from trainers.sections import Lora, Optim

__all__ = ["LAYOUT", "Block", "Factors", "Member", "Place", "Stack", "draw", "padded"]

LAYOUT = "blocks"
"""Of the buffers below; checkpoints hold them, so another layout needs another word."""
EIGHT = 8
"""Numbers in 16 bytes of half precision: what rows of a matrix must be a multiple of for tensor cores' own kernels.

Source: NVIDIA, Matrix Multiplication Background User's Guide, on alignment; and tests/trainers/packed/test_cuda.py.
"""


class Factors(NamedTuple):
    """One layer of one adapter, as PEFT holds it: `a` (rank, in), `b` (out, rank)."""

    a: torch.Tensor
    b: torch.Tensor


@dataclass(frozen=True, slots=True)
class Member:
    """One adapter of a pack: all in which it may differ from the others. `seed` is of A's first values and dropout."""

    name: str
    lora: Lora
    optim: Optim
    seed: int


@dataclass(frozen=True, slots=True)
class Block:
    """Where the numbers of some adapters lie.

    Attributes:
        first, last: their rows [first, last).
        start: the first of the block's numbers in a buffer.
        rank: the largest of theirs, `padded`.
        width: features in and out of all layers that one of them has.
    """

    first: int
    last: int
    start: int
    rank: int
    width: int

    @property
    def end(self) -> int:
        """The number after the last."""
        return self.start + (self.last - self.first) * self.rank * self.width

    def of(self, buffer: torch.Tensor) -> torch.Tensor:
        """Its view (k, rank, width) of a buffer."""
        return buffer[self.start : self.end].view(self.last - self.first, self.rank, self.width)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the factors of one layer lie in one block.

    Attributes:
        block: which.
        first, last: the rows [first, last) that may adapt the layer.
        start: the first of its columns.
        rank: the largest of those rows, `padded`.
        inner, outer: features in and out.
    """

    block: Block
    first: int
    last: int
    start: int
    rank: int
    inner: int
    outer: int

    def of(self, buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The views A (k, rank, in) and B transposed (k, rank, out) of a buffer."""
        rows = self.block.of(buffer)[self.first - self.block.first : self.last - self.block.first, : self.rank]
        here = rows[..., self.start : self.start + self.inner + self.outer]
        return here[..., : self.inner], here[..., self.inner :]


class Stack:
    """The adapters' numbers, and where each layer's are.

    Attributes:
        weights: one number after the other, in float32, or float64 where the base is.
        gradients: the same shape.
        shadow: `weights` in the arithmetic's precision; the same tensor when that is no lower.
        places: by the layer's name in the base, one for each block that has it, in the order of the rows.
        ranks: of each adapter, K of them.
    """

    def __init__(self, starts: Sequence[Mapping[str, Factors]], *, arithmetic: torch.dtype, lean: bool = False) -> None:
        """Lay out adapters.

        Args:
            starts: for each adapter its first factors, by layer; at least one layer in all.
            arithmetic: precision of the base's products.
            lean: whether those that follow each other and are alike have a block to themselves.
        """
        some = next(factors.a for start in starts for factors in start.values())
        half = some.is_cuda and arithmetic in (torch.bfloat16, torch.float16)
        self.ranks = [max((len(factors.a) for factors in start.values()), default=0) for start in starts]
        self.places: dict[str, list[Place]] = {}
        self._blocks: list[Block] = []
        alike = (lambda row: (starts[row].keys(), self.ranks[row])) if lean else (lambda _row: True)
        for _, rows in groupby(range(len(starts)), alike):
            self._lay_out(starts, list(rows), half=half)
        master = torch.float64 if arithmetic == torch.float64 else torch.float32
        self.weights = torch.zeros(self._blocks[-1].end, dtype=master, device=some.device)
        self.gradients = torch.zeros_like(self.weights)
        self.shadow = self.weights if arithmetic == master else self.weights.to(arithmetic)
        self._layers = [list(start) for start in starts]
        for row, start in enumerate(starts):
            self.put(row, start, self.weights)
        self.refresh()

    def _lay_out(self, starts: Sequence[Mapping[str, Factors]], rows: Sequence[int], *, half: bool) -> None:
        """A block for `rows`, which follow each other; between the first and the last with a layer it is padded."""
        layers = {name: factors for row in rows for name, factors in starts[row].items()}
        block = Block(
            rows[0],
            rows[-1] + 1,
            self._blocks[-1].end if self._blocks else 0,
            padded(max(self.ranks[row] for row in rows), half=half),
            sum(a.shape[1] + len(b) for a, b in layers.values()),
        )
        column = 0
        for name, (a, b) in layers.items():
            have = [row for row in rows if name in starts[row]]
            rank = padded(max(len(starts[row][name].a) for row in have), half=half)
            place = Place(block, have[0], have[-1] + 1, column, rank, inner=a.shape[1], outer=len(b))
            self.places.setdefault(name, []).append(place)
            column += place.inner + place.outer
        self._blocks.append(block)

    def own(self, buffer: torch.Tensor) -> list[torch.Tensor]:
        """The views of each adapter's own numbers, (rank * width,), without what pads its rank."""
        rows = [row for block in self._blocks for row in block.of(buffer)]
        return [row[:rank].view(-1) for row, rank in zip(rows, self.ranks, strict=True)]

    def refresh(self) -> None:
        """Bring `shadow` up to the weights."""
        if self.shadow is not self.weights:
            for low, exact in zip(self.own(self.shadow), self.own(self.weights), strict=True):
                low.copy_(exact)

    def adapter(self, row: int, buffer: torch.Tensor | None = None) -> dict[str, Factors]:
        """Copies of one adapter's factors by layer, without padding; of `buffer` where it is given."""
        found = {}
        for name in self._layers[row]:
            parts = self._row(name, row, self.weights if buffer is None else buffer)
            a, b = (part[: self.ranks[row]] for part in parts)
            found[name] = Factors(a.clone(memory_format=torch.contiguous_format), b.T.contiguous())
        return found

    def put(self, row: int, factors: Mapping[str, Factors], buffer: torch.Tensor) -> None:
        """Write what `adapter` gave of any stack into one row of `buffer`, of the shape of `weights`."""
        for name, (inner, outer) in factors.items():
            a, b = self._row(name, row, buffer)
            a[: len(inner)], b[: len(inner)] = inner, outer.T

    def _row(self, name: str, row: int, buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        place = next(place for place in self.places[name] if place.first <= row < place.last)
        a, b = place.of(buffer)
        return a[row - place.first], b[row - place.first]


def padded(rank: int, *, half: bool) -> int:
    """The rank that a stack lays out for one of `rank`, where arithmetic is in half precision on a GPU or is not."""
    return -(-rank // EIGHT) * EIGHT if half else rank


def draw(model: Model, members: Sequence[Member]) -> list[dict[str, Factors]]:
    """The factors that each member starts from: PEFT's own, drawn as they are for a training by itself.

    Args:
        model: from `load_base`; it is left as it was.
        members: whose variant is `lora` or `rslora`.

    Raises:
        BadSpec: a member targets what the model has not.
        ModelProblem: PEFT made an adapter of another size than the configuration means.
    """
    return [_drawn(model, member) for member in members]


def _drawn(model: Model, member: Member) -> dict[str, Factors]:
    predicted = predicted_parameters(model, member.lora)
    wrapped = adapt(model, member.lora, rows=(), base=Path(), seed=member.seed, start=Path())
    refuse_other(wrapped, predicted)
    found = {
        name: Factors(layer.lora_A["default"].weight.detach().clone(), layer.lora_B["default"].weight.detach().clone())
        for name, layer in wrapped.get_base_model().named_modules()
        if "default" in getattr(layer, "lora_A", ())
    }
    wrapped.unload()
    return found
