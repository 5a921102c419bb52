"""Everything the page says, as one value: the template only lays it out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.fingerprint import digest
from harness.types import ModelRef, Outcome, Verdict
from reports.cases import RegressionSet, regression_sets
from reports.charts.canvas import Figure, Twin, figure
from reports.charts.spans import Span, changes, lengths
from reports.examples import Gallery, galleries
from reports.guards import Guard, guards
from reports.headline import Banner, Tile, candidate_banner, cost_tile, run_banner, tiles
from reports.health import Health, health
from reports.instrument import Check, checks
from reports.load import Run, aggregate
from reports.numbers import count, interval, points
from reports.origin import Origin, origins
from reports.sections import Cause, Line, causes, lines
from reports.slices import SuiteSlices, slices
from reports.sweep_page import SweepView, view
from reports.texts import flat, measure
from reports.training import Training, trainings
from reports.trajectory_page import Drawn, drawn
from reports.trials import trials
from reports.violations import Violations, violations
from reports.warnings import warnings

__all__ = ["Page", "Subject", "build"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What there is to say of one model: a candidate beside the base, or the base alone.

    `matrices` are the lines whose transitions are shown as tables of two by two.
    """

    model: ModelRef
    alone: bool
    banner: Banner
    tiles: tuple[Tile, ...]
    lines: tuple[Line, ...]
    matrices: tuple[Line, ...]
    forest: Figure
    galleries: tuple[Gallery, ...]
    causes: tuple[Cause, ...]
    violations: Violations
    forgetting: tuple[Guard, ...]
    regression: tuple[Line, ...]
    cases: tuple[RegressionSet, ...]
    slices: tuple[SuiteSlices, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page.

    Attributes:
        banners: what the gates say of each candidate of a sweep; empty in other runs.
        subjects: one for each model that the page tells everything of.
        cost: name and figure of what the engine used.
        training: of each model of whose training anything is known.
        environment: name and text.
        origins: of which commit suites and adapters were.
        layer: what the environment without its usage hashes to, its first digits.
        place: where the run lies, without the folders above, which may name a user.
        outcomes: what each candidate's own gates make of it, by name.
        sweep: the points of a sweep; None in other runs.
        trajectories: one for each adapter whose checkpoints were measured.
        checks: what is known of the instrument, one for each suite and judged model.
    """

    title: str
    run: Run
    banner: Banner
    banners: tuple[Banner, ...]
    subjects: tuple[Subject, ...]
    health: tuple[Health, ...]
    lengths: Figure
    cost: tuple[tuple[str, float], ...]
    training: tuple[Training, ...]
    environment: tuple[tuple[str, str], ...]
    origins: tuple[Origin, ...]
    layer: str
    warnings: tuple[str, ...]
    place: str
    outcomes: Mapping[str, Outcome]
    sweep: SweepView | None
    trajectories: tuple[Drawn, ...]
    checks: tuple[Check, ...]


def build(run: Run, limit: int) -> Page:
    """Work out the page of a run; `limit` >= 0 bounds the examples shown in each list."""
    tables = {model.name: lines(run, model.name) for model in run.candidates or (run.base,)}
    found, outputs = trials(run, tables), health(run)
    return Page(
        title=_title(run),
        run=run,
        banner=run_banner(run),
        banners=tuple(candidate_banner(run, model.name) for model in run.candidates) if run.sweep else (),
        subjects=tuple(_subject(run, model, tables[model.name], limit) for model in _looked_at(run)),
        health=outputs,
        lengths=_lengths(outputs),
        cost=tuple(_cost(run.environment.get("usage", {}))),
        training=trainings(run),
        environment=tuple(flat(run.environment)),
        origins=origins(run),
        layer=digest({key: value for key, value in run.environment.items() if key != "usage"})[:16],
        warnings=warnings(run),
        place="/".join(run.folder.resolve().parts[-2:]),
        outcomes={model.name: aggregate(run.own_verdicts(model.name)) for model in run.candidates},
        sweep=view(run, found) if found else None,
        trajectories=drawn(run),
        checks=checks(run),
    )


def _title(run: Run) -> str:
    names = [model.name for model in run.candidates]
    if run.sweep and len(names) > 1:
        return f"Sweep of {len(run.sweep.points)} points against {run.base.name}"
    return f"{', '.join(names)} against {run.base.name}" if names else f"{run.base.name} alone"


def _looked_at(run: Run) -> tuple[ModelRef, ...]:
    """The models that the page tells everything of: all candidates; of a sweep's points the winner and the smallest."""
    if run.sweep is None or run.sweep.winner is None:
        return run.candidates or (run.base,)
    left = {point.name for point in run.sweep.points} - {run.sweep.winner, run.sweep.smallest}
    return tuple(model for model in run.candidates if model.name not in left)


def _subject(run: Run, model: ModelRef, table: tuple[Line, ...], limit: int) -> Subject:
    alone = model.name == run.base.name
    verdicts = run.own_verdicts(model.name)
    once = {line.suite: line.transitions for line in reversed(table) if line.transitions}.values()
    flips = None if alone or not once else (sum(each.broken for each in once), sum(each.fixed for each in once))
    watched = [suite.name for suite in run.suites if suite.guards and not suite.keeps]
    kept = {suite.name for suite in run.suites if suite.keeps}
    places = dict.fromkeys(watched, "forgetting") | dict.fromkeys(kept, "regression")
    rest = [suite.name for suite in run.suites if suite.name not in watched]
    return Subject(
        model=model,
        alone=alone,
        banner=candidate_banner(run, model.name),
        tiles=tiles(verdicts, flips, places, _spent(run, model.name)),
        lines=table,
        matrices=() if alone else tuple(_matrices(table)),
        forest=_forest(table),
        galleries=galleries(run, model.name, limit),
        causes=causes(run, model.name),
        violations=violations(run, model.name),
        forgetting=guards(table, slices(run, model.name, watched), watched),
        regression=tuple(line for line in table if line.suite in kept),
        cases=regression_sets(run, model.name),
        slices=slices(run, model.name, rest),
        verdicts=verdicts,
    )


def _spent(run: Run, model: str) -> Tile | None:
    """Training and measuring of one model; a suite's time stands at each of its metrics, and counts once."""
    took = {result.suite: result.seconds for result in run.results if result.model == model}
    work = run.work.get(model)
    trained = work.number("seconds") if work and "seconds" in work.values else None
    return cost_tile(trained, sum(took.values()))


def _matrices(table: Iterable[Line]) -> Iterator[Line]:
    """Of each suite the first metric that a gate looks at, else the first that was measured on both models."""
    there = [line for line in table if line.transitions]
    for suite in dict.fromkeys(line.suite for line in there):
        own = [line for line in there if line.suite == suite]
        yield next((line for line in own if line.gates), own[0])


def _forest(table: Iterable[Line]) -> Figure:
    """Every difference that a gate bounded, beside what the gate does not allow."""
    seen = [(measure(each.suite, each.metric), each.bounds, each.floor, each.n) for each in table]
    rows = [(name, bounds, floor, n) for name, bounds, floor, n in seen if bounds and floor is not None]
    spans = [Span(name, bounds.value, bounds.low, bounds.high, floor) for name, bounds, floor, _ in rows]
    inside = sum(bounds.low >= floor for _, bounds, floor, _ in rows)
    twin = Twin(
        ("Suite and metric", "n", "Minus base, points", "Bounds", "Least allowed"),
        tuple(
            (name, count(n), points(bounds.value), interval(bounds.low, bounds.high), points(floor))
            for name, bounds, floor, n in rows
        ),
    )
    said = f"{inside} of {len(rows)} intervals stay clear of the shaded zone, which the gate does not allow."
    return figure(partial(changes, spans), said, twin)


def _lengths(outputs: Iterable[Health]) -> Figure:
    """How long answers are, so that a better score from shorter ones shows."""
    written = [each for each in outputs if each.longest]
    spans = [
        Span(f"{each.suite} · {each.model}", each.median_length, each.short_length, each.tail_length, judged=False)
        for each in written
    ]
    rows = tuple(
        (span.label, f"{span.low:g}", f"{span.value:g}", f"{span.high:g}", count(each.longest))
        for span, each in zip(spans, written, strict=True)
    )
    cut = sum(each.truncated for each in written)
    said = f"Lengths of the answers that were written; {count(cut)} of {count(sum(e.n for e in written))} were cut."
    columns = ("Suite and model", "5th percentile", "Median", "95th percentile", "Longest")
    return figure(partial(lengths, spans), said, Twin(columns, rows))


def _cost(usage: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Figures of the engine, when this run computed anything."""
    seconds, tokens, memory = (usage.get(key) for key in ("seconds", "new_tokens", "peak_memory_bytes"))
    if memory:
        yield "peak memory, MB", memory / 1e6
    if seconds and tokens:
        yield "generated tokens per second", tokens / seconds
