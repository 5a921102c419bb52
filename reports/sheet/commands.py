"""`tunegate sheet export` and `tunegate sheet score`: options, one call, what is said, exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError
from harness.outputs import JsonFile, writable

__all__ = ["sheet"]

WRONG_INPUT = 2

sheet = typer.Typer(no_args_is_help=True, help="Blind sheets: let people say which answer is better.")


@sheet.command("export")
def export_sheet(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A finished run directory.")],
    *,
    suite: Annotated[str, typer.Option(help="Suite whose answers are compared.")],
    model: Annotated[str, typer.Option(help="Candidate that is compared with the base.")],
    out: Annotated[Path, typer.Option(callback=writable, help="The sheet, a CSV file; its key is written beside it.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows to look at; those that differ first.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed draws other rows and other sides.")] = 0,
) -> None:
    """Write answers of base and candidate side by side, without saying whose they are, for people to compare.

    Hand out the sheet and keep its key. Exits 2 when the run, a name or a file is wrong.
    """
    from reports.sheet.drawing import Wanted, export

    with _one_line():
        done = export(run_dir, Wanted(suite, model, rows, seed), out)
    drawn, differ = len(done.key.rows), sum(not row.alike for row in done.key.rows)
    typer.echo(f"{done.sheet}: {drawn} rows, the answers differ on {differ}; write A, B or tie into `better`")
    if drawn < rows:
        typer.echo(f"{rows} were asked for; the run has no more, one of each cluster")
    if done.left_out:
        typer.echo(f"{done.left_out} rows left out: the two models saw different prompts, such as their own first turn")
    typer.echo(f"{done.key_file}: says whose answers they are; keep it from those who fill the sheet in")


@sheet.command("score")
def score_sheet(
    filled: Annotated[Path, typer.Argument(metavar="SHEET", help="The sheet with `better` filled in.")],
    key: Annotated[Path | None, typer.Option(help="Its key (default: SHEET with .key.json for .csv).")] = None,
    json_file: JsonFile = None,
) -> None:
    """Say what people think of the candidate: wins, ties, losses, and whether the run's metric agrees.

    Exits 0 when it was scored, whatever came out, and 2 when sheet or key is not as exported.
    """
    from reports.sheet.scoring import as_text, score, write_json

    with _one_line():
        found = score(filled, key)
        if json_file is not None:
            write_json(found, json_file)
    typer.echo(as_text(found))


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except HarnessError as error:
        typer.echo(f"tunegate: {error}", err=True)
        raise typer.Exit(WRONG_INPUT) from None
