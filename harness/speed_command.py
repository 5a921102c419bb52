"""`tunegate speed`: its options, and what it writes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.errors import HarnessError
from harness.outputs import JsonFile, write_output

__all__ = ["speed"]


def speed(  # noqa: PLR0913  # one parameter for each option
    suite: Annotated[Path, typer.Argument(metavar="SUITE_FILE", help="Suite whose prompts are asked.")],
    adapter: Annotated[str, typer.Option(metavar="DIR", help="LoRA adapter, beside its base.")],
    *,
    model: Annotated[str, typer.Option(metavar="REF", help="Base: `embedded`, a folder, or a Hub id.")] = "embedded",
    merged: Annotated[bool, typer.Option("--merged", help="Merge the adapter and measure that, too.")] = False,
    rows: Annotated[int, typer.Option(min=1, help="Prompts, a seeded slice of the suite; one batch holds all.")] = 16,
    rounds: Annotated[int, typer.Option(min=3, help="Rounds that count; models take turns in each.")] = 5,
    max_new_tokens: Annotated[int, typer.Option(min=2, help="Tokens of an answer; end tokens do not end it.")] = 32,
    device: Annotated[str, typer.Option(help="A torch device; `auto` takes the GPU when there is one.")] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"], typer.Option(help="Weights; see the gate's --dtype.")
    ] = "auto",
    quantization: Annotated[str, typer.Option(help="How all models are held; see the gate's --quantization.")] = "none",
    json_file: JsonFile = None,
) -> None:
    """Measure how fast a base, its adapter and, with --merged, the merged model answer: first token and tokens/s.

    Prompts are asked one by one and in one batch. Nothing is gated or stored. All models are in memory at once.
    Exits 0 when everything was measured, 2 when a file, model or option is wrong or a time could not be measured.
    """
    from harness.arguments import read_arguments
    from harness.runs import json_bytes
    from harness.speed import Question, measure_speed
    from harness.stopwatch import Pace
    from reports.speed import as_text
    from trainers.merge import merge

    given = {"model": model, "adapter": adapter, "device": device, "dtype": dtype, "quantization": quantization}
    try:
        _, options = read_arguments([str(suite), *(f"--{name}={value}" for name, value in given.items())])
        question = Question(suite, options, rows, Pace(rounds, max_new_tokens), merge if merged else None)
        found = measure_speed(question, lambda line: typer.echo(f"{line} ...", err=True))
        if json_file is not None:
            write_output(json_file, json_bytes(found.spec()))
    except HarnessError as error:
        typer.echo(f"tunegate: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(as_text(found))
