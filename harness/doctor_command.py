"""`tunegate doctor`: its options, and what it says."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["doctor"]


def doctor(
    store: Annotated[Path, typer.Option(metavar="DIR", help="Where answers are kept between runs.")] = Path(
        ".tunegate"
    ),
) -> None:
    """Look at this machine: Python, packages, torch and CUDA, free disk, the store, a browser. One line each.

    Exits 0 when all that is needed is in order, else 1. Nothing is installed, downloaded or measured.
    """
    from harness.doctor import look_around

    broken = 0
    for look in look_around(Path(), store):
        word = "ok" if look.well else "BROKEN" if look.needed else "absent"
        broken += look.needed and not look.well
        typer.echo(f"{word:<7} {look.name:<9} {look.said}")
    raise typer.Exit(1 if broken else 0)
