"""The options of `pytest suites/` for a command without pytest, so that both mean the same model, engine and store."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageProblem
from harness.options import Options, add_options

__all__ = ["read_arguments"]


class _Group:
    """What `add_options` asks of pytest's parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def getgroup(self, _name: str, _description: str) -> "_Group":
        return self

    def addoption(self, *names: str, **settings: object) -> None:
        self._parser.add_argument(*names, **settings)  # type: ignore[arg-type]  # as pytest passes them on


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # raises, as the original exits
        raise UsageProblem(message)


def read_arguments(words: Sequence[str]) -> tuple[tuple[Path, ...], Options]:
    """Paths of suites, and the options of the gate.

    Raises:
        UsageProblem: a word is no option, or a value is none that it can have.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("paths", nargs="+", type=Path)
    add_options(_Group(parser))  # type: ignore[arg-type]  # all of a parser that it uses
    found = parser.parse_args(list(words))
    return tuple(found.paths), Options.read(lambda name: getattr(found, name))
