"""`tunegate verify`: its options, what it says, and its exit code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.errors import BadRunDirectory, UsageProblem
from harness.types import Outcome

__all__ = ["verify"]

EXIT_CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 10, Outcome.INVALID: 11}


def verify(  # noqa: PLR0913  # one parameter for each option
    run_dir: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="A run directory, such as runs/20260101-120000-a1b2c3.")
    ],
    *,
    suites: Annotated[
        list[Path] | None,
        typer.Option(help="Suite files or folders: the run must have measured these, rows and gates alike; repeat it."),
    ] = None,
    adapter: Annotated[
        list[Path] | None, typer.Option(help="Adapter folder that the run must have decided about; repeat it.")
    ] = None,
    lm_eval: Annotated[
        str,
        typer.Option(metavar="TASK,TASK", help="With --suites: tasks of lm-eval that the run must have measured too."),
    ] = "",
    as_measured: Annotated[
        bool,
        typer.Option("--as-measured", help="With --suites: follow the run's --data, --mmlu-dir and such to its rows."),
    ] = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Accept a run that left rows or gates out (--limit, -k, --lf).")
    ] = False,
    allow_unchecked: Annotated[
        bool,
        typer.Option("--allow-unchecked", help="Accept written answers of lm-eval whose rows are not here to score."),
    ] = False,
    on_inconclusive: Annotated[
        Literal["fail", "warn"], typer.Option(help="Whether INCONCLUSIVE ends with 10 (fail) or is only said (warn).")
    ] = "fail",
) -> None:
    """Recompute every verdict of a finished run from its records, and say whether run.json is right.

    With --suites and --adapter also whether the run is about the suites, gates and adapter that lie here, and whether
    the suites' metrics score the recorded answers so: measure where the GPU is, and let CI hold the run against its
    checkout. --suites runs the suite files, as pytest does.

    Exits with the run's own code when everything agrees: 0 PASS, 1 FAIL, 10 INCONCLUSIVE, 11 INVALID.
    Exits 11 when anything disagrees, when the receipt is missing, when the run is partial without --allow-partial, or
    when answers could not be scored again without --allow-unchecked.
    Needs neither model nor torch; CI trusts this, not pytest's exit code alone.
    """
    from harness.checkout import Checkout, Held, hold_against
    from harness.verify import verify as recompute

    if lm_eval and not suites:
        raise UsageProblem("--lm-eval goes with --suites, whose files make suites of the tasks; add --suites suites/")
    try:
        found = recompute(run_dir)
    except BadRunDirectory as error:
        typer.echo(f"tunegate: {error}", err=True)
        raise typer.Exit(EXIT_CODES[Outcome.INVALID]) from None
    held = Held(found.disagreements)
    if not held.faults and (suites or adapter):
        here = Checkout(tuple(suites or ()), tuple(adapter or ()), _tasks(lm_eval), as_measured=as_measured)
        held = hold_against(run_dir, here)
    _tell(held.believed, found.unchecked, held.faults)
    unchecked = bool(found.unchecked) and not held.faults and not allow_unchecked
    if refused := _refusal(partial=found.partial and not allow_partial, unchecked=unchecked):
        typer.echo(f"REFUSED {run_dir}: {refused}", err=True)
        raise typer.Exit(EXIT_CODES[Outcome.INVALID])
    outcome = Outcome.INVALID if held.faults else found.outcome
    partial = " (partial)" if found.partial else ""
    typer.echo(f"{'REJECTED' if held.faults else 'verified'}: {outcome}{partial} {run_dir}")
    if held.policy:
        typer.echo(f"policy of the suites here: {held.policy}")
    if outcome is Outcome.INCONCLUSIVE and on_inconclusive == "warn":
        typer.echo("WARNING: not shown to pass; accepted by --on-inconclusive warn", err=True)
        raise typer.Exit(0)
    raise typer.Exit(EXIT_CODES[outcome])


def _tell(believed: Sequence[str], unchecked: Sequence[str], faults: Sequence[str]) -> None:
    """Say what was taken as it is, not looked at, or found to be otherwise."""
    for name in believed:
        typer.echo(
            f"NOTE {name}: scores are taken as recorded; likelihoods and judges leave no answer to score", err=True
        )
    for line in unchecked:
        typer.echo(f"UNCHECKED {line}", err=True)
    for line in faults:
        typer.echo(f"DISAGREES {line}", err=True)


def _refusal(*, partial: bool, unchecked: bool) -> str:
    """Why a run that agrees with itself is no evidence all the same; empty when it is."""
    if partial:
        return "partial run, it left rows or gates out; repeat it whole or add --allow-partial"
    if unchecked:
        return "answers were not scored again, see UNCHECKED; bring their rows or add --allow-unchecked"
    return ""


def _tasks(text: str) -> tuple[str, ...]:
    """Names between commas, as pytest's `--lm-eval` reads them."""
    from argparse import ArgumentTypeError

    from harness.converters import task_names

    try:
        return task_names(text) if text else ()
    except ArgumentTypeError as error:
        raise UsageProblem(f"--lm-eval {error}") from None
