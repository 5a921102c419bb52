"""The one stream of batches that all adapters of a pack learn from: the rows, in the ordinary trainer's order."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trainers.config import TrainConfig
from trainers.encode import IGNORED_LABEL, EncodedRow
from trainers.objectives import Order
from trainers.packed.attention import Rows, numbered

__all__ = ["Batch", "Step", "Stream"]


class Batch(NamedTuple):
    """Rows for one forward pass, end to end.

    Attributes:
        ids: (1, N), the tokens of all rows; those that rows share are there once.
        rows: where each row is.
        places: (n,), where among the N an answer's token is predicted; several may be at one place.
        labels: (n,), those tokens; `IGNORED_LABEL` for places that only fill up n.
    """

    ids: Tensor
    rows: Rows
    places: Tensor
    labels: Tensor


class Step(NamedTuple):
    """One update: its batches, and the answers' tokens in all of them, a number on the device."""

    batches: tuple[Batch, ...]
    learned: Tensor


class Stream:
    """Steps by number, so that a resumed run asks for where it was."""

    def __init__(
        self,
        rows: Sequence[EncodedRow],
        config: TrainConfig,
        device: torch.device,
        *,
        multiple: int = 1,
        share: bool = False,
    ) -> None:
        """See `trainers.fit` for what the settings mean.

        Args:
            rows: from `encode`.
            config: any of the pack's; `seed`, batch and steps are those of all.
            device: of the tensors.
            multiple: tokens are filled up to multiples of it, and answers' tokens too.
            share: whether what rows of a batch begin with alike is there once.
        """
        self._rows, self._config, self._device = rows, config, device
        self._multiple, self._share = multiple, share
        size, lengths = config.batch_size, [len(row.input_ids) for row in rows]
        self._order = Order(len(rows), size * config.accumulation, config.seed, lengths)
        self._passes = math.ceil(len(rows) / size)
        self._each = math.ceil(self._passes / config.accumulation)
        self.steps = config.steps or math.ceil(config.epochs * self._each)
        self._epoch, self._indices = -1, list[int]()

    def step(self, number: int) -> Step:
        """The step after `number` others."""
        epoch, place = divmod(number, self._each)
        if epoch != self._epoch:
            self._order.set_epoch(epoch)
            self._epoch, self._indices = epoch, list(self._order)
        size, passes = self._config.batch_size, self._config.accumulation
        last = min((place + 1) * passes, self._passes)
        parts = [self._indices[each * size : (each + 1) * size] for each in range(place * passes, last)]
        batches = tuple(self._batch([self._rows[index] for index in part]) for part in parts)
        learned = sum(label != IGNORED_LABEL for part in parts for index in part for label in self._rows[index].labels)
        return Step(batches, torch.tensor(float(learned), dtype=torch.float64, device=self._device))

    def epoch_after(self, number: int) -> float:
        """The epochs that are over when the step after `number` others is."""
        epoch, place = divmod(number, self._each)
        return epoch + min((place + 1) * self._config.accumulation, self._passes) / self._passes

    def _batch(self, rows: Sequence[EncodedRow]) -> Batch:
        tokens = numbered([row.input_ids for row in rows], share=self._share)
        ids = dict(
            pair for numbers, row in zip(tokens, rows, strict=True) for pair in zip(numbers, row.input_ids, strict=True)
        )
        # a label is predicted one place earlier, and nothing is after a row's last token
        learned = [
            (number, label)
            for numbers, row in zip(tokens, rows, strict=True)
            for number, label in zip(numbers, row.labels[1:], strict=False)
            if label != IGNORED_LABEL
        ]
        if more := -len(ids) % self._multiple:
            tokens.append(list(range(len(ids), len(ids) + more)))  # a row of which nothing is learned
        learned += [(0, IGNORED_LABEL)] * (-len(learned) % self._multiple)
        whole = [[*ids.values(), *[0] * more]], [place for place, _ in learned], [label for _, label in learned]
        there, places, labels = (torch.tensor(each, dtype=torch.long, device=self._device) for each in whole)
        return Batch(there, Rows.of(tokens, self._device, multiple=self._multiple), places, labels)
