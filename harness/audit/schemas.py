"""Whether the answers are what the schema of their task says, and JSON where the others are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.audit.findings import Finding
from harness.audit.rows import Row
from harness.fingerprint import digest
from harness.metrics.guard import verdicts
from harness.types import Json

__all__ = ["Judged", "judge"]

_MOST = 0.5
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Judged:
    """What a schema made of the answers. `applied` is False when they are not of its task; `digest` pins the schema."""

    name: str
    digest: str
    applied: bool
    rejected: int


def judge(
    rows: Sequence[Row], schemas: Mapping[str, Mapping[str, Any]], given: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Judged], list[Finding]]:
    """Check every answer.

    Args:
        rows: at least one.
        schemas: of suites. One is applied when most answers share a key with it, or the file is judged by it alone:
            rehearsal rows are not of the task and are left alone, and that is said.
        given: applied to all rows in any case.

    Returns:
        One for each schema, and the rows that a schema rejects, or that are no JSON where most are.

    Raises:
        NotMeasured: the validator's process ended early.
    """
    judged, found = [], []
    told: set[int] = set()
    for name, schema in {**given, **schemas}.items():
        applied = name in given or _of_the_task(rows, schema)
        bad = _rejected(rows, schema) if applied else {}
        for reason, numbers in bad.items():
            told.update(numbers)
            first = next(row for row in rows if row.number == numbers[0])
            said = f"{len(numbers)} rows have an answer that the schema of {name} rejects: {reason}"
            details: dict[str, Json] = {"schema": name, "answer": first.answer[:_SHOWN]}
            found.append(Finding("schema", tuple(numbers), said, reason, details))
        judged.append(Judged(name, digest(dict(schema)), applied, sum(map(len, bad.values()))))
    if prose := [number for number in _not_json(rows) if number not in told]:
        said = f"{len(prose)} rows have an answer that is no JSON, where the other answers are"
        found.append(Finding("schema", tuple(prose), said, "not_json"))
    if judged and not any(each.applied for each in judged):
        said = "the answers share no key with the schema of any suite, so none was applied; --schema FILE applies one"
        found.append(Finding("unmatched", (), said))
    return judged, found


def _of_the_task(rows: Sequence[Row], schema: Mapping[str, Any]) -> bool:
    """Whether most answers are objects with one of the schema's keys, or for a schema without keys of its type."""
    keys = set(schema.get("properties", {}))
    if not keys:
        kinds = schema.get("type", [])
        wanted = {kinds} if isinstance(kinds, str) else set(kinds)
        alike = sum(bool(wanted & _kinds(row.label)) for row in rows) if "string" not in wanted else 0
    else:
        alike = sum(isinstance(row.label, dict) and bool(keys & row.label.keys()) for row in rows)
    return alike > _MOST * len(rows)


def _kinds(value: Json) -> set[str]:
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    return {{dict: "object", list: "array", str: "string", float: "number"}.get(type(value), "null")}


def _rejected(rows: Sequence[Row], schema: Mapping[str, Any]) -> dict[str, list[int]]:
    """Numbers of the rows that the schema rejects, by reason; equal answers are judged once."""
    spelled = [json.dumps(row.label, ensure_ascii=False, sort_keys=True) for row in rows]
    different = {text: row.label for text, row in zip(spelled, rows, strict=True)}
    judged = verdicts(schema, list(different.values()))
    said = {text: verdict.reason for text, verdict in zip(different, judged, strict=True)}
    found: dict[str, list[int]] = {}
    for row, text in zip(rows, spelled, strict=True):
        if said[text] != "ok":
            found.setdefault("not_json" if _is_prose(row) else said[text], []).append(row.number)
    return found


def _not_json(rows: Sequence[Row]) -> list[int]:
    """Rows whose answer is text, where most are objects or lists."""
    prose = [row.number for row in rows if _is_prose(row)]
    return prose if len(prose) < (1 - _MOST) * len(rows) else []


def _is_prose(row: Row) -> bool:
    return isinstance(row.label, str) and bool(row.answer.strip())
