"""Two-turn questions in MT-Bench's form: a question, then another one about the model's own answer to it.

    {"question_id": 101, "category": "reasoning", "turns": ["Imagine ...", "What if ...?"]}

References are read from a file of lines `{"question_id": 101, "choices": [{"turns": ["second", "..."]}]}`. Each turn
is a row of its own; the turns of a question share its cluster, so that they are not counted as independent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadExamples
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.types import Example

__all__ = ["TwoTurns", "two_turns"]

REFERENCES = "reference_answer.jsonl"


@dataclass(frozen=True, slots=True)
class TwoTurns:
    """Questions of one file, and the file of references; None for no references."""

    path: Path
    references: Path | None

    def read(self) -> tuple[Example, ...]:
        """See `harness.datasets.Source.read`. A row's target is its reference answer, or empty where there is none.

        The row `<question>-<turn>` has the category as its tag.
        """
        known = dict(self._references()) if self.references else {}
        rows: list[Example] = []
        seen: set[str] = set()
        for where, line in _lines(self.path):
            name, turns = str(line.get("question_id", "")), line.get("turns")
            if not name or name in seen:
                raise BadExamples(f"{where}: 'question_id' is missing or was there before")
            if not isinstance(turns, list) or not turns or not all(isinstance(t, str) and t.strip() for t in turns):
                raise BadExamples(f"{where}: 'turns' must be a list of texts that are not blank")
            seen.add(name)
            answers = known.get(name, [])
            tags = (str(line["category"]),) if line.get("category") else ()
            for number, turn in enumerate(turns):
                target = answers[number] if number < len(answers) else ""
                earlier = tuple(turns[:number])
                rows.append(Example(f"{name}-{number + 1}", turn, target, tags, cluster=name, earlier=earlier))
        if not rows:
            raise BadExamples(f"{self.path}:1: holds no questions; a suite without examples cannot decide anything")
        return tuple(rows)

    def _references(self) -> Iterator[tuple[str, list[str]]]:
        assert self.references is not None
        for where, line in _lines(self.references):
            try:
                turns = line["choices"][0]["turns"]
                name = str(line["question_id"])
            except (KeyError, IndexError, TypeError) as error:
                raise BadExamples(f"{where}: a reference has question_id and choices[0].turns ({error!r})") from error
            if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
                raise BadExamples(f"{where}: the turns of a reference are texts")
            yield name, turns


def two_turns(path: Path, references: Path | None = None) -> TwoTurns:
    """Questions of `path`; references are taken from `reference_answer.jsonl` beside it where that is there."""
    beside = path.parent / REFERENCES
    return TwoTurns(path, references or (beside if beside.exists() else None))


def _lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadExamples(f"{path}: cannot be read ({error}); give a JSONL file of questions") from error
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        try:
            value = parse_strict(line)
        except InvalidJson as error:
            raise BadExamples(f"{where}: not JSON ({error}); write one question a line") from error
        if not isinstance(value, dict):
            raise BadExamples(f"{where}: is no object; write one question a line")
        yield where, value
