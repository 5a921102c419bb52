"""Room in a key-value cache: new tokens are written beside the ones that are there.

transformers puts keys and values together anew for every token, and so copies all of them each time. Where rows leave
the batch they are copied here, too, and room is made again.
"""

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicLayer

__all__ = ["with_room"]

ROOM = 32
"""Tokens that are made room for at once."""


def with_room(cache: Any) -> Any:  # noqa: ANN401  # a cache of transformers, or None
    """`cache`, with room in its layers of the plain kind; windows and recurrent states stay as they are."""
    for place, layer in enumerate(getattr(cache, "layers", ())):
        if type(layer) is DynamicLayer and layer.is_initialized:
            cache.layers[place] = _RoomyLayer(layer)
    return cache


class _RoomyLayer(DynamicLayer):  # type: ignore[misc]  # transformers is read without its types
    """What a layer remembers, `keys` and `values` (rows, heads, tokens, width): the first part of larger tensors."""

    keys: Tensor
    values: Tensor

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        self.__dict__ |= layer.__dict__
        self._room: dict[str, Tensor] = {}

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401  # what other layers need
        """Take in new tokens, and return all."""
        keys = self.keys = self._appended("keys", self.keys, key_states)
        values = self.values = self._appended("values", self.values, value_states)
        return keys, values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep some rows; the room goes with the others, so that both are never held by all layers at once."""
        super().reorder_cache(beam_idx)
        self._room.clear()

    def _appended(self, name: str, held: Tensor, new: Tensor) -> Tensor:
        """`held` and `new`; a copy is made where `held` is no longer the room's first part, or the room is full."""
        length, room = held.shape[2], self._room.get(name)
        end = length + new.shape[2]
        if room is None or room.data_ptr() != held.data_ptr() or len(room) != len(held) or room.shape[2] < end:
            room = new.new_empty(*held.shape[:2], end + ROOM, held.shape[3])
            room[:, :, :length] = held
            self._room[name] = room
        room[:, :, length:end] = new
        return room[:, :, :end]
