"""K adapters in one buffer: row k is adapter k, and a layer's factors lie in the same columns for all of them.

    row k:  A of layer 1 (rank x in) | B of layer 1, transposed (rank x out) | A of layer 2 | ...

Ranks are padded to the largest that a layer has. Padding is inert: where A and B both are 0, their product and both of
their gradients are 0, and so is every update of AdamW. A layer that an adapter leaves alone is padding as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from trainers.adapt import adapt, refuse_other
from trainers.bases import Model
from trainers.parameters import predicted_parameters
from trainers.sections import Lora, Optim

__all__ = ["Factors", "Member", "Place", "Stack", "draw"]


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
class Place:
    """Where a layer's factors lie.

    Attributes:
        first, last: the rows [first, last) that may adapt the layer.
        start: the first column.
        rank: the largest of those rows.
        inner, outer: features in and out.
    """

    first: int
    last: int
    start: int
    rank: int
    inner: int
    outer: int

    @property
    def end(self) -> int:
        """The column after the last."""
        return self.start + self.rank * (self.inner + self.outer)

    def of(self, buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The views A (k, rank, in) and B transposed (k, rank, out) of a buffer (K, columns)."""
        middle, rows = self.start + self.rank * self.inner, slice(self.first, self.last)
        shape = (self.last - self.first, self.rank, -1)
        return buffer[rows, self.start : middle].view(shape), buffer[rows, middle : self.end].view(shape)


class Stack:
    """The adapters' numbers, and where each layer's are.

    Attributes:
        weights: (K, columns), in float32, or float64 where the base is.
        gradients: the same shape.
        shadow: `weights` in the arithmetic's precision; the same tensor when that is no lower.
        places: by the layer's name in the base.
    """

    def __init__(self, starts: Sequence[Mapping[str, Factors]], *, arithmetic: torch.dtype) -> None:
        """Lay out adapters.

        Args:
            starts: for each adapter its first factors, by layer; at least one layer in all.
            arithmetic: precision of the base's products.
        """
        self.places = _places(starts)
        some = next(factors.a for start in starts for factors in start.values())
        master = torch.float64 if arithmetic == torch.float64 else torch.float32
        columns = max(place.end for place in self.places.values())
        self.weights = torch.zeros(len(starts), columns, dtype=master, device=some.device)
        self.gradients = torch.zeros_like(self.weights)
        self.shadow = self.weights if arithmetic == master else self.weights.to(arithmetic)
        self._ranks = [{name: len(factors.a) for name, factors in start.items()} for start in starts]
        for row, start in enumerate(starts):
            self.put(row, start, self.weights)
        self.refresh()

    def refresh(self) -> None:
        """Bring `shadow` up to the weights."""
        if self.shadow is not self.weights:
            self.shadow.copy_(self.weights)

    def adapter(self, row: int, buffer: torch.Tensor | None = None) -> dict[str, Factors]:
        """Copies of one adapter's factors by layer, without padding; of `buffer` (K, columns) where it is given."""
        found = {}
        for name, rank in self._ranks[row].items():
            a, b = self._row(name, row, self.weights if buffer is None else buffer)
            found[name] = Factors(a[:rank].clone(), b[:rank].T.contiguous())
        return found

    def put(self, row: int, factors: Mapping[str, Factors], buffer: torch.Tensor) -> None:
        """Write what `adapter` gave of any stack into one row of `buffer` (K, columns)."""
        for name, (inner, outer) in factors.items():
            a, b = self._row(name, row, buffer)
            a[: len(inner)], b[: len(inner)] = inner, outer.T

    def _row(self, name: str, row: int, buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        place = self.places[name]
        a, b = place.of(buffer)
        return a[row - place.first], b[row - place.first]


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


def _places(starts: Sequence[Mapping[str, Factors]]) -> dict[str, Place]:
    """Columns for every layer that some adapter has. Rows between the first and the last of them are padded."""
    places: dict[str, Place] = {}
    column = 0
    for name in dict.fromkeys(name for start in starts for name in start):
        rows = [row for row, start in enumerate(starts) if name in start]
        a, b = starts[rows[0]][name]
        rank = max(len(starts[row][name].a) for row in rows)
        places[name] = Place(rows[0], rows[-1] + 1, column, rank, inner=a.shape[1], outer=b.shape[0])
        column = places[name].end
    return places
