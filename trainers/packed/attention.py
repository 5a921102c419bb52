"""Attention over rows of unlike length that lie end to end, so that little is computed for padding.

    (K, N) tokens, N those of B rows in turn  --spread-->  (K * B, heads, T)  --causal-->  --gathered-->  (K, N)

Rows are padded for attention alone, on the right, where causal attention sees nothing of the padding: it needs no mask.
Every other part of a decoder looks at one token at a time, and its base's products are made for real tokens only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import ModelProblem
from trainers.bases import Model

__all__ = ["Rows", "attending_rows", "filler"]

NAME = "tunegate_rows"


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the tokens of B rows lie, end to end (N) and padded to the longest (B * T).

    Attributes:
        count, longest: B and T.
        spread: (B * T,), the token at each padded place; any token where it is padding.
        real: (N,), the padded place of each token.
        padding: the padded places that hold none; some may be named twice.
        positions: (1, N), each token's place in its row.
    """

    count: int
    longest: int
    spread: Tensor
    real: Tensor
    padding: Tensor
    positions: Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device, *, multiple: int = 1) -> "Rows":
        """The layout of rows of these lengths.

        Args:
            lengths: of the rows in tokens, each >= 1.
            device: of the tensors.
            multiple: N and T are made multiples of it, so that few shapes occur: T by padding, and N by a row more,
                that of the tokens which `filler` counts.
        """
        longest = -(-max(lengths) // multiple) * multiple
        more = filler(lengths, multiple)
        every = [*lengths, more] if more else list(lengths)
        filled = torch.arange(longest) < torch.tensor(every)[:, None]  # (B, T)
        spread = torch.zeros(len(every) * longest, dtype=torch.long)
        real = filled.flatten().nonzero().squeeze(1)
        spread[real] = torch.arange(len(real))
        padding = (~filled).flatten().nonzero().squeeze(1)
        if multiple > 1 and len(padding):
            padding = torch.cat([padding, padding[:1].expand(len(spread) - len(padding))])
        positions = torch.arange(longest).expand(len(every), -1)[filled][None]
        return cls(len(every), longest, *(each.to(device) for each in (spread, real, padding, positions)))


def filler(lengths: Sequence[int], multiple: int) -> int:
    """How many tokens are missing to a multiple."""
    return -sum(lengths) % multiple


@contextmanager
def attending_rows(model: Model) -> Iterator[None]:
    """Have `model` attend row by row; its forward passes must be given `packed_rows`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    before = model.config._attn_implementation  # noqa: SLF001  # there is no other way to ask
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _attend(  # noqa: PLR0913  # the interface of transformers
    module: nn.Module,  # noqa: ARG001
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    packed_rows: Rows | None = None,
    sliding_window: int | None = None,
    **_: Any,  # noqa: ANN401  # whatever the model passes on
) -> tuple[Tensor, None]:
    """(K, heads, N, D) each, fewer heads of key and value where queries share them -> (K, N, heads, D)."""
    if packed_rows is None or attention_mask is not None:
        raise ModelProblem("this architecture attends in its own way; train with --no-pack")
    if sliding_window is not None and packed_rows.longest > sliding_window:
        raise ModelProblem(f"rows are longer than the base's window of {sliding_window} tokens; train with --no-pack")
    adapters, _, _, width = query.shape
    rows = (adapters * packed_rows.count, packed_rows.longest, -1, width)
    padded = packed_rows.padding.numel() > 0

    def by_row(part: Tensor) -> Tensor:
        tokens = part.transpose(1, 2)  # (K, N, heads, D), as the layer before has left it in memory
        spread = _Spread.apply(tokens, packed_rows) if padded else tokens
        return spread.reshape(rows).transpose(1, 2)  # (K * B, heads, T, D)

    found = nn.functional.scaled_dot_product_attention(
        by_row(query),
        by_row(key),
        by_row(value),
        is_causal=True,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    found = found.transpose(1, 2).reshape(adapters, packed_rows.count * packed_rows.longest, -1, width)
    gathered: Tensor = _Gather.apply(found, packed_rows) if padded else found
    return gathered, None


class _Spread(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """(K, N, heads, D) -> (K, B * T, heads, D). No gradient comes from padding, which nobody attends to or reads."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Rows) -> Tensor:  # noqa: ANN401  # autograd's context
        """Put tokens in their padded places."""
        ctx.rows = rows
        return x.index_select(1, rows.spread)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401  # autograd's context
        """Take them out of there."""
        return grad.index_select(1, ctx.rows.real), None


class _Gather(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """(K, B * T, heads, D) -> (K, N, heads, D), the other way round; the gradient of padding is 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Rows) -> Tensor:  # noqa: ANN401  # autograd's context
        """Take tokens out of their padded places."""
        ctx.rows = rows
        return x.index_select(1, rows.real)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401  # autograd's context
        """Put them back."""
        rows: Rows = ctx.rows
        return grad.index_select(1, rows.spread).index_fill_(1, rows.padding, 0), None
