"""Schema validation with a deadline: in this process when the schema cannot be slow, else in a child.

`pattern`, `patternProperties`, `uniqueItems` and `$ref` can take more than linear time on hostile answers, and nothing
in a process stops a regular expression. A schema with any of them is checked by a child process, which is killed
when one answer takes too long and started again for the rest.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from jsonschema.exceptions import ValidationError, best_match

from harness.errors import NotMeasured
from harness.metrics.schemas import parts, validator
from harness.types import Json

__all__ = ["DEADLINE_S", "RECURSION", "TIMEOUT", "SchemaVerdict", "verdicts"]

DEADLINE_S = 2.0
"""For one answer, in seconds."""
TIMEOUT = "schema_timeout"
"""Verdict on an answer that took longer: the schema's fault."""
RECURSION = "schema_recursion"
"""Verdict when references never end: the schema's fault."""

_MAY_BE_SLOW = frozenset({"pattern", "patternProperties", "uniqueItems", "$ref"})
_STARTING_S = 60.0
_PATIENCE = 3
_READY = "ready"
_PACKAGE_ROOT = str(Path(__file__).parents[2])
_MOST_ERRORS = 100
"""Looked at for the most telling one; a list of a million wrong items has a million."""
_MOST_PATH = 200


class SchemaVerdict(NamedTuple):
    """What a schema says of one value.

    Attributes:
        reason: `ok`, `schema_error:<keyword>`, `schema_recursion` or `schema_timeout`.
        where: JSON path of the part that fails, and by which keyword, such as `$.tags[2] type`; for a key that is
            missing also its name, `$ required title`. Empty unless the reason is an error of the schema.
    """

    reason: str
    where: str = ""


def verdicts(schema: Mapping[str, Any], values: Sequence[Json], deadline_s: float = DEADLINE_S) -> list[SchemaVerdict]:
    """What the schema says of each value, in order; of several errors the one that jsonschema calls the best match.

    After three timeouts the rest is given up as `schema_timeout` too: such a schema judges nobody.

    Args:
        schema: checked by `load_schema`.
        values: parsed answers.
        deadline_s: seconds that one value may take.

    Raises:
        NotMeasured: the child process ended by itself.
    """
    if not any(_MAY_BE_SLOW & part.keys() for _, part in parts(schema)):
        return list(_judge_all(schema, values))
    found: list[SchemaVerdict] = []
    late = SchemaVerdict(TIMEOUT)
    while len(found) < len(values) and found.count(late) < _PATIENCE:
        found += _in_child(schema, values[len(found) :], deadline_s)
    return found + [late] * (len(values) - len(found))


def _judge_all(schema: Mapping[str, Any], values: Sequence[Json]) -> Iterator[SchemaVerdict]:
    check = validator(schema)
    for value in values:
        try:
            error = best_match(islice(check.iter_errors(value), _MOST_ERRORS))
        except RecursionError:
            yield SchemaVerdict(RECURSION)
        else:
            yield SchemaVerdict("ok") if error is None else _verdict(error)


def _verdict(error: ValidationError) -> SchemaVerdict:
    keyword, path = str(error.validator), error.json_path
    wanted: Any = error.validator_value if keyword == "required" else ()
    instance: Any = error.instance
    missing = [name for name in wanted if name not in instance]
    shown = path if len(path) <= _MOST_PATH else f"{path[:_MOST_PATH]}…"
    return SchemaVerdict(f"schema_error:{keyword}", " ".join([shown, keyword, *missing[:1]]))


def _in_child(schema: Mapping[str, Any], values: Sequence[Json], deadline_s: float) -> list[SchemaVerdict]:
    """Verdicts up to the first timeout, which is the last one then."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.metrics.guard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": _PACKAGE_ROOT},
        text=True,
        encoding="utf-8",
    ) as child:
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            lines = _lines(child.stdout)
            child.stdin.write(json.dumps([schema, values]))
            child.stdin.close()
            return _collect(lines, len(values), deadline_s)
        finally:
            child.kill()


def _collect(lines: "queue.Queue[str]", count: int, deadline_s: float) -> list[SchemaVerdict]:
    found: list[SchemaVerdict] = []
    wait = _STARTING_S
    while len(found) <= count:  # one line more than values: the child says when it is ready
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            found.append(SchemaVerdict(TIMEOUT))
            break
        if not line:
            raise NotMeasured("the schema validator's process ended early; free some memory and rerun")
        found.append(SchemaVerdict(*json.loads(line)))
        wait = deadline_s
    return found[1:] or [SchemaVerdict(TIMEOUT)]


def _lines(stream: IO[str]) -> "queue.Queue[str]":
    """Lines as they come, then an empty string; a thread reads, because pipes have no portable timeout."""
    found: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            found.put(line)
        found.put("")

    threading.Thread(target=read, daemon=True).start()
    return found


def _main() -> None:
    schema, values = json.load(sys.stdin)
    sys.stdout.write(f"{json.dumps([_READY])}\n")
    sys.stdout.flush()
    for verdict in _judge_all(schema, values):
        sys.stdout.write(f"{json.dumps(verdict)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
