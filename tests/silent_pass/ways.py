"""What an entry of the catalogue is, and how a repository is broken for one."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests import playground

__all__ = [
    "ADAPTER",
    "BAD",
    "BASE",
    "GOOD",
    "PAIRED",
    "ROWS",
    "TEST",
    "Area",
    "Way",
    "both",
    "conftest",
    "edit",
    "edit_json",
    "head",
    "make_suite",
    "nothing",
    "rule",
    "suite",
]

ADAPTER = ("--adapter", "good")
PAIRED = 'Gate("exact_match", max_drop=0.05)'
ROWS = 120
BASE, GOOD, BAD = 108, 114, 60
"""Right answers of the base, of an adapter that passes, and of one that fails."""
TEST = "def test_gate(gate, check):\n    check(gate)\n"


class Way(NamedTuple):
    """One way to get a green result without evidence.

    Attributes:
        name: what is done.
        do: does it, in the folder that it is given.
        code: exit code that it must end with, never 0.
        says: part of what a person then reads.
        args: of the command, where they are what is done.
        key: `verify` where pytest itself can be made to say 0, and only `tunegate verify` notices.
    """

    name: str
    do: Callable[[Path], object]
    code: int
    says: str
    args: tuple[str, ...] = ()
    key: Literal["first", "verify"] = "first"


class Area(NamedTuple):
    """Ways of one kind: `command` is what is run, and `unbroken` what it exits with when nothing is done."""

    title: str
    command: str
    ways: Sequence[Way]


def nothing(_root: Path) -> None:
    """Leave all as it is; the arguments do it."""


def edit(path: Path, old: str, new: str, count: int = -1) -> None:
    """Replace text in a file that holds it."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} holds no {old!r}"
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def edit_json(path: Path, change: Callable[[Any], object]) -> None:
    """Change the value that a JSON file holds."""
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def both(*steps: Callable[[Path], object]) -> Callable[[Path], None]:
    """One thing after the other."""

    def apply(root: Path) -> None:
        for step in steps:
            step(root)

    return apply


def head(text: str) -> Callable[[Path], None]:
    """Begin the suite's file with something else."""
    return lambda root: edit(root / "suites/test_asks.py", "\nfrom harness.datasets", f"{text}\nfrom harness.datasets")


def rule(model: str, **values: Any) -> Callable[[Path], object]:
    """Change how a model of the playground answers."""
    return lambda root: (root / model / "rule.json").write_text(json.dumps(values))


def make_suite(root: Path, name: str = "asks", **settings: Any) -> Path:
    """The suite of the playground, with no more rows than it takes to decide."""
    return playground.make_suite(root, name, **{"rows": ROWS, **settings})


def suite(**settings: Any) -> Callable[[Path], object]:
    """Write the suite of the playground anew."""
    return lambda root: make_suite(root, **settings)


def conftest(code: str) -> Callable[[Path], None]:
    """Add to the repository's conftest."""

    def apply(root: Path) -> None:
        file = root / "conftest.py"
        file.write_text(f"{file.read_text()}\nimport pytest\n{code}\n")

    return apply
