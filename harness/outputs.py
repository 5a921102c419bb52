"""Files that a command writes where an option says: what cannot be written is refused before the work, in one line."""

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageProblem

__all__ = ["JsonFile", "writable", "write_output"]

_WRONG_OPTION = 2


def writable(option: typer.CallbackParam, path: Path | None) -> Path | None:
    """Callback of an option that names a file to write: ends the command with 2 when that cannot work.

    A disk that is full is found by `write_output` alone.
    """
    if path is not None and (fault := _fault(path)):
        typer.echo(f"tunegate: {_refusal(option.opts[0], path, fault)}", err=True)
        raise typer.Exit(_WRONG_OPTION)
    return path


JsonFile = Annotated[
    Path | None, typer.Option("--json", callback=writable, help="Write everything there too, as JSON.")
]
"""The option of every command that can write what it found as JSON."""


def write_output(path: Path, data: bytes, option: str = "--json") -> None:
    """Write what a command found to the file that `option` named.

    Raises:
        UsageProblem: it cannot be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageProblem(_refusal(option, path, error.strerror or type(error).__name__)) from error


def _fault(path: Path) -> str:
    if path.is_dir():
        return "is a folder"
    if not path.absolute().parent.is_dir():
        return "its folder does not exist"
    place = path if path.exists() else path.absolute().parent
    return "" if os.access(place, os.W_OK) else "no permission"


def _refusal(option: str, path: Path, fault: str) -> str:
    return f"{option} {path}: cannot be written ({fault}); give another path"
