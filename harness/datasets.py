"""Where examples come from: files that are read whole and checked row by row before anything is measured.

A row is `{"input": text, "output": any JSON value}`, with `tags`, `id` and `cluster` where wanted, and `provenance`,
which only the audit reads.
"""

import csv as csv_format
import difflib
import hashlib
import io
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from harness.errors import BadExamples
from harness.fingerprint import digest
from harness.paths import beside_caller
from harness.types import Example, Json

__all__ = [
    "HALF_CHARACTER",
    "FileSource",
    "Source",
    "csv",
    "finite",
    "jsonl",
    "nested_slice",
    "no_number",
    "shuffled",
    "unique_keys",
]

COLUMNS = ("input", "output", "tags", "id", "cluster", "provenance")
ID_LENGTH = 16
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
SEED = 20_240_229  # of the order in which --limit takes rows; a change makes other slices


class Source(Protocol):
    """Anything that can read examples."""

    def read(self) -> tuple[Example, ...]:
        """All examples, checked, in the order of the data; ids are unique.

        Raises:
            BadExamples: no file, no rows, or a malformed or repeated row; the message starts with `file:line`.
        """


@dataclass(frozen=True, slots=True)
class FileSource:
    """Rows of one file. `form` is `jsonl` or `csv`."""

    path: Path
    form: str

    def read(self) -> tuple[Example, ...]:
        """See `Source.read`. Ids are hashes of the rows unless given, so the order of the file changes no id."""
        try:
            text = self.path.read_bytes().decode("utf-8")
        except OSError as error:
            raise BadExamples(f"{self.path}: cannot be read ({error.strerror}); check the path in the suite") from error
        except UnicodeDecodeError as error:
            raise BadExamples(f"{self.path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
        if text.startswith("\ufeff"):
            raise BadExamples(f"{self.path}:1: starts with a byte order mark; save the file as UTF-8 without BOM")
        rows = _json_rows(self.path, text) if self.form == "jsonl" else _csv_rows(self.path, text)
        examples = [(line, _example(f"{self.path}:{line}", row)) for line, row in rows]
        if not examples:
            raise BadExamples(f"{self.path}:1: holds no examples; a suite without examples cannot decide anything")
        _refuse_repeats(self.path, examples)
        return tuple(example for _, example in examples)


def jsonl(path: str | Path) -> FileSource:
    """One JSON object a line; a relative path is taken from the folder of the calling file."""
    return FileSource(beside_caller(path), "jsonl")


def csv(path: str | Path) -> FileSource:
    """A CSV file with the header `input,output` and, where wanted, `tags` (split at `;`), `id`, `cluster`.

    Outputs are plain text. A relative path is taken from the folder of the calling file.
    """
    return FileSource(beside_caller(path), "csv")


def nested_slice(examples: Sequence[Example], limit: int | None) -> tuple[Example, ...]:
    """Choose `limit` examples, seeded and stratified by first tag; all of them when `limit` is None or too large.

    Slices are nested: a larger limit only adds examples. Each stratum is spread evenly over one fixed order whose
    prefixes are the slices, so every slice holds the strata in nearly the proportions of the whole.
    The order of the data is kept, and does not matter to the choice.
    """
    if limit is None or limit >= len(examples):
        return tuple(examples)
    strata: dict[str, list[Example]] = {}
    for example in shuffled(examples):
        strata.setdefault(example.tags[0] if example.tags else "", []).append(example)
    place = {
        example.id: ((rank + 0.5) / len(stratum), _shuffled(example))
        for stratum in strata.values()
        for rank, example in enumerate(stratum)
    }
    chosen = set(sorted(place, key=place.__getitem__)[:limit])
    return tuple(example for example in examples if example.id in chosen)


def shuffled(examples: Sequence[Example]) -> tuple[Example, ...]:
    """All examples in one seeded order that depends on their ids alone."""
    return tuple(sorted(examples, key=_shuffled))


def _shuffled(example: Example) -> str:
    return hashlib.sha256(f"{SEED}|{example.id}".encode()).hexdigest()


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Json]]]:
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        if not line.strip():
            raise BadExamples(f"{path}:{number}: blank line; remove it, or the row that was meant is missing")
        try:
            row = json.loads(line, object_pairs_hook=unique_keys, parse_constant=no_number, parse_float=finite)
        except (ValueError, RecursionError) as error:
            raise BadExamples(f"{path}:{number}: not JSON ({error}); write one object a line") from error
        if not isinstance(row, dict):
            raise BadExamples(f"{path}:{number}: is a {type(row).__name__}; write one object a line")
        yield number, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Json]]]:
    reader = csv_format.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        for cells in reader:
            if len(cells) != len(header):
                raise BadExamples(f"{path}:{reader.line_num}: {len(cells)} cells, the header has {len(header)}")
            row: dict[str, Json] = dict(zip(header, cells, strict=True))
            if "tags" in row:
                row["tags"] = [tag for tag in str(row["tags"]).split(";") if tag]
            yield reader.line_num, row
    except csv_format.Error as error:
        raise BadExamples(f"{path}:{reader.line_num}: not CSV ({error})") from error


def _example(where: str, row: Mapping[str, Json]) -> Example:
    for key in row:
        if key not in COLUMNS:
            near = difflib.get_close_matches(key, COLUMNS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(COLUMNS)}"
            raise BadExamples(f"{where}: unknown key {key!r}; {hint}")
    text, tags = row.get("input"), row.get("tags", [])
    if not isinstance(text, str) or not text.strip():
        raise BadExamples(f"{where}: 'input' must be a text that is not blank, not {text!r}")
    if row.get("output") is None:
        raise BadExamples(f"{where}: 'output' is missing; give the reference answer")
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise BadExamples(f"{where}: 'tags' must be a list of texts, not {tags!r}")
    given, cluster = (_name(where, key, row.get(key)) for key in ("id", "cluster"))
    if HALF_CHARACTER.search(json.dumps(dict(row), ensure_ascii=False)):
        raise BadExamples(f"{where}: holds half of a surrogate pair, which is no character; remove it")
    own = given or digest({key: value for key, value in row.items() if key != "provenance"})[:ID_LENGTH]
    return Example(id=own, input=text, target=row["output"], tags=tuple(tags), cluster=cluster or own)


def _name(where: str, key: str, value: Json) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise BadExamples(f"{where}: {key!r} must be a text that is not blank, not {value!r}")
    return value


def _refuse_repeats(path: Path, examples: Iterable[tuple[int, Example]]) -> None:
    """One question counted twice narrows every interval without cause; the same id twice cannot be paired."""
    lines: dict[str, int] = {}
    for line, example in examples:
        plain = " ".join(unicodedata.normalize("NFKC", example.input).casefold().split())
        for what, key in (("id", f"id {example.id}"), ("input", f"input {plain}")):
            if (first := lines.setdefault(key, line)) != line:
                raise BadExamples(f"{path}:{line}: same {what} as line {first}; remove one of the rows")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads`, as `object_pairs_hook`: an object, unless a key is given twice (ValueError)."""
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key is given twice")
    return row


def no_number(text: str) -> NoReturn:
    """For `json.loads`, as `parse_constant`: NaN and the infinities are refused (ValueError)."""
    raise ValueError(f"{text} is no number")


def finite(text: str) -> float:
    """For `json.loads`, as `parse_float`: the number, unless it overflows (ValueError)."""
    return number if math.isfinite(number := float(text)) else no_number(text)
