"""What training rows are compared with: the rows, system turns and schemas of suites, or the rows of another split."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.audit.rows import Row, read_rows
from harness.errors import BadExamples, BadSpec
from harness.fingerprint import digest
from harness.suite import Measurable, Suite
from harness.suite_files import load_suites
from harness.types import Example

__all__ = ["HeldOut", "answer_of", "clusters_of", "held_out", "provenance_of", "schemas_of"]

Schema = Mapping[str, Any]

PROVENANCE_FILE = "provenance.toml"
"""Beside data files: `"rows.jsonl" = "where they come from"`."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows that must stay unseen.

    Attributes:
        name: of the suite, or the data file's.
        examples: all of them.
        system: the system turn that an adapter is asked with; None where nothing is said of it.
        judged_by: the schema that a metric judges with, if one does.
        written_to: the schema that constrained decoding keeps to, if there is one.
        provenance: where its rows come from, as said by them or beside their file; sorted.
        suite: that asks them; None for a data file.
    """

    name: str
    examples: tuple[Example, ...]
    system: str | None = None
    judged_by: Schema | None = None
    written_to: Schema | None = None
    provenance: tuple[str, ...] = ()
    suite: Measurable | None = None


def held_out(place: Path) -> tuple[HeldOut, ...]:
    """What a folder of suites, a suite file, or a data file in a form that training takes holds.

    Raises:
        UsageProblem: nothing is there, a suite cannot be read, or a row is malformed.
    """
    if place.suffix not in (".jsonl", ".json", ".csv"):
        return tuple(_of(suite) for suite in load_suites(place))
    rows, malformed = read_rows(place)
    if malformed:
        raise BadExamples(f"{place}:{malformed[0].rows[0]}: {malformed[0].message}; mend it, or rows go unseen")
    return (HeldOut(place.name, tuple(_example(place.name, row) for row in rows), provenance=provenance_of(place)),)


def schemas_of(held: Sequence[HeldOut]) -> dict[str, Schema]:
    """The different schemas by the first suite that has each, those that judge before those that guide decoding."""
    found: dict[str, tuple[str, Schema]] = {}
    named = [(each.name, each.judged_by) for each in held] + [(each.name, each.written_to) for each in held]
    for name, schema in named:
        if schema is not None:
            found.setdefault(digest(dict(schema)), (name, schema))
    return dict(found.values())


def answer_of(example: Example) -> str:
    """The reference answer as text."""
    return example.target if isinstance(example.target, str) else json.dumps(example.target, ensure_ascii=False)


def clusters_of(held: HeldOut) -> dict[str, str]:
    """Group to the id of an example of it, for groups that a data file named."""
    return {example.cluster: example.id for example in held.examples if example.cluster != example.id}


def provenance_of(path: Path) -> tuple[str, ...]:
    """Where the rows of a data file come from: as its rows say, and as `provenance.toml` beside it does.

    Raises:
        BadSpec: that file is not readable as TOML.
    """
    found = set()
    beside = path.with_name(PROVENANCE_FILE)
    if beside.is_file():
        try:
            said = tomllib.loads(beside.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadSpec(f"{beside}: cannot be read as TOML ({error}); mend it") from error
        if path.name in said:
            found.add(str(said[path.name]))
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            found |= {str(json.loads(line)["provenance"]) for line in lines if '"provenance"' in line}
    return tuple(sorted(found - {"", "None"}))


def _example(file: str, row: Row) -> Example:
    own = f"{file}:{row.number}"
    return Example(own, row.question, row.label, row.tags, row.cluster or own)


def _of(suite: Measurable) -> HeldOut:
    source = getattr(suite, "examples", None) or getattr(suite, "source", None)
    path = getattr(source, "path", None)
    stated = provenance_of(path) if isinstance(path, Path) and path.is_file() else ()
    if not isinstance(suite, Suite):
        return HeldOut(suite.name, suite.plan(), provenance=stated, suite=suite)
    schemas = [schema for metric in suite.metrics if isinstance(schema := getattr(metric, "schema", None), Mapping)]
    return HeldOut(
        name=suite.name,
        examples=suite.plan(),
        system=suite.render.system if suite.uses_adapter_prompt else None,
        judged_by=schemas[0] if schemas else None,
        written_to=suite.prompting.schema if suite.prompting else None,
        provenance=stated,
        suite=suite,
    )
