"""Training rows: read from a file or the Hub, checked row by row, and mixed with general rows for rehearsal.

A file is JSONL, one object a line, or JSON, one list of objects. What a row may look like is in `harness/forms.py`.
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.datasets import unique_keys
from harness.errors import BadExamples
from harness.forms import TrainRow, answer_text, row_of
from harness.types import Json
from trainers.sections import Hub

__all__ = ["TrainRow", "answer_text", "mix", "read_rows"]


def read_rows(place: Path | Hub, *, system: str = "") -> tuple[TrainRow, ...]:
    """All rows, in their order.

    Args:
        place: a UTF-8 file, `.json` for one list, else JSONL, where blank lines are errors; or a data set on the Hub.
        system: put first in every row that has no system turn of its own; empty for none.

    Raises:
        BadExamples: the file cannot be read, is empty, or a row is malformed; starts with `file:line`, or with the data
            set's name and the row's number.
    """
    found = _hub_rows(place) if isinstance(place, Hub) else _file_rows(place)
    return tuple(row_of(value, source, system=system) for source, value in found)


def mix(rows: Sequence[TrainRow], general: Sequence[TrainRow], *, fraction: float, seed: int) -> tuple[TrainRow, ...]:
    """Add so many general rows, drawn once without repeats, that they are `fraction` of the result.

    Args:
        rows: the task's rows, all kept, first in the result.
        general: rows to draw from.
        fraction: in [0, 1).
        seed: of the draw.

    Raises:
        BadExamples: `general` holds fewer rows than are needed.
    """
    wanted = round(len(rows) * fraction / (1 - fraction))
    if wanted > len(general):
        raise BadExamples(
            f"replay_data holds {len(general)} rows, and a replay_fraction of {fraction:g} beside {len(rows)} rows "
            f"needs {wanted}; add general rows or lower the fraction"
        )
    return (*rows, *random.Random(seed).sample(general, wanted))  # noqa: S311  # a draw, not a secret


def _file_rows(path: Path) -> Iterator[tuple[str, Json]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadExamples(f"{path}: cannot be read ({error.strerror}); check the path in the configuration") from error
    except UnicodeDecodeError as error:
        raise BadExamples(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    rows = _list_rows(text, path) if path.suffix == ".json" else _line_rows(text, path)
    first = next(rows, None)
    if first is None:
        raise BadExamples(f"{path}:1: holds no rows; there is nothing to train on")
    yield first
    yield from rows


def _line_rows(text: str, path: Path) -> Iterator[tuple[str, Json]]:
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        try:
            yield f"{path}:{number}", json.loads(line, object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            raise BadExamples(f"{path}:{number}: not a JSON object ({error}); write one object a line") from error


def _list_rows(text: str, path: Path) -> Iterator[tuple[str, Json]]:
    """The items of one list, each with the line on which it starts."""
    try:
        whole = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise BadExamples(f"{path}:{line}: not JSON ({error}); mend the list there") from error
    if not isinstance(whole, list):
        raise BadExamples(f"{path}:1: not a JSON list; write one list of objects, or one object a line as .jsonl")
    place = text.index("[") + 1
    for value in whole:
        while text[place] in " \t\r\n,":
            place += 1
        yield f"{path}:{text.count(chr(10), 0, place) + 1}", value
        place = json.JSONDecoder().raw_decode(text, place)[1]


def _hub_rows(place: Hub) -> Iterator[tuple[str, Json]]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        rows: Any = load_dataset(place.hub, place.subset, split=place.split, revision=place.revision)
    except (DatasetNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadExamples(
            f"{place.hub}: cannot be had from the Hub ({reason}); check name, subset, split and network"
        ) from error
    for number, value in enumerate(rows):
        # a table has every column in every row, empty where the row has none
        yield f"{place.hub}:{place.split}[{number}]", {key: item for key, item in value.items() if item is not None}
