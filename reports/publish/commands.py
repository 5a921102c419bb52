"""`tunegate summary`, `tunegate comment` and `tunegate history`: options, one call, what is said, exit code."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.errors import UsageProblem
from harness.outputs import writable

__all__ = ["comment", "history", "summary"]

FEWEST_BYTES, MOST_BYTES = 2_000, 200_000


def summary(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A finished run directory.")],
    *,
    format: Annotated[  # noqa: A002  # the option's name
        Literal["markdown", "openmetrics", "json", "annotations"],
        typer.Option(
            help="For a CI's summary page, for metrics, the small gate.json that `comment` reads, or lines that mark "
            "gates which did not pass, for the log of GitHub Actions."
        ),
    ] = "markdown",
    max_bytes: Annotated[
        int, typer.Option(min=FEWEST_BYTES, max=MOST_BYTES, help="Most bytes of the Markdown.")
    ] = MOST_BYTES,
    examples: Annotated[
        bool, typer.Option("--examples", help="Show up to five broken examples, with what the models wrote.")
    ] = False,
    report_url: Annotated[str, typer.Option(help="Address of report.html, to link its sections.")] = "",
    on_inconclusive: Annotated[
        Literal["fail", "warn"], typer.Option(help="Whether annotations call INCONCLUSIVE an error or a warning.")
    ] = "fail",
) -> None:
    """Say what a finished run came to, for a CI: numbers and names only, unless --examples.

    Exits 0 whatever the verdict: `tunegate verify` decides, this only tells. 4 when the run cannot be read.
    """
    from reports.load import load
    from reports.publish.annotations import as_annotations
    from reports.publish.of_run import gate_file, gate_json
    from reports.publish.openmetrics import as_openmetrics
    from reports.publish.summary import as_markdown, check_url

    check_url(report_url)
    run = load(run_dir)
    if format == "json":
        typer.echo(gate_json(run), nl=False)
    elif format == "openmetrics":
        gate_json(run)
        typer.echo(as_openmetrics(gate_file(run)), nl=False)
    elif format == "annotations":
        typer.echo(as_annotations(run, Path.cwd(), warn=on_inconclusive == "warn"), nl=False)
    else:
        typer.echo(as_markdown(run, most=max_bytes, examples=examples, url=report_url), nl=False)


def comment(
    file: Annotated[Path, typer.Argument(metavar="GATE_JSON", help="As `summary --format json` writes it.")],
    *,
    key: Annotated[str, typer.Option(help="Keeps the comments of several gates apart: a-z, 0-9, -.")] = "default",
    url: Annotated[str, typer.Option(help="https address of the workflow run.")] = "",
    commit: Annotated[str, typer.Option(help="Commit that was gated, 40 hex digits.")] = "",
) -> None:
    """Print a pull request's comment, made of a gate.json that need not be trusted: numbers and plain names only.

    Its first line is a hidden marker by which the comment is found and replaced. Needs nothing but Python:
    `python3 -m reports.publish.comment` is the same. Exits 4 when the file is none that should be shown.
    """
    from reports.publish.comment import read, render
    from reports.publish.gate_file import BadGateFile

    try:
        made = render(*read(file), key=key, url=url, commit=commit)
    except BadGateFile as error:
        raise UsageProblem(str(error)) from error
    typer.echo(made, nl=False)


def history(
    places: Annotated[
        list[Path], typer.Argument(metavar="PLACE...", help="Run directories, folders of them, or gate.json files.")
    ],
    out: Annotated[Path, typer.Option(callback=writable, help="The page; an older one is replaced.")] = Path(
        "index.html"
    ),
) -> None:
    """Write an index of runs with the trend of every gate: one page, numbers and names only, no request leaves it.

    Exits 0 when it was written, 4 when a place holds no run or a file is malformed.
    """
    from reports.publish.history import write_history

    number = write_history(places, out)
    typer.echo(f"{out}: {number} {'run' if number == 1 else 'runs'}")
