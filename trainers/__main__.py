"""`python -m trainers CONFIG.toml --out DIR`: trains one adapter and ends.

Exit codes: 0 trained, or found trained; 2 a file, key or option is wrong; 11 the training is invalid; 13 interrupted.
"""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from harness.errors import HarnessError, UsageProblem
from trainers.config import load_config

__all__ = ["main"]

USAGE, INVALID, INTERRUPTED = 2, 11, 13

ENVIRONMENT = {
    # Threads that spin while they wait train two to three times slower as soon as the machine has other work.
    "OMP_WAIT_POLICY": "passive",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
"""Read by libraries when they are imported; what the caller has set stands."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    config: Annotated[Path, typer.Argument(help="TOML file; its fields are described in trainers/config.py")],
    out: Annotated[Path, typer.Option(help="folder of the adapter; made last, whole")],
    model: Annotated[str, typer.Option(help="base instead of the file's: embedded, a folder, or a Hub id")] = "",
) -> None:
    """Train one LoRA adapter as CONFIG says, into DIR. Done already, it ends at once."""
    console = Console(stderr=True, highlight=False)
    try:
        _train(config, out, model, console)
    except HarnessError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(USAGE if isinstance(error, UsageProblem) else INVALID) from error
    except KeyboardInterrupt as error:
        console.print("interrupted: nothing was left behind; the same command starts again")
        raise typer.Exit(INTERRUPTED) from error


def _train(config: Path, out: Path, model: str, console: Console) -> None:
    settings = load_config(config, overrides={"model": model} if model else None)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from trainers.fit import Point
    from trainers.sft import Watcher, train

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)

        def step(done: int, total: int, point: Point) -> None:
            progress.update(bar, completed=done, total=total, description=f"loss {point.loss:.3f}")

        def say(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)

        def example(kind: str, read: str, learned: str) -> None:
            console.print(Text.assemble(f"{kind} example, read: ", (repr(read), "dim")), soft_wrap=True)
            console.print(Text.assemble(f"{kind} example, learned: ", (repr(learned), "bold green")), soft_wrap=True)

        trained = train(settings, out, watcher=Watcher(say=say, step=step, example=example))
    typer.echo(f"trained: {out}" if trained.fresh else f"already trained: {out}")


if __name__ == "__main__":
    app(prog_name="python -m trainers")
