"""`tunegate init`: its options, and what it says."""

import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["init"]


def init(  # one parameter for each option
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the project goes; nothing is written over.")],
    data: Annotated[Path, typer.Option(help="Your rows: JSONL, JSON or CSV, in any form that training takes.")],
    *,
    schema: Annotated[
        Path | None, typer.Option(help="JSON schema of the answers; leave it out when they are text.")
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="REF", help="Base: `embedded`, a folder, or a Hub id with @revision.")
    ] = "embedded",
    system_file: Annotated[Path | None, typer.Option(help="System turn of rows that have none.")] = None,
    test_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows to hold out (default: a fifth, at least 100, at most half).")
    ] = None,
) -> None:
    """Write a project of your own around your rows: suites with gates, a training, a README and a CI file.

    Rows are divided into some that teach and some that test, so that none of them is on both sides, nor any that
    resemble each other; each gate is as strict as the held-out rows can show. Exits 4 when rows, schema or options are
    wrong, or a file exists already.
    """
    from harness.audit import system_text
    from harness.starter import Wanted, make_project

    rehearsal = files("trainers") / "data/general.train.jsonl" if model == "embedded" else None
    made = make_project(
        Wanted(
            folder=folder,
            data=data,
            schema=schema,
            system=system_text(system_file),
            model=_base(model),
            test_rows=test_rows,
            rehearsal=rehearsal.read_bytes() if rehearsal else b"",
        )
    )
    parts = made.split
    typer.echo(f"{folder}: {len(made.paths)} files written")
    typer.echo(f"rows: {len(parts.train)} to learn from, {len(parts.test)} to test with ({parts.units} independent)")
    if parts.repeated or parts.alike:
        typer.echo(f"left out: {parts.repeated} repeat another row, {parts.alike} resemble a test row too much")
    typer.echo(
        f"gates on a rate ask for {made.rate:.0%}: with these rows a candidate half way between that and 100% passes "
        f"with a chance of {made.power:.0%}"
    )
    typer.echo(f"the gate on exact match asks for any gain; one of {made.gain:.0%} is found with a chance of 80%")
    typer.echo(f"next: cd {shlex.quote(str(folder))} && python -m trainers train.toml --out out/adapter")
    typer.echo("README.md there has the other commands")


def _base(model: str) -> str:
    """The model as the project names it: a folder as an absolute path, because commands run elsewhere."""
    import argparse

    from harness.converters import reference
    from harness.errors import UsageProblem

    try:
        known = reference(model)
    except argparse.ArgumentTypeError as error:
        raise UsageProblem(f"--model: {error}") from None
    return str(Path(known).resolve()) if known != "embedded" and Path(known).exists() else known
