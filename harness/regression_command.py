"""`tunegate regression add`, `list` and `waive`: options, one call, what is said."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["regression"]

regression = typer.Typer(no_args_is_help=True, help="Pinned regression cases: what broke once must not break again.")
PINNED_FILE = Path("suites/data/regression.pinned.jsonl")
CasesFile = Annotated[Path, typer.Option("--file", help="The pinned cases, beside the regression suite.")]


@regression.command()
def add(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A finished run directory.")],
    ids: Annotated[list[str], typer.Option("--id", help="Example that broke; repeat it for several.")],
    owner: Annotated[str, typer.Option(help="Who answers for the case.")],
    reason: Annotated[str, typer.Option(help="Why it must not break again.")],
    suite: Annotated[str | None, typer.Option(help="Suite of the ids, when several have them.")] = None,
    file: CasesFile = PINNED_FILE,
) -> None:
    """Pin examples that the base gets right and a candidate of the run broke. Run it from the repository's top."""
    from harness.pinning import Wanted, pin

    for case in pin(run_dir, Wanted(tuple(ids), owner, reason, suite), file):
        typer.echo(f"pinned {case.id} of {case.origin.suite}, broken by {case.origin.model}, in {file}")


@regression.command("list")
def list_cases(file: CasesFile = PINNED_FILE) -> None:
    """List the pinned cases with owner, reason and waiver; an expired waiver says so."""
    from harness.pinned import read_cases, today

    for case in read_cases(file):
        standing = case.standing(today())
        typer.echo(f"{case.id}  {case.added}  {case.owner}: {case.reason}{f'  [{standing}]' if standing else ''}")
    typer.echo(f"{len(read_cases(file))} pinned cases in {file}")


@regression.command()
def waive(
    name: Annotated[str, typer.Option("--id", help="Pinned case that may be broken for a while.")],
    owner: Annotated[str, typer.Option(help="Who allows it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    expires: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day of it, such as 2026-12-31.")],
    file: CasesFile = PINNED_FILE,
) -> None:
    """Let a pinned case be broken until a date. It is counted as waived in every verdict, and counts again after."""
    from harness.pinned import today, waiver
    from harness.pinning import waive as allow

    case = allow(file, name, waiver(owner, reason, expires.date()))
    typer.echo(f"{case.id} {case.standing(today())}")
