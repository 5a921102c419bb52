"""The rows of an lm-eval task: read from a file or folder in its own columns, and as a reader sees them."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import BadExamples
from harness.fingerprint import digest

__all__ = ["Asked", "asked_rows", "local_rows", "numbered"]

_ID_LENGTH = 16
_CHOSEN = "multiple_choice"
_WRITTEN = "generate_until"


class Asked(NamedTuple):
    """A row as a reader sees it: its question without worked examples, the right answer, and what it is chosen from.

    The right answer of a row whose answer is written is JSON where the task has several, or another value than text.
    """

    id: str
    question: str
    target: str
    options: tuple[str, ...]


def asked_rows(task: Any, name: str) -> Iterator[Asked]:  # noqa: ANN401  # lm-eval declares no types
    """The rows that are evaluated, in lm-eval's order; `options` is empty where nothing is chosen.

    Raises:
        BadExamples: a row has no right answer, or one that is none of its options.
    """
    for number, doc in enumerate(task.eval_docs, start=1):
        options = tuple(map(str, task.doc_to_choice(doc))) if task.OUTPUT_TYPE == _CHOSEN else ()
        target = task.doc_to_target(doc)
        if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(options):
            target = options[target]
        if task.OUTPUT_TYPE == _WRITTEN and target not in (None, "", [], {}) and not isinstance(target, str):
            target = json.dumps(target, ensure_ascii=False, default=str)
        if not isinstance(target, str) or not target.strip() or (options and target not in options):
            raise BadExamples(
                f"--lm-eval {name}: the right answer of row {number} is {target!r}, "
                f"{'which is none of its options' if options else 'which is none'}; take data that has the answers"
            )
        yield Asked(digest(repr(sorted(doc.items())))[:_ID_LENGTH], str(task.doc_to_text(doc)), target.strip(), options)


def numbered(rows: Sequence[Asked]) -> Iterator[tuple[str, Asked]]:
    """Each row with an id of its own: the second of equal rows is called `ID-2`."""
    seen = Counter[str]()
    for row in rows:
        seen[row.id] += 1
        yield row.id if seen[row.id] == 1 else f"{row.id}-{seen[row.id]}", row


def local_rows(path: Path) -> dict[str, Any]:
    """What makes lm-eval take a task's rows from a file; or all its splits from a folder, `test.jsonl` and so on.

    Raises:
        BadExamples: a line is no JSON object, or there are none.
    """
    import datasets

    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.jsonl"))}
        if not files:
            raise BadExamples(f"{path}: holds no .jsonl file; call each split's test.jsonl, train.jsonl or likewise")
        splits = _Splits({split: datasets.Dataset.from_list(_read(file)) for split, file in files.items()})
        splits.folder = path
        return {"custom_dataset": lambda **_options: splits}
    rows = _read(path)
    return {
        "custom_dataset": lambda **_options: {"test": datasets.Dataset.from_list(rows)},
        "test_split": "test",
        "validation_split": None,
        "training_split": None,
        "fewshot_split": None,
    }


class _Splits(dict[str, Any]):
    """The splits of a folder, which says what it lacks."""

    folder = Path()

    def __missing__(self, split: str) -> Any:  # noqa: ANN401  # what a dict holds
        raise BadExamples(f"{self.folder}: holds no {split}.jsonl, which the task reads; add it")


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadExamples(f"{path}: cannot be read ({error}); check the path") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadExamples(f"{path}:{number}: not JSON ({error}); write one object a line") from error
        if not isinstance(row, dict):
            raise BadExamples(f"{path}:{number}: is no object; write one object a line")
        rows.append(row)
    if not rows:
        raise BadExamples(f"{path}:1: holds no rows")
    return rows
