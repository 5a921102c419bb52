"""Rows of a task as a suite can ask them: one question each, one answer, and one system turn for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.audit.labels import answers_that_say_nothing
from harness.audit.rows import Row, read_rows
from harness.errors import BadExamples
from harness.metrics.schemas import load_schema, validator
from harness.types import Json

__all__ = ["Task", "read_task"]


@dataclass(frozen=True, slots=True)
class Task:
    """What one file of rows teaches.

    Attributes:
        rows: in the order of the file.
        system: the system turn of every row; empty for none.
        schema: file of the schema that every answer fits; None where answers are no JSON.
        fields: whether every answer is an object with fields.
        preferred: whether rows hold a rejected answer beside the chosen one.
    """

    rows: tuple[Row, ...]
    system: str
    schema: Path | None
    fields: bool
    preferred: bool


def read_task(data: Path, schema: Path | None, system: str) -> Task:
    """Read rows in any form that training takes.

    Args:
        data: JSONL, JSON or CSV.
        schema: JSON schema of the answers; needed when they are objects or lists.
        system: system turn of rows that have none.

    Raises:
        BadExamples: the file or a row is malformed, or a suite could not ask it; the message starts with `file:row`.
        BadSpec: the schema cannot be trusted to judge.
    """
    rows, malformed = read_rows(data)
    faults = [*malformed, *(each for each in answers_that_say_nothing(rows) if each.kind == "empty")]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise BadExamples(f"{data}:{faults[0].rows[0]}: {faults[0].message}{more}; mend it, or take the row out")
    _refuse_turns(data, rows)
    _refuse_mixture(data, rows)
    _refuse_misfits(data, rows, schema)
    return Task(
        rows=rows,
        system=_system(data, rows, system),
        schema=schema,
        fields=all(isinstance(row.label, dict) and row.label for row in rows),
        preferred=rows[0].rejected is not None,
    )


def _refuse_turns(data: Path, rows: Sequence[Row]) -> None:
    for row in rows:
        roles = [turn["role"] for turn in row.prompt]
        if roles not in (["user"], ["system", "user"]):
            raise BadExamples(
                f"{data}:{row.number}: has the turns {', '.join(roles)} before the answer; a suite asks one question "
                "after an optional system turn: take such rows out and train on them by hand"
            )


def _refuse_mixture(data: Path, rows: Sequence[Row]) -> None:
    first = rows[0].rejected is None
    for row in rows:
        if (row.rejected is None) != first:
            raise BadExamples(f"{data}:{row.number}: rows with a rejected answer and rows without; write two files")


def _refuse_misfits(data: Path, rows: Sequence[Row], schema: Path | None) -> None:
    """Answers that the schema rejects, or that need one."""
    if schema is None:
        structured = next((row for row in rows if isinstance(row.label, dict | list)), None)
        if structured is not None:
            raise BadExamples(f"{data}:{structured.number}: the answer is JSON; give its schema with --schema FILE")
        return
    check = validator(load_schema(schema))
    for row in rows:
        if (error := next(check.iter_errors(row.label), None)) is not None:
            raise BadExamples(
                f"{data}:{row.number}: the schema rejects the answer at {error.json_path} ({_short(error.message)}); "
                "mend one of them"
            )


def _system(data: Path, rows: Sequence[Row], given: str) -> str:
    """The one system turn of all rows."""
    texts = [row.system or given for row in rows]
    for row, text in zip(rows, texts, strict=True):
        if text != texts[0]:
            raise BadExamples(
                f"{data}:{row.number}: its system turn differs from that of row {rows[0].number}; a suite asks with "
                "one: make them equal, or write a file for each"
            )
    return texts[0]


def _short(value: Json, length: int = 100) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= length else f"{text[:length]}..."
