"""Strict JSON: RFC 8259, less what two parsers may read differently. Nothing is repaired, no fence is stripped.

What Python's own parser takes and this one refuses: duplicate keys (it keeps the last), NaN and Infinity, numbers
beyond a double (1e400 becomes infinity, a 5,000-digit integer an error of another kind), lone surrogates (they
cannot be written out again), deep nesting (it ends in RecursionError) and anything above one MiB.
"""

import json
import math
import re
from typing import Any

from harness.types import Json

__all__ = ["MAX_BYTES", "MAX_DEPTH", "InvalidJson", "parse_strict"]

MAX_BYTES = 1 << 20
"""Of UTF-8."""
MAX_DEPTH = 64
"""Of arrays and objects within each other."""

_WHITESPACE = " \t\n\r"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class InvalidJson(ValueError):  # a judgement on an answer, caught by every caller
    """The text is not one strict JSON value.

    Attributes:
        reason_code: `empty`, `byte_order_mark`, `too_large`, `too_deep`, `lone_surrogate`, `code_fence`, `not_json`,
            `control_character`, `trailing_text`, `duplicate_key`, `not_a_number` or `number_out_of_range`.
    """

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code


def parse_strict(text: str) -> Json:
    """The value of a text that is, but for surrounding white space, exactly one strict JSON value.

    Numbers must be finite as IEEE 754 doubles; integers among them are exact. Time is linear in the text.

    Raises:
        InvalidJson: with the first `reason_code` that applies; never anything else.
    """
    body = text.strip(_WHITESPACE)
    _refuse_unreadable(body)
    try:
        value, end = _DECODER.raw_decode(body)
    except json.JSONDecodeError as error:
        raise InvalidJson(_syntax_reason(body, error)) from None
    if end != len(body):
        raise InvalidJson("trailing_text")
    _refuse_lone_surrogates(json.dumps(value, ensure_ascii=False))
    return value  # type: ignore[no-any-return]


def _refuse_unreadable(body: str) -> None:
    """Refuse what must not reach the decoder, without recursion."""
    if not body:
        raise InvalidJson("empty")
    if body.startswith("\ufeff"):
        raise InvalidJson("byte_order_mark")
    if len(body) > MAX_BYTES or len(_refuse_lone_surrogates(body)) > MAX_BYTES:
        raise InvalidJson("too_large")
    depth = 0
    for token in _TOKEN.finditer(body):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise InvalidJson("too_deep")


def _refuse_lone_surrogates(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidJson("lone_surrogate") from None


def _syntax_reason(body: str, error: json.JSONDecodeError) -> str:
    if body.startswith("```"):
        return "code_fence"
    return "control_character" if error.msg.startswith("Invalid control character") else "not_json"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidJson("duplicate_key")
    return value


def _number(literal: str) -> int | float:
    value = float(literal)
    if not math.isfinite(value):
        raise InvalidJson("number_out_of_range")
    return int(literal) if literal.lstrip("-").isdigit() else value


def _refuse_constant(_literal: str) -> float:
    raise InvalidJson("not_a_number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_number, parse_int=_number, parse_constant=_refuse_constant
)
