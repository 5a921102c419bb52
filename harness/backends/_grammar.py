"""Constrained decoding: at each step only the tokens that keep the answer within a JSON schema, by llguidance."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from harness.chat import Tokenizer
from harness.errors import BadSpec, NotMeasured

__all__ = ["Grammar"]

Tensor = Any
"""A torch tensor; torch is imported only where something is computed."""

ITEM, KEY = ", ", ": "
"""As Python's json.dumps writes: free white space lets a small model write blanks until its tokens are spent."""


class Grammar:
    """What a batch of answers may go on with; one state for each row."""

    def __init__(self, schema: str, tokenizer: Tokenizer, *, stop: frozenset[int], rows: int) -> None:
        """Start all rows at the beginning of an answer.

        Args:
            schema: JSON text of a JSON schema.
            tokenizer: a fast one, whose tokens are masked.
            stop: tokens that end an answer; allowed as soon as it is whole.
            rows: answers in the batch.

        Raises:
            BadSpec: llguidance cannot follow the schema.
        """
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": False, "item_separator": ITEM, "key_separator": KEY}
        )
        made = LLMatcher(_tokens(tokenizer, stop), grammar)
        if made.is_error():
            raise BadSpec(f"constrained decoding: the schema cannot be followed ({made.get_error()}); simplify it")
        self._matchers = [made.deep_copy() for _ in range(rows)]

    def mask(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """`logits` (len(rows), vocabulary) with -inf for each token that would leave the schema."""
        import numpy as np
        import torch

        bits = np.stack([np.frombuffer(self._matchers[row].compute_bitmask(), dtype=np.uint8) for row in rows])
        allowed = np.unpackbits(bits, axis=1, bitorder="little")[:, : logits.shape[1]].astype(bool)
        refused = torch.ones(logits.shape, dtype=torch.bool)
        refused[:, : allowed.shape[1]] = torch.from_numpy(~allowed)
        return logits.masked_fill(refused.to(logits.device), float("-inf"))

    def advance(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Go on by one token in each of these rows.

        Raises:
            NotMeasured: a token left the schema, or the schema takes more work than llguidance allows.
        """
        for row, token in zip(rows, tokens, strict=True):
            if not self._matchers[row].consume_token(token):
                raise NotMeasured(
                    f"constrained decoding: lost its way in the schema ({self._matchers[row].get_error()})"
                )


@lru_cache(maxsize=4)
def _tokens(tokenizer: Tokenizer, stop: frozenset[int]) -> Any:  # noqa: ANN401  # llguidance's own form of it
    from llguidance.hf import from_tokenizer

    return from_tokenizer(tokenizer, eos_token=sorted(stop))
