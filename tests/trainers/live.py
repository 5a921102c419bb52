"""Counts the bytes of all tensors that are alive while a training step runs: the truth that predictions are held to.

Works on any device, tensor by tensor, and so shows on a CPU what the same operations keep on a GPU.
"""

import weakref
from collections.abc import Iterable

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Live", "step_bytes"]


class Live(TorchDispatchMode):
    """While entered, sums the storages that operations make; `now` is what is alive, `peak` the most there was."""

    def __init__(self, existing: Iterable[torch.Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._alive: dict[int, weakref.ref] = {}
        for tensor in existing:
            self._count(tensor)

    def restart(self) -> None:
        """Begin a new moment: forget the peak."""
        self.peak = self.now

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        """Run the operation and count what it made."""
        made = operation(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf)
        return made

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive and self._alive[key]() is storage:
            return

        def gone(_: object) -> None:
            self.now -= size
            self._alive.pop(key, None)

        self._alive[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


def step_bytes(model, *, batch: int, length: int, autocast: bool, padded: bool = False) -> dict[str, int]:
    """Bytes alive in a second training step of `model`: `kept` after the forward pass, and the peak of each moment.

    Args:
        model: a causal language model in training mode, with or without an adapter.
        batch: rows.
        length: tokens in a row.
        autocast: run the forward pass under bf16 autocast.
        padded: the first row ends in padding, so that attention gets a mask.
    """
    trained = [tensor for tensor in model.parameters() if tensor.requires_grad]
    optimizer = torch.optim.AdamW(trained, foreach=True)
    device = trained[0].device
    ids = torch.randint(3, model.config.vocab_size, (batch, length), device=device)
    mask = torch.ones_like(ids)
    mask[0, -1] = 0 if padded else 1
    found: dict[str, int] = {}
    with Live([*model.parameters(), *model.buffers()]) as live:
        for _ in range(2):
            live.restart()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
                output = model(input_ids=ids, attention_mask=mask, labels=ids, use_cache=False)
            found["kept"] = live.now
            output.loss.backward()
            found["backward"] = live.peak
            del output
            live.restart()
            optimizer.step()
            found["step"] = live.peak
            optimizer.zero_grad()
    return found
