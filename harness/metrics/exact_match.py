"""Exact match: the answer equals the target, as JSON for structured targets and as text for strings."""

import json
import unicodedata

from harness.metrics import Judgement, Metric, per_example
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.types import Example, Json

__all__ = ["exact_match", "same_json"]


def exact_match() -> Metric:
    """1 when the answer equals the target, else 0.

    A string target is compared as text after Unicode NFC, with runs of white space made one space and the ends
    stripped; case and punctuation count. Any other target is compared with the strictly parsed answer by
    `same_json`; what does not parse scores 0 with the parser's reason code.

    Reason codes: `ok`, `truncated`, `wrong_value`, `not_object`, `missing_key:<field>`, `wrong_value:<field>` (the
    first in the target's order), `extra_key`, and those of `InvalidJson`.
    """
    return per_example("exact_match", _judge)


def same_json(left: Json, right: Json) -> bool:
    """Equality of JSON values: order of keys is nothing, order of items is, 1 equals 1.0, and true is never 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return left == right


def _judge(example: Example, text: str) -> Judgement:
    target: Json = example.target
    if isinstance(target, str):
        right = _plain(text) == _plain(target)
        return Judgement(float(right), _plain(text), "ok" if right else "wrong_value")
    try:
        value = parse_strict(text)
    except InvalidJson as error:
        return Judgement(0.0, "", error.reason_code)
    reason = _difference(target, value)
    return Judgement(float(reason == "ok"), json.dumps(value, ensure_ascii=False), reason)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _difference(target: Json, value: Json) -> str:
    if not isinstance(target, dict):
        return "ok" if same_json(target, value) else "wrong_value"
    if not isinstance(value, dict):
        return "not_object"
    for field, wanted in target.items():
        if field not in value:
            return f"missing_key:{field}"
        if not same_json(wanted, value[field]):
            return f"wrong_value:{field}"
    return "ok" if len(value) == len(target) else "extra_key"
