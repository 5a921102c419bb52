"""`tunegate runs` and `tunegate show`: options, one call, what is said."""

from pathlib import Path
from typing import Annotated

import typer

from harness.outputs import JsonFile

__all__ = ["runs", "show"]


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds run directories.")] = Path("runs"),
    json_file: JsonFile = None,
) -> None:
    """List runs, newest first: time (UTC), outcome, path, models. What they say is not checked; `verify` does that.

    Exits 0, or 4 when there is no run.
    """
    from reports.shelf import as_text, shelf, write_json

    found = shelf(folder)
    if json_file is not None:
        write_json(found, json_file)
    typer.echo(as_text(found))


def show(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A finished run directory.")],
    name: Annotated[str, typer.Option("--id", help="Of the example; its first characters are enough.")],
    suite: Annotated[str | None, typer.Option(help="Look in this suite only.")] = None,
) -> None:
    """Show one example of a run in full: prompt, target, each model's answer, and every score with its cause.

    Exits 0, or 4 when the run, the id or the suite is not there.
    """
    from reports.one import show as shown

    typer.echo(shown(run_dir, name, suite))
