"""Annotations of GitHub Actions: a line for each gate that did not pass, at that gate in its suite file.

Numbers and plain names only. What a model wrote, and reasons, which may quote it, are left to the page.
"""

import ast
from pathlib import Path
from typing import NamedTuple

from harness.errors import HarnessError
from harness.gates import Gate
from harness.types import Outcome, Verdict
from reports.headline import bounds
from reports.load import Run
from reports.numbers import count
from reports.publish.gate_file import safe_name

__all__ = ["Place", "as_annotations", "command", "place"]

MOST = 10
"""GitHub shows no more of one kind and step."""
_LARGEST = 1_000_000
"""Bytes of a suite file that are still looked through."""
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}
_RANK = (Outcome.INVALID, Outcome.NOT_RUN, Outcome.FAIL, Outcome.INCONCLUSIVE)


class Place(NamedTuple):
    """A line of a file, relative to where the command runs; lines count from 1."""

    file: str
    line: int


def as_annotations(run: Run, root: Path, *, warn: bool = False) -> str:
    """The commands, at most ten, worst first; a last line says how many more there are. Empty when all passed.

    Args:
        run: a finished run.
        root: where pytest was started, so that the suite files are found.
        warn: whether INCONCLUSIVE is accepted, so that it is a warning and not an error.
    """
    missed = [
        (verdict, node)
        for verdict, node in zip(run.verdicts, run.nodes, strict=True)
        if verdict.outcome is not Outcome.PASS and not verdict.advisory
    ]
    lines = [
        _annotation(verdict, place(node, verdict.gate, root), warn=warn)
        for verdict, node in sorted(missed, key=lambda each: _RANK.index(each[0].outcome))
    ]
    if len(lines) > MOST:
        more = len(lines) - MOST + 1
        lines = [*lines[: MOST - 1], command("error", f"{more} more gates did not pass; see the summary of this run")]
    return "".join(f"{line}\n" for line in lines)


def command(level: str, message: str, **properties: str) -> str:
    """One workflow command on one line, in which nothing of `message` or `properties` can end it."""
    said = ",".join(f"{name}={_escaped(text, _PROPERTY)}" for name, text in properties.items())
    return f"::{level}{f' {said}' if said else ''}::{_escaped(message, _DATA)}"


def place(node: str, gate: str, root: Path) -> Place | None:
    """Where a gate stands: its `Gate(...)` if that is written out, else the test, else the top of the file.

    Args:
        node: pytest's id of the item, such as `suites/test_x.py::test_gate[...]`.
        gate: the gate's text.
        root: folder that the id is relative to; a file outside of it is none of ours.
    """
    file, _, test = node.partition("::")
    try:
        nodes = _nodes(root, file)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    name = test.partition("[")[0]
    written = [each.lineno for each in nodes if isinstance(each, ast.Call) and _text(each) == gate]
    tests = [each.lineno for each in nodes if isinstance(each, ast.FunctionDef) and each.name == name]
    return Place(file, min(written or tests, default=1))


def _nodes(root: Path, file: str) -> list[ast.AST]:
    """Everything in a Python file; ValueError when it is none, or lies outside of `root`."""
    path = (root / file).resolve()
    if not path.is_relative_to(root.resolve()) or path.suffix != ".py" or path.stat().st_size > _LARGEST:
        raise ValueError(file)
    return list(ast.walk(ast.parse(path.read_bytes())))


def _annotation(verdict: Verdict, where: Place | None, *, warn: bool) -> str:
    level = "warning" if warn and verdict.outcome is Outcome.INCONCLUSIVE else "error"
    properties = {"file": where.file, "line": str(where.line)} if where else {}
    names = f"{safe_name(verdict.gate)} on {safe_name(verdict.model)}"
    message = f"{verdict.outcome}: {names}: {bounds(verdict)}, {count(verdict.n)} rows"
    return command(level, message, **properties, title=f"tunegate: {safe_name(verdict.suite)}")


def _text(call: ast.Call) -> str:
    """The text of a gate that is written out in numbers; empty for any other call."""
    if (call.func.id if isinstance(call.func, ast.Name) else "") != "Gate":
        return ""
    try:
        given = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
        return str(Gate(*map(ast.literal_eval, call.args), **given))
    except (ValueError, TypeError, HarnessError):
        return ""


def _escaped(text: str, signs: dict[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)
