"""Encodings of prompts and options, kept from one model to the next: a sweep asks all its points the same questions.

lm-eval encodes a question anew for each of its options, twice over here, and one string at a time; for a small model
that is a fifth of the time of its answers.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["remembered"]

MOST_CHARACTERS = 2**24
"""Of text that is kept for a tokenizer, some 50 MB with its ids; of what comes later only the last few are."""
LAST = 4096

Encode = Callable[..., list[int]]

_kept: WeakKeyDictionary[Any, dict[str, tuple[int, ...]]] = WeakKeyDictionary()


def remembered(tokenizer: Any, encode: Encode) -> Encode:  # noqa: ANN401  # a tokenizer of transformers
    """`encode` with a memory that lasts as long as `tokenizer`.

    Args:
        tokenizer: whose encodings they are; nobody changes its settings meanwhile.
        encode: token ids of a text; with further arguments it is asked each time.
    """
    encode = lru_cache(LAST)(encode)
    known = _kept.setdefault(tokenizer, {})
    room = MOST_CHARACTERS - sum(map(len, known))

    def tok_encode(text: str, *args: Any, **options: Any) -> list[int]:  # noqa: ANN401  # lm-eval's own
        nonlocal room
        if args or any(value is not None for value in options.values()):
            return encode(text, *args, **options)
        if text in known:
            return list(known[text])
        ids = encode(text)
        if len(text) <= room:
            known[text] = tuple(ids)
            room -= len(text)
        return ids

    return tok_encode
