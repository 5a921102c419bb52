"""The files of a project: rows on both sides, suites with gates that the rows can show, training, README and CI.

Nothing that exists is ever written over, and nothing is written before everything is known to be possible.
"""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.atomic import write_atomically
from harness.audit.rows import Row
from harness.errors import CannotWrite, UsageProblem
from harness.forms import answer_text
from harness.metrics.schemas import load_schema, refuse_vacuous
from harness.starter.split import Split, split
from harness.starter.task import Task, read_task
from harness.starter.thresholds import findable_gain, likely, rate_for
from harness.types import Json

__all__ = ["Made", "Wanted", "make_project"]

KNOWLEDGE, POOL = "knowledge.test.csv", "regression.test.jsonl"
SYSTEM = "suites/data/system.txt"
PASSES = 600
"""Rows to learn from, repeats included, that the training is meant to see at least."""
ROUND = 32
"""Lengths are rounded up to a multiple of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a project is made from.

    Attributes:
        folder: where it goes; made unless it exists.
        data: the rows.
        schema: JSON schema of the answers; None where they are text.
        system: system turn of rows that have none.
        model: the base, as `--model` takes it; a local folder as an absolute path.
        test_rows: rows to hold out; None for the usual number.
        rehearsal: JSONL of general rows to train on beside; empty for none.
    """

    folder: Path
    data: Path
    schema: Path | None = None
    system: str = ""
    model: str = "embedded"
    test_rows: int | None = None
    rehearsal: bytes = b""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made.

    Attributes:
        paths: of the files, relative to the folder.
        split: where the rows went.
        rate: what the gates on a rate ask for, in [0, 1].
        power: chance that a candidate half way between it and 1 passes.
        gain: true gain on exact match that the test rows find with 80 % power, in (0, 1].
    """

    paths: tuple[str, ...]
    split: Split
    rate: float
    power: float
    gain: float


def make_project(wanted: Wanted) -> Made:
    """Write the project.

    Raises:
        BadExamples: the rows are malformed, too few, or contradict each other.
        BadSpec: the schema cannot be trusted to judge.
        UsageProblem: a file of the project exists already.
        CannotWrite: a file cannot be written.
    """
    task = read_task(wanted.data, wanted.schema, wanted.system)
    parts = split(wanted.data, task.rows, wanted.test_rows)
    if task.schema is not None:
        refuse_vacuous(load_schema(task.schema), [row.label for row in parts.test])
    gated = "valid_json" if task.schema else "not_truncated"
    rate = rate_for(gated, parts.units)
    made = Made((), parts, rate, likely(gated, rate, parts.units), findable_gain(parts.units))
    contents = {**_data(wanted, task, parts), **_rendered(_facts(wanted, task, made), json_answers=bool(task.schema))}
    _write(wanted.folder, contents)
    return replace(made, paths=tuple(contents))


def _data(wanted: Wanted, task: Task, parts: Split) -> dict[str, bytes]:
    """Every file that holds data, by its path in the project."""
    shipped = files("harness.starter") / "data"
    found = {
        "data/train.jsonl": _lines([_train_row(row) for row in parts.train]),
        "suites/data/task.test.jsonl": _lines(_test_rows(parts)),
        f"suites/data/{KNOWLEDGE}": (shipped / KNOWLEDGE).read_bytes(),
        f"suites/data/{POOL}": (shipped / POOL).read_bytes(),
    }
    if task.schema:
        found["suites/data/schema.json"] = task.schema.read_bytes()
    if task.system:
        found[SYSTEM] = f"{task.system}\n".encode()
    if _rehearses(wanted, task):
        found["data/general.train.jsonl"] = wanted.rehearsal
    return found


def _train_row(row: Row) -> dict[str, Json]:
    """A row as training reads it: what is learned is spelled as it was."""
    output = row.answer if isinstance(row.label, str) or answer_text(row.label) != row.answer else row.label
    said: dict[str, Json] = {"output": output}
    if row.rejected is not None:
        said = {"chosen": row.answer, "rejected": row.rejected}
    return {"input": row.question, **said, **_marks(row, row.cluster)}


def _test_rows(parts: Split) -> list[dict[str, Json]]:
    """Rows as suites read them; a question with several preferred answers is asked once."""
    asked: dict[str, dict[str, Json]] = {}
    for row in parts.test:
        marks = _marks(row, parts.groups.get(row.number, ""))
        asked.setdefault(row.question, {"input": row.question, "output": row.label, **marks})
    return list(asked.values())


def _marks(row: Row, cluster: str) -> dict[str, Json]:
    marks: dict[str, Json] = {"tags": list(row.tags), "cluster": cluster, "provenance": row.provenance}
    return {key: value for key, value in marks.items() if value}


def _lines(rows: list[dict[str, Json]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _facts(wanted: Wanted, task: Task, made: Made) -> dict[str, Any]:
    """What the templates say."""
    answer = max(len(row.answer.encode()) for row in task.rows)
    whole = max(
        len(row.question.encode()) + max(len(row.answer.encode()), len((row.rejected or "").encode()))
        for row in task.rows
    )
    local = Path(wanted.model).exists()
    name, _, revision = (wanted.model, "", "") if local else wanted.model.partition("@")
    return {
        "model": name,
        "revision": revision,
        "model_word": shlex.quote(wanted.model),
        "embedded": wanted.model == "embedded",
        "rows": len(made.split.test),
        "train_rows": len(made.split.train),
        "rate": f"{made.rate:.2f}",
        "fields": task.fields,
        "system": bool(task.system),
        "schema": task.schema is not None,
        "preferred": task.preferred,
        "rehearsal": _rehearses(wanted, task),
        "max_new_tokens": _rounded(answer + 1),
        "max_length": max(512, _rounded(whole + len(task.system.encode()) + 64)),
        "epochs": min(8 if wanted.model == "embedded" else 3, math.ceil(PASSES / len(made.split.train))),
    }


def _rehearses(wanted: Wanted, task: Task) -> bool:
    """Whether general rows are trained on beside; ORPO, which learns from pairs of answers, has no use for them."""
    return bool(wanted.rehearsal) and not task.preferred


def _rounded(length: int) -> int:
    return math.ceil(length / ROUND) * ROUND


def _rendered(facts: Mapping[str, Any], *, json_answers: bool) -> dict[str, bytes]:
    """Every file that is made from a template, by its path in the project."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701  # Python, TOML and YAML, whose values are numbers and quoted names
        loader=PackageLoader("harness.starter"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    task = ("valid_json", "exact_match") if json_answers else ("exact_match", "output_health")
    names = {f"suites/test_{name}.py": f"test_{name}.py.j2" for name in (*task, "forgetting", "regression")}
    names |= {
        "conftest.py": "conftest.py.j2",
        "pytest.toml": "pytest.toml.j2",
        "train.toml": "train.toml.j2",
        "README.md": "README.md.j2",
        ".gitignore": "gitignore.j2",
        ".github/workflows/gate.yml": "gate.yml.j2",
    }
    return {path: environment.get_template(name).render(facts).encode() for path, name in sorted(names.items())}


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name in contents:
        if (folder / name).exists() or (folder / name).is_symlink():
            raise UsageProblem(f"{folder / name}: exists already, and is not written over; give an empty folder")
    for name, content in contents.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as error:
            raise CannotWrite(f"{path}: cannot be written ({error.strerror}); give another folder") from error
