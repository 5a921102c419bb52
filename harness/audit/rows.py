"""Training rows as the audit sees them: read whole, and a line that is no row is a finding, not the end."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.audit.findings import Finding
from harness.datasets import finite, no_number, unique_keys
from harness.errors import BadExamples
from harness.fingerprint import digest
from harness.forms import TrainRow, conversation
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.types import Json, Message

__all__ = ["Row", "label_of", "read_rows", "rows_of"]

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_EXCERPT = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One training row.

    Attributes:
        number: from 1; in JSONL the number of its line.
        prompt: the turns before the answer.
        answer: the text that is learned.
        label: the answer as JSON where it is an object or a list, else the text.
        tags: as the row gives them.
        cluster: the group of the row; empty when it names none.
        provenance: where the row says it comes from; empty when it does not.
        rejected: the answer that `answer` is preferred to; None but for preferences.
    """

    number: int
    prompt: tuple[Message, ...]
    answer: str
    label: Json
    tags: tuple[str, ...] = ()
    cluster: str = ""
    provenance: str = ""
    rejected: str | None = None

    @property
    def id(self) -> str:
        """Hash of what is asked and answered; equal rows have one id."""
        return digest([[dict(turn) for turn in self.prompt], self.answer])[:16]

    @property
    def question(self) -> str:
        """What the user's turns say."""
        return "\n".join(turn["content"] for turn in self.prompt if turn["role"] == "user")

    @property
    def system(self) -> str:
        """What its system turns say; empty without one."""
        return "\n".join(turn["content"] for turn in self.prompt if turn["role"] == "system")


def read_rows(path: Path) -> tuple[tuple[Row, ...], list[Finding]]:
    """The rows of a JSONL, JSON or CSV file in any form that training takes, and what is malformed in it.

    Raises:
        BadExamples: the file cannot be read, is not UTF-8, or holds not one row.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise BadExamples(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise BadExamples(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    findings = []
    if text.startswith("\ufeff"):
        text = text.removeprefix("\ufeff")
        findings.append(Finding("malformed", (1,), "the file starts with a byte order mark; save it without", "bom"))
    read = {".json": _list_values, ".csv": _csv_values}.get(path.suffix, _line_values)
    rows: list[Row] = []
    for number, value in enumerate(read(text, path), start=1):
        try:
            rows.append(_row(number, value))
        except (BadExamples, _Malformed) as error:
            how = "form" if isinstance(error, BadExamples) else "json"
            findings.append(Finding("malformed", (number,), str(error).removeprefix(": "), how))
    if not rows:
        first = f"; the first line: {findings[0].message}" if findings else ""
        raise BadExamples(f"{path}:1: holds no training rows{first}; see harness/forms.py for what a row may look like")
    return tuple(rows), findings


def rows_of(rows: Iterable[TrainRow]) -> tuple[Row, ...]:
    """Rows that training has read already, in the order of their file."""
    return tuple(
        Row(number, row.prompt, row.answer, label_of(row.answer), rejected=row.rejected)
        for number, row in enumerate(rows, start=1)
    )


def label_of(answer: str) -> Json:
    """The answer as JSON where it is an object or a list, else the text as it is."""
    if answer.lstrip()[:1] in ("{", "["):
        try:
            return parse_strict(answer)
        except InvalidJson:
            return answer
    return answer


class _Malformed(ValueError):
    """A value of a file that is no JSON."""


def _row(number: int, value: object) -> Row:
    if isinstance(value, _Malformed):
        raise value
    row = conversation(value, "")  # type: ignore[arg-type]  # refuses whatever is no object
    assert isinstance(value, dict)
    if _HALF_CHARACTER.search(row.answer) or any(_HALF_CHARACTER.search(turn["content"]) for turn in row.prompt):
        raise _Malformed("holds half of a surrogate pair, which is no character; remove it")
    given = value.get("output")
    tags = value.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _Malformed(f"'tags' must be a list of texts, not {tags!r}")
    return Row(
        number=number,
        prompt=row.prompt,
        answer="" if "output" in value and given is None else row.answer,
        label=given if isinstance(given, dict | list | bool | int | float) else label_of(row.answer),
        tags=tuple(tags),
        cluster=str(value.get("cluster") or ""),
        provenance=str(value.get("provenance") or ""),
        rejected=row.rejected,
    )


def _line_values(text: str, _: Path) -> Iterator[object]:
    for line in text.removesuffix("\n").split("\n") if text else []:
        yield _parsed(line)


def _parsed(line: str) -> object:
    if not line.strip():
        return _Malformed("blank line; remove it, or the row that was meant is missing")
    try:
        return json.loads(line, object_pairs_hook=unique_keys, parse_constant=no_number, parse_float=finite)
    except (ValueError, RecursionError) as error:
        return _Malformed(f"not JSON ({error}): {line[:_EXCERPT]!r}")


def _list_values(text: str, path: Path) -> Iterator[object]:
    whole = _parsed(text)
    if not isinstance(whole, list):
        raise BadExamples(f"{path}:1: not a JSON list; write one list of objects, or one object a line as .jsonl")
    yield from whole


def _csv_values(text: str, path: Path) -> Iterator[object]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        for cells in reader:
            if len(cells) != len(header):
                yield _Malformed(f"{len(cells)} cells, the header has {len(header)}")
            else:
                row: dict[str, Any] = dict(zip(header, cells, strict=True))
                if "tags" in row:
                    row["tags"] = [tag for tag in row["tags"].split(";") if tag]
                yield row
    except csv.Error as error:
        raise BadExamples(f"{path}:{reader.line_num}: not CSV ({error}); mend that line") from error
