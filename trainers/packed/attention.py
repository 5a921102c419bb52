"""Attention over rows of unlike length that lie end to end, so that little is computed for padding, or twice.

    (K, N) tokens, N those of B rows in turn  --spread-->  (K * B, heads, T)  --causal-->  --gathered-->  (K, N)

Rows are padded for attention alone, on the right, where causal attention sees nothing of the padding: it needs no mask.
Every other part of a decoder looks at one token at a time, and its base's products are made for real tokens only. Where
rows begin alike, with the same instructions say, a token is the same number for number as long as all before it is: it
is there once, and attention reads it in every row.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import ModelProblem
from trainers.bases import Model

__all__ = ["Rows", "attending_rows", "numbered"]

NAME = "tunegate_rows"


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the tokens of B rows lie, end to end (N) and padded to the longest (B * T).

    Attributes:
        count, longest: B and T.
        spread: (B * T,), the token at each padded place; any token where it is padding.
        real: (N,), the padded place of each token, the first where it has several.
        unread: the other padded places: padding, and tokens that are there already; some may be named twice.
        copies: (M,), the places of the latter.
        copied: (M,), their tokens.
        positions: (1, N), each token's place in its row.
    """

    count: int
    longest: int
    spread: Tensor
    real: Tensor
    unread: Tensor
    copies: Tensor
    copied: Tensor
    positions: Tensor

    @classmethod
    def of(cls, tokens: Sequence[Sequence[int]], device: torch.device, *, multiple: int = 1) -> "Rows":
        """The layout of rows.

        Args:
            tokens: for each row the numbers of its tokens among the N, from `numbered`; N is reached in order.
            device: of the tensors.
            multiple: T is made a multiple of it, so that few shapes occur.
        """
        longest = -(-max(map(len, tokens)) // multiple) * multiple
        spread, first, copies, copied, positions = [0] * (len(tokens) * longest), {}, [], [], []
        for row, numbers in enumerate(tokens):
            for at, token in enumerate(numbers):
                place = row * longest + at
                spread[place] = token
                if token in first:
                    copies.append(place)
                    copied.append(token)
                else:
                    first[token] = place
                    positions.append(at)
        unread = sorted(set(range(len(spread))).difference(first.values()))
        if multiple > 1 and unread:
            unread += unread[:1] * (len(spread) - len(unread))
        lists = (spread, list(first.values()), unread, copies, copied, [positions])
        return cls(len(tokens), longest, *(torch.tensor(each, dtype=torch.long, device=device) for each in lists))


def numbered(rows: Sequence[Sequence[int]], *, share: bool) -> list[list[int]]:
    """Number the tokens of rows of token ids, from 0 on, in their order.

    Args:
        rows: at least one.
        share: give tokens that are alike, and alike in all before them, one number.
    """
    if not share:
        starts = [sum(map(len, rows[:row])) for row in range(len(rows))]
        return [list(range(start, start + len(row))) for start, row in zip(starts, rows, strict=True)]
    known: dict[tuple[int, int], int] = {}  # by the number of the token before (-1: none) and the id
    found = []
    for row in rows:
        numbers, before = [], -1
        for token in row:
            before = known.setdefault((before, token), len(known))
            numbers.append(before)
        found.append(numbers)
    return found


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
    padded = packed_rows.unread.numel() > 0

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
        return _taken(x, rows.spread)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401  # autograd's context
        """Take them out of there, and add up those of a token that was put in several."""
        rows: Rows = ctx.rows
        back = _taken(grad, rows.real)
        if rows.copies.numel():
            back.index_add_(1, rows.copied, _taken(grad, rows.copies))
        return back, None


class _Gather(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """(K, B * T, heads, D) -> (K, N, heads, D), the other way round; what nobody reads gets no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Rows) -> Tensor:  # noqa: ANN401  # autograd's context
        """Take tokens out of their padded places."""
        ctx.rows = rows
        return _taken(x, rows.real)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401  # autograd's context
        """Put them back."""
        rows: Rows = ctx.rows
        return _taken(grad, rows.spread).index_fill_(1, rows.unread, 0), None


def _taken(x: Tensor, index: Tensor) -> Tensor:
    """(K, N, heads, D) at `index` (M,) -> (K, M, heads, D). On a CPU row by row, as torch is fast with rows alone."""
    if x.is_cuda:
        return x.index_select(1, index)
    found = x.new_empty(x.shape[0], len(index), *x.shape[2:])
    for one, taken in zip(x.contiguous().flatten(2), found.flatten(2), strict=True):
        torch.index_select(one, 0, index, out=taken)
    return found
