"""The command line: composition root of everything that is not pytest. `tunegate`, or `python -m harness.cli`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.doctor_command import doctor
from harness.errors import BudgetSpent, HarnessError, JudgeProblem, NotMeasured
from harness.init_command import init
from harness.outputs import JsonFile, writable, write_output
from harness.panels import EPILOG, arrange
from harness.regression_command import regression
from harness.speed_command import speed
from harness.verify_command import verify
from reports.beside.commands import compare
from reports.commands import runs, show
from reports.publish.commands import comment, history, summary
from reports.sheet.commands import sheet

__all__ = ["main"]

USAGE, INVALID, BUDGET = 4, 11, 12
RunDir = Annotated[
    Path, typer.Argument(metavar="RUN_DIR", help="A run directory, such as runs/20260101-120000-a1b2c3.")
]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Evaluation-first quality gate for LoRA and QLoRA fine-tunes. The gate itself is: "
    "pytest suites/ --model BASE --adapter DIR",
    epilog=EPILOG,
)


for command in (init, doctor, runs, show, speed, verify, compare, summary, comment, history):
    app.command()(command)


@app.callback()
def root() -> None:
    """Keep subcommands subcommands, even when there is only one."""


@app.command()
def report(
    run_dir: RunDir,
    embed_budget: Annotated[
        str, typer.Option(metavar="SIZE", help="How much of the page texts of examples may take, such as 500kB or 8MB.")
    ] = "8MB",
) -> None:
    """Rebuild report.html of a finished run from its files alone; texts beyond the budget go to records.parquet."""
    from reports.browser.embedded import budget
    from reports.html import write_report

    typer.echo(write_report(run_dir, budget=budget(embed_budget)))


@app.command()
def card(
    run_dir: RunDir,
    model: Annotated[str, typer.Option(help="Candidate of the run, by the name that its report gives.")],
    out: Annotated[
        Path | None, typer.Option(callback=writable, help="Write it there, such as README.md; printed unless given.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="ORG/NAME", help="What it is called on the Hub.")] = "",
) -> None:
    """Make a model card for the Hub of a finished run that verifies: the verdict first, whatever it is."""
    from reports.card import make_card, write_card

    made = make_card(run_dir, model, name)
    if out is None:
        typer.echo(made, nl=False)
    else:
        write_card(made, out)


@app.command()
def compare_sweeps(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run directory of a sweep, on a small base perhaps.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Run directory of the same sweep on another base.")],
    json_file: JsonFile = None,
) -> None:
    """Say whether two bases rank the points of a sweep alike, so that tuning on the small one tells about the other.

    Points are matched by what they set, and compared by Kendall's tau over their scores on all rows.
    """
    from reports.transfer import as_text, write_json
    from reports.transfer import compare_sweeps as compare

    found = compare(first, second)
    if json_file is not None:
        write_json(found, json_file)
    typer.echo(as_text(found))


@app.command()
def plan(
    config: Annotated[Path, typer.Argument(help="TOML file of a training run; `model` and a table `lora` do.")],
    gpu_memory: Annotated[str, typer.Option(help="Memory of one GPU, such as 16GiB; exit code 1 if exceeded.")] = "",
    json_file: JsonFile = None,
    price_per_hour: Annotated[float | None, typer.Option(min=0, help="Price of the machine, any currency.")] = None,
    tokens_per_second: Annotated[
        float | None, typer.Option(min=1e-3, help="Measured on that machine; projected from one H200 unless given.")
    ] = None,
) -> None:
    """Predict memory, time and price of a training run, and say what to change when it does not fit.

    Exits 0 when it fits or no memory is declared, 1 when it does not fit, 2 when a file, key or option is wrong.
    Needs neither GPU nor weights.
    """
    from trainers.planning.plan import Declared, as_text, make_plan, parse_size, write_json

    try:
        memory = parse_size(gpu_memory) if gpu_memory else None
        made = make_plan(config, Declared(memory, price_per_hour, tokens_per_second))
        if json_file is not None:
            write_json(made, json_file)
    except HarnessError as error:
        typer.echo(f"tunegate: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(as_text(made))
    raise typer.Exit(1 if made.fits is False else 0)


@app.command()
def audit(  # noqa: PLR0913  # one parameter for each option
    data: Annotated[Path, typer.Argument(metavar="TRAIN", help="Training rows: JSONL, JSON or CSV, in any form.")],
    *,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of suites, suite file, or rows of another split, that must stay unseen; repeat it."),
    ] = None,
    json_file: JsonFile = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", callback=writable, help="Write a page with pictures there.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "--tokenizer", help="Base: `embedded`, a folder, or a Hub id with @revision.")
    ] = "embedded",
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens that training takes; when given, a longer row breaks a limit.")
    ] = None,
    system_file: Annotated[Path | None, typer.Option(help="System turn of rows that have none.")] = None,
    schema: Annotated[Path | None, typer.Option(help="JSON schema for all answers, besides those of suites.")] = None,
    production: Annotated[
        Path | None, typer.Option(help="Questions as they come in practice, to compare with.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="KIND=ROWS", help="Rows tolerated of a kind, or KIND=off; repeat it.")
    ] = None,
    difficulty: Annotated[
        bool, typer.Option("--difficulty", help="Let the base answer rows, and say how hard they are.")
    ] = False,
    difficulty_suite: Annotated[str, typer.Option(help="Suite that asks and scores; the one that fits.")] = "",
    difficulty_rows: Annotated[int, typer.Option(min=1, help="Rows that are asked, a seeded sample.")] = 200,
    difficulty_tries: Annotated[
        int, typer.Option(min=1, help="Answers to each row; one is greedy, several sampled.")
    ] = 4,
    judge: Annotated[str, typer.Option(help="Who grades the answers: URL#model, hf:PATH or embedded.")] = "",
    judge_suite: Annotated[Path, typer.Option(help="Suite file whose rubric is graded.")] = Path(
        "suites/test_judge.py"
    ),
    judge_rows: Annotated[int, typer.Option(min=1, help="Rows that are graded, a seeded sample.")] = 100,
    judge_calls: Annotated[int | None, typer.Option(min=1, help="Most requests to an endpoint.")] = None,
    judge_budget: Annotated[float | None, typer.Option(min=1e-9, help="Most money to spend.")] = None,
    judge_prices: Annotated[Path | None, typer.Option(help="TOML file of prices for a million tokens.")] = None,
    store: Annotated[Path, typer.Option(help="Where a judge's replies are kept.")] = Path(".tunegate"),
) -> None:
    """Look at training rows before anything is trained: duplicates, conflicts, leaks into suites, schema, lengths.

    Exits 0 when every limit is kept, 1 when one is broken, 2 when a file, suite or option is wrong. Limits are 0 rows
    for malformed, empty, leak, duplicate (exact), conflict, schema, group, prompt, template and special; all other
    kinds inform. Nothing is changed or deleted.
    """
    from harness.audit import MAX_LENGTH, Asked, Graders, Request, parse_limits, system_text, write_json
    from harness.audit import audit as look
    from harness.judge import Caps, JudgeSettings
    from reports.audit_page import write_audit
    from reports.audit_terminal import print_audit

    try:
        settings = JudgeSettings(judge, Caps(judge_calls), Caps(judge_budget), judge_prices, store=store)
        words = [*(["truncated=0"] if max_length else []), *(limit or ())]
        request = Request(
            data=data,
            against=tuple(against or ()),
            schema=schema,
            production=production,
            model=model,
            max_length=max_length or MAX_LENGTH,
            system=system_text(system_file),
            limits=parse_limits(words),
            asked=Asked(model, difficulty_suite, difficulty_rows, difficulty_tries) if difficulty else None,
            graders=Graders(settings, judge_suite, judge_rows, store) if judge else None,
        )
        found = look(request)
        for path, write in ((json_file, write_json), (html_file, write_audit)):
            if path is not None:
                write(found, path)
    except HarnessError as error:
        typer.echo(f"tunegate: {error}", err=True)
        raise typer.Exit(BUDGET if isinstance(error, BudgetSpent) else 2) from None
    print_audit(found, file=sys.stdout)
    raise typer.Exit(1 if found.broken else 0)


@app.command()
def calibrate_judge(  # noqa: PLR0913, PLR0917  # one parameter for each option
    judge: Annotated[str, typer.Option(help="URL#model, hf:PATH or embedded, as `pytest suites/ --judge` takes it.")],
    labels: Annotated[Path, typer.Option(help="JSONL file of at least 100 labelled answers, see docs/judge.md.")],
    suite: Annotated[Path, typer.Option(help="Suite file whose rubric is graded.")] = Path("suites/test_judge.py"),
    store: Annotated[Path, typer.Option(help="Where replies and the calibration are kept.")] = Path(".tunegate"),
    judge_calls: Annotated[int | None, typer.Option(min=1, help="Most requests to an endpoint.")] = None,
    judge_budget: Annotated[float | None, typer.Option(min=1e-9, help="Most money to spend.")] = None,
    judge_prices: Annotated[Path | None, typer.Option(help="TOML file of prices for a million tokens.")] = None,
    json_file: JsonFile = None,
    reasons: Annotated[bool, typer.Option(help="--no-reasons asks as a --second-judge is asked.")] = True,  # noqa: FBT002
) -> None:
    """Measure how far a judge agrees with labels, and keep that under its fingerprint: only then may it gate.

    Exits 0 when it was measured, whatever came out; 11 when the judge cannot be asked or left answers ungraded; 12 when
    the budget is used up, and the same command with a larger one goes on.
    """
    from harness.judge import Caps, JudgeSettings
    from harness.judge.labels import calibrate_from_files
    from harness.judge.words import as_text, write_json

    settings = JudgeSettings(judge, Caps(judge_calls), Caps(judge_budget), judge_prices, store=store, reasons=reasons)
    try:
        found, rubric = calibrate_from_files(settings, labels, suite, store)
    except (BudgetSpent, JudgeProblem, NotMeasured) as error:
        typer.echo(f"tunegate: {error}", err=True)
        raise typer.Exit(BUDGET if isinstance(error, BudgetSpent) else INVALID) from None
    if json_file is not None:
        write_json(found, json_file)
    typer.echo(as_text(found, rubric))


app.add_typer(regression, name="regression")
app.add_typer(sheet, name="sheet")


@app.command()
def power(
    paths: Annotated[list[Path], typer.Argument(metavar="SUITES", help="Suite files or folders, such as suites/.")],
    discordance: Annotated[
        float | None, typer.Option(min=1e-6, max=1, help="Share of rows on which the models differ (default: 0.10).")
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=1,
            help="How far beyond its limit the truth lies (default: no drop; gains 0.05; rates half way).",
        ),
    ] = None,
    run_dir: Annotated[Path | None, typer.Option(help="A finished run: take what it measured, gate by gate.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Plan only so many rows of each suite.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Say what the gates of your suites can show with their rows, before anything is measured.

    For each gate: the chance to pass when the truth is on the right side, what can be detected, and the rows that 80 %
    and 95 % power need; then the chance that all gates pass. Needs neither model nor torch.
    """
    from harness.power import Assumed, power_of
    from harness.runs import json_bytes
    from harness.suite_files import read_suites
    from reports.power import as_text, measured_by

    measured = measured_by(run_dir) if run_dir else None
    found = power_of(read_suites(paths), Assumed(discordance, effect), measured=measured, limit=limit)
    if json_file is not None:
        write_output(json_file, json_bytes(found.spec()))
    typer.echo(as_text(found))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def aa(
    context: typer.Context,
    json_file: JsonFile = None,
) -> None:
    """Measure the base against itself: tunegate aa suites/ --model BASE, with any option of `pytest suites/`.

    The second time prompts come in another order and other batches, so what flips is noise of the engine. The flip
    rate is kept in --store and shown on every report of that base; gates respect it.
    Exits 0, or 1 when a gate would blame a candidate for the noise too often.
    """
    from harness.aa import measure, tell
    from harness.arguments import read_arguments
    from harness.runs import json_bytes
    from harness.suite_files import read_suites

    paths, options = read_arguments(context.args)
    found = measure(read_suites(paths), options)
    if json_file is not None:
        write_output(json_file, json_bytes({"suites": [test.spec() for test in found]}))
    typer.echo("\n".join(tell(found)))
    raise typer.Exit(1 if any(alarm.loud for test in found for alarm in test.alarms) else 0)


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(context: typer.Context) -> None:
    """Train one adapter: CONFIG --out DIR, as `python -m trainers`, in a process of its own."""
    command = [sys.executable, "-m", "trainers", "train", *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603  # our own module, no shell


arrange(app)


def main() -> None:
    """Run the command line; every error a user can meet is one line on stderr and exit code 4."""
    try:
        app()
    except HarnessError as error:
        typer.echo(f"tunegate: {error}", err=True)
        raise SystemExit(USAGE) from None


if __name__ == "__main__":
    main()
