"""`tunegate compare`: options, one call, what is said, exit code."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.outputs import JsonFile, write_output

__all__ = ["compare"]

WORSE, INCOMPARABLE = 1, 4


def compare(  # noqa: PLR0913  # one parameter for each option
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Finished run directory: what is known.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Finished run directory: what is new.")],
    *,
    model_a: Annotated[str, typer.Option(help="Model of A (default: the winner, or the only candidate).")] = "",
    model_b: Annotated[str, typer.Option(help="Model of B, likewise.")] = "",
    markdown: Annotated[bool, typer.Option("--md", help="Print Markdown, with every name in a code span.")] = False,
    json_file: JsonFile = None,
    fail_on: Annotated[
        Literal["worse", "any", "never"],
        typer.Option(help="What ends with 1: B shown worse on a metric, any broken example, or neither."),
    ] = "worse",
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Leave out suites that only one run measured.")
    ] = False,
) -> None:
    """Compare the candidates of two runs example by example, or say which layer differs and refuse.

    Both runs must verify, and have the same rows, prompts, decoding, scoring, base, dtype and quantisation. "Worse" is
    one-sided at 5 % over all metrics together (Holm); the bounds that are shown are those of each metric by itself.

    Exits 0 when nothing is shown to be worse, 1 by --fail-on, 4 when the runs cannot be compared.
    """
    from harness.runs import json_bytes
    from reports.beside.pairing import Standing, beside
    from reports.beside.words import as_json, as_markdown, as_text

    found = beside(first, second, (model_a, model_b), allow_partial=allow_partial)
    if json_file is not None:
        write_output(json_file, json_bytes(as_json(found)))
    typer.echo(as_markdown(found) if markdown else as_text(found), nl=not markdown)
    if found.refused:
        raise typer.Exit(INCOMPARABLE)
    worse = any(line.standing is Standing.WORSE for line in found.lines)
    broken = any(line.broken for line in found.lines)
    raise typer.Exit(WORSE if {"worse": worse, "any": worse or broken, "never": False}[fail_on] else 0)
