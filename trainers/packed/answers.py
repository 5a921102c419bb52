"""The last block beyond its attention at answers' tokens alone: nothing reads what it makes of others.

    x (K, N, h)  --attention-->  (K, N, ...)  --at answers-->  (K, n, h): output layer, gated layers, last norm

Of its attention all tokens' keys and values are needed, as answers attend to them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from trainers.bases import Model

__all__ = ["Places", "at_answers", "ends_alike"]

PARTS = ("input_layernorm", "self_attn.o_proj", "post_attention_layernorm", "mlp")
"""What a block must have; that it has no more is seen by `ends_alike`."""

NEAR = 1e-2
"""Of the norm: what rounding to bf16 may change; another kind of block changes as much as it says."""


class Places:
    """Where answers' tokens are predicted, (n,), for the next forward pass."""

    def __init__(self) -> None:
        self.now = torch.zeros(0, dtype=torch.long)


@contextmanager
def at_answers(model: Model, places: Places) -> Iterator[None]:
    """Have the decoder return (K, n, h), what it says at `places`; enter it when all layers are what they will be."""
    block = model.get_decoder().layers[-1]

    def forward(hidden_states: Tensor, *args: Any, **rest: Any) -> Tensor:  # noqa: ANN401  # what blocks pass on
        attended = block.self_attn(block.input_layernorm(hidden_states), *args, **rest)[0]
        x = hidden_states.index_select(1, places.now) + attended
        found: Tensor = x + block.mlp(block.post_attention_layernorm(x))
        return found

    def read(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0].index_select(1, places.now),)

    hook = block.self_attn.o_proj.register_forward_pre_hook(read)
    try:
        with patch.object(block, "forward", forward):
            yield
    finally:
        hook.remove()


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is read without its types
def ends_alike(model: Model, ids: Tensor) -> bool:
    """Whether the last block is one whose end can be left out elsewhere: both ways are tried on a row, (1, T)."""
    block, places = model.get_decoder().layers[-1], Places()
    try:
        for name in PARTS:
            block.get_submodule(name)
    except AttributeError:
        return False
    places.now = torch.arange(0, ids.shape[1], 2, device=ids.device)
    whole = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[:, places.now]
    with at_answers(model, places):
        ours = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    return bool((whole - ours).norm() < NEAR * whole.norm())
