"""A batch's passes as one CUDA graph: thousands of kernels that the host starts at once, not one after the other.

    first batch of a shape   run as ever, which also compiles what is compiled
    second                   recorded, then replayed
    later ones               replayed: the numbers are copied to where the graph reads them

What a graph cannot hold (random masks, activations computed twice) is not replayed; see `trainers.packed.fit`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.uncollected import uncollected
from trainers.packed.attention import Rows
from trainers.packed.stream import Batch

__all__ = ["Replays"]

MOST = 64
"""Graphs that are kept; batches of further shapes run as ever."""

Run = Callable[[Batch, Tensor], Tensor]
"""Leaves gradients where they are added up, and returns the losses (K,) of a batch; the second is the divisor."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A graph, the tensors that it reads, and the one that it writes."""

    graph: torch.cuda.CUDAGraph
    reads: tuple[Tensor, ...]
    losses: Tensor


class Replays:
    """Stands for a run, and does the same in less of the host's time.

    Attributes:
        replayed: batches that a graph did.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen: set[tuple[int, ...]] = set()
        self._graphs: dict[tuple[int, ...], _Recorded] = {}
        self._pool: tuple[int, int] | None = None
        self._full = False
        self.replayed = 0

    def __call__(self, batch: Batch, learned: Tensor) -> Tensor:
        """What the run would return."""
        shape = _shape(batch)
        if shape not in self._graphs:
            if shape not in self._seen or self._full or len(self._graphs) >= MOST:
                self._seen.add(shape)
                return self._run(batch, learned)
            try:
                self._graphs[shape] = self._record(batch, learned)
            except torch.OutOfMemoryError:  # a graph keeps its memory to itself, and there is none to spare
                self._full = True
                torch.cuda.empty_cache()
                return self._run(batch, learned)
        recorded = self._graphs[shape]
        for place, value in zip(recorded.reads, (*_tensors(batch), learned), strict=True):
            place.copy_(value)
        recorded.graph.replay()
        self.replayed += 1
        return recorded.losses.clone()

    def _record(self, batch: Batch, learned: Tensor) -> _Recorded:
        reads = tuple(tensor.clone() for tensor in (*_tensors(batch), learned))
        graph = torch.cuda.CUDAGraph()
        # a graph of an earlier pack that Python frees meanwhile would spoil this one
        with uncollected(), torch.cuda.graph(graph, pool=self._pool):
            losses = self._run(_batch(batch, reads), reads[-1])
        self._pool = graph.pool()
        return _Recorded(graph, reads, losses)


def _tensors(batch: Batch) -> tuple[Tensor, ...]:
    rows = batch.rows
    return (
        batch.ids,
        batch.places,
        batch.labels,
        rows.spread,
        rows.real,
        rows.unread,
        rows.copies,
        rows.copied,
        rows.positions,
    )


def _batch(like: Batch, tensors: tuple[Tensor, ...]) -> Batch:
    """The same batch with its numbers elsewhere."""
    ids, places, labels, *layout, _ = tensors
    return Batch(ids, Rows(like.rows.count, like.rows.longest, *layout), places, labels)


def _shape(batch: Batch) -> tuple[int, ...]:
    rows = batch.rows
    return rows.count, rows.longest, batch.ids.shape[1], len(batch.labels), len(rows.unread), len(rows.copies)
