"""Rows on disk: one JSON object a line, the evidence that every verdict is recomputed from."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from harness.types import FinishReason, Row, Score

__all__ = ["read_rows", "write_rows"]


def write_rows(rows: Iterable[Row]) -> bytes:
    """Rows as JSON lines, ASCII only, so that any text survives any editor."""
    return "".join(json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows).encode()


def read_rows(data: bytes) -> tuple[Row, ...]:
    """The rows that `write_rows` wrote.

    Raises:
        ValueError: a line is no row: not JSON, keys missing or unknown, a value of another type.
    """
    return tuple(_row(number, line) for number, line in enumerate(data.decode().splitlines(), start=1))


def _row(number: int, line: str) -> Row:
    try:
        values: dict[str, Any] = json.loads(line)
        scores = tuple(Score(**score) for score in values.pop("scores"))
        tags, reason = tuple(values.pop("tags")), FinishReason(values.pop("finish_reason"))
        return Row(**values, tags=tags, finish_reason=reason, scores=scores)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"line {number} is not a row ({error})") from error
