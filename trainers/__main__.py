"""`python -m trainers CONFIG --out DIR` trains; `pack`, `merge` and `import-axolotl` are the other commands.

Exit codes: 0 done, or found done; 2 a file, key or option is wrong; 11 the training is invalid; 13 interrupted.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from typer.core import TyperGroup

from harness.errors import BadSpec, HarnessError, UsageProblem
from trainers.config import TrainConfig, load_config, parse

__all__ = ["app"]

USAGE, INVALID, INTERRUPTED = 2, 11, 13

ENVIRONMENT = {
    # Threads that spin while they wait train two to three times slower as soon as the machine has other work.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "20000",  # a short spin first: without it a quiet machine trains a quarter slower
    # Large tensors in large pages where the system gives them on request: a training's first steps touch gigabytes.
    "THP_MEM_ALLOC_ENABLE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
"""Read by libraries when they are imported; what the caller has set stands."""


class _TrainsByDefault(TyperGroup):
    """Lets `train` be left out: a first word that is no command is its configuration."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # typer's context
        known = args and (args[0] in self.commands or args[0] in ("--help", "-h"))
        return super().parse_args(ctx, args if known or not args else ["train", *args])


app = typer.Typer(cls=_TrainsByDefault, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class Target(StrEnum):
    """What an adapter is merged into."""

    BASE = "base"
    ROUNDTRIP = "nf4-roundtrip"
    NF4 = "nf4"


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="TOML or YAML file; its fields are described in trainers/config.py")],
    out: Annotated[Path, typer.Option(help="folder of the adapter; made last, whole")],
    model: Annotated[str, typer.Option(help="base instead of the file's: embedded, a folder, or a Hub id")] = "",
    here: Annotated[bool, typer.Option("--here", hidden=True)] = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Train as CONFIG says, into DIR; go on with an interrupted training; end at once when it is done already."""
    with _reported() as console:
        settings = load_config(config, overrides={"model": model} if model else None)
        if settings.interpreter and not here:
            raise typer.Exit(_elsewhere(settings.interpreter, ["train", str(config), "--out", str(out)], model))
        _train(settings, out, console)


@app.command()
def pack(
    configs: Annotated[list[Path], typer.Argument(help="TOML files; each is trained into DIR, where it is DIR.toml")],
    until: Annotated[str, typer.Option(help="stop after this part of the steps, such as 1/4, in DIR.at-1-4")] = "1",
    after: Annotated[str, typer.Option(help="go on from what an earlier call stopped at, such as 1/8")] = "0",
) -> None:
    """Train adapters at once that differ in nothing but the tables lora and optim, each as if it were alone."""
    with _reported() as console:
        _pack(configs, console, until=until, after=after)


@app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="folder of the adapter")],
    out: Annotated[Path, typer.Option(help="folder of the merged model; made last, whole")],
    into: Annotated[Target, typer.Option(help="what to merge with; see trainers/merge.py")] = Target.BASE,
    model: Annotated[str, typer.Option(help="base instead of the one that the adapter pins")] = "",
    dtype: Annotated[
        str, typer.Option(help="of the stored weights: float32, bfloat16, float16; the base's own")
    ] = "auto",
) -> None:
    """Merge an adapter into its base, and say how far the result is from adapter-on-base."""
    with _reported():
        _settle()
        from trainers.merge import merge as write_merged

        drift = write_merged(adapter, out, into=into.value, model=model, dtype=dtype)
        typer.echo(
            f"merged: {out} (over {drift.positions} positions: largest logit difference {drift.max_logit:.3g}, "
            f"KL {drift.mean_kl:.3g} nats a token, same greedy token {drift.agreement:.1%})"
        )


@app.command()
def import_axolotl(config: Annotated[Path, typer.Argument(help="YAML file written for axolotl")]) -> None:
    """Print an axolotl configuration as TOML of ours; what became of each key goes to standard error."""
    with _reported() as console:
        from trainers.axolotl import translate

        found = translate(config, parse(config))
        for title, lines in (("mapped", found.mapped), ("not mapped", found.left)):
            for line in lines:
                console.print(f"{title}: {line}", markup=False, soft_wrap=True)
        typer.echo(found.toml, nl=False)


@contextmanager
def _reported() -> Iterator[Console]:
    """One line and an exit code for every error that a person can mend."""
    console = Console(stderr=True, highlight=False)
    try:
        yield console
    except HarnessError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(USAGE if isinstance(error, UsageProblem) else INVALID) from error
    except KeyboardInterrupt as error:
        console.print("interrupted: the same command goes on from the last checkpoint, or starts again without one")
        raise typer.Exit(INTERRUPTED) from error


def _settle() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def _elsewhere(interpreter: Path, arguments: list[str], model: str) -> int:
    """Exit code of the same command under another Python, which finds this project where this one did."""
    root = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    command = [str(interpreter), "-m", "trainers", *arguments, *(["--model", model] if model else []), "--here"]
    try:
        return subprocess.run(command, env=os.environ | {"PYTHONPATH": root}, check=False).returncode  # noqa: S603  # no shell
    except OSError as error:
        raise UsageProblem(
            f"interpreter = '{interpreter}' cannot be started ({error.strerror}); name the python of an environment"
        ) from error


def _train(settings: TrainConfig, out: Path, console: Console) -> None:
    _settle()
    from trainers.sft import train as run

    with _watched(console) as watcher:
        scoring = None
        if settings.early_stopping:
            from harness.models import locate
            from trainers.scoring import suite_scoring

            scoring = suite_scoring(settings.early_stopping, locate(settings.model, settings.revision))
        trained = run(settings, out, watcher=watcher, scoring=scoring)
    typer.echo(f"trained: {out}" if trained.fresh else f"already trained: {out}")


def _part(option: str, text: str) -> Fraction:
    try:
        part = Fraction(text)
    except (ValueError, ZeroDivisionError):
        part = Fraction(-1)
    if not 0 <= part <= 1:
        raise BadSpec(f"{option} {text}: is no part of a training; give a fraction such as 1/4")
    return part


def _pack(files: list[Path], console: Console, *, until: str, after: str) -> None:
    start, end = _part("--after", after), _part("--until", until)
    if start >= end:
        raise BadSpec(f"--after {after} --until {until}: nothing lies between; give a larger --until")
    _settle()
    from trainers.packed.plan import OWN, hindrance
    from trainers.packed.span import Span
    from trainers.packed.train import Wanted, train_pack

    wanted = [Wanted(load_config(path), path.with_suffix("")) for path in files]
    first = wanted[0].config.model_dump(exclude=dict(OWN))
    for path, each in zip(files, wanted, strict=True):
        if reason := hindrance(each.config):
            raise BadSpec(f"{path}: cannot be packed: {reason}; train it by itself, with --out")
        if each.config.model_dump(exclude=dict(OWN)) != first:
            raise BadSpec(f"{path}: differs from {files[0]} in more than [lora] and [optim]; train it in another pack")
    with _watched(console) as watcher:
        failures = train_pack(wanted, watcher, Span(start, end))
    for out, reason in failures.items():
        typer.echo(f"invalid: {out}: {reason}" if reason else f"trained: {out}")
    if any(failures.values()):
        raise typer.Exit(INVALID)


@contextmanager
def _watched(console: Console) -> Iterator[Any]:
    """Who is told how training goes: a line that is redrawn, and lines that stay."""
    from trainers.fit import Point
    from trainers.sft import Watcher

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    silent = not console.is_interactive  # else it writes an empty line where nobody can watch a bar
    with Progress(*columns, console=console, transient=True, disable=silent) as progress:
        bar = progress.add_task("", total=None)

        def step(done: int, total: int, point: Point) -> None:
            progress.update(bar, completed=done, total=total, description=f"loss {point.loss:.3f}")

        def say(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)

        def example(kind: str, read: str, learned: str) -> None:
            console.print(Text.assemble(f"{kind} example, read: ", (repr(read), "dim")), soft_wrap=True)
            console.print(Text.assemble(f"{kind} example, learned: ", (repr(learned), "bold green")), soft_wrap=True)

        yield Watcher(say=say, step=step, example=example)


if __name__ == "__main__":
    app(prog_name="python -m trainers")
