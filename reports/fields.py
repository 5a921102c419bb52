"""What differs between JSON answers, field by field, for a reader; the score itself was decided elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from harness.types import Json

__all__ = ["ABSENT", "Field", "field_diff"]

ABSENT = "absent"
_MAX_TEXT = 20_000
_MAX_FIELDS = 60


@dataclass(frozen=True, slots=True)
class Field:
    """One leaf. `pointer` is its JSON Pointer (RFC 6901); the values are JSON text, or `absent`.

    `base_same` and `candidate_same` say whether that side has the reference's value. `candidate` equals `base` in a
    view of one model only.
    """

    pointer: str
    reference: str
    base: str
    candidate: str
    base_same: bool
    candidate_same: bool


def field_diff(reference: str, base: str, candidate: str) -> tuple[Field, ...]:
    """Compare two answers with a reference, all as JSON text, leaf by leaf.

    Returns:
        The reference's fields in its order, then fields that only an answer has; at most 60. Empty unless all three
        are JSON objects: otherwise there is nothing to compare by field.
    """
    wanted, old, new = map(_leaves, (reference, base, candidate))
    if not (wanted and old and new):
        return ()
    pointers = list(dict.fromkeys([*wanted, *old, *new]))[:_MAX_FIELDS]
    return tuple(_field(p, wanted.get(p, ABSENT), old.get(p, ABSENT), new.get(p, ABSENT)) for p in pointers)


def _field(pointer: str, reference: str, base: str, candidate: str) -> Field:
    return Field(pointer, reference, base, candidate, base == reference, candidate == reference)


def _leaves(text: str) -> dict[str, str]:
    if len(text) > _MAX_TEXT:
        return {}
    try:
        value = json.loads(text)
        return dict(_walk(value, "")) if isinstance(value, dict) else {}
    except (ValueError, RecursionError):
        return {}


def _walk(value: Json, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _walk(part, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from _walk(part, f"{pointer}/{index}")
    else:
        yield pointer, json.dumps(value, ensure_ascii=False)
