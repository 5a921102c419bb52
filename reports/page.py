"""Everything the page says, as one value: the template only lays it out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness.types import ModelRef, Outcome, Verdict
from reports.examples import Gallery, galleries
from reports.figures import forest, slopes, steps
from reports.headline import Banner, Tile, candidate_banner, run_banner, tiles
from reports.instrument import Check, checks
from reports.load import Run, aggregate
from reports.sections import Cause, Health, Line, SuiteSlices, causes, health, lines, slices
from reports.texts import flat
from reports.trajectory import Followed, follow

__all__ = ["Page", "Subject", "build"]

WIDE, NARROW = 1060, 340
"""Pixels: each chart is drawn for a desk and for a telephone, and the style sheet shows one of them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart at both widths, and the sentence that says what it shows; empty when there is nothing to draw."""

    wide: Markup
    narrow: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Sliced:
    """The slices of one suite, drawn."""

    table: SuiteSlices
    figure: Figure


@dataclass(frozen=True, slots=True)
class Drawn:
    """The trajectory of one adapter, drawn. `base` are the base's means, by suite and metric."""

    followed: Followed
    figure: Figure
    base: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Subject:
    """What there is to say of one model: a candidate beside the base, or the base alone."""

    model: ModelRef
    alone: bool
    banner: Banner
    tiles: tuple[Tile, ...]
    lines: tuple[Line, ...]
    forest: Figure
    galleries: tuple[Gallery, ...]
    causes: tuple[Cause, ...]
    forgetting: tuple[Sliced, ...]
    regression: tuple[Line, ...]
    slices: tuple[SuiteSlices, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page.

    Attributes:
        subjects: one for each candidate, or one for the base alone.
        cost: name and figure of what the engine used.
        training: for each model that pins it, the configuration it was trained with, as name and text.
        environment: name and text.
        place: where the run lies, without the folders above, which may name a user.
        outcomes: what each candidate's own gates make of it, by name.
        trajectories: one for each adapter whose checkpoints were measured.
        checks: what is known of the instrument, one for each suite and judged model.
    """

    title: str
    run: Run
    banner: Banner
    subjects: tuple[Subject, ...]
    health: tuple[Health, ...]
    cost: tuple[tuple[str, float], ...]
    training: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    environment: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    place: str
    outcomes: Mapping[str, Outcome]
    trajectories: tuple[Drawn, ...]
    checks: tuple[Check, ...]


def build(run: Run, limit: int) -> Page:
    """Work out the page of a run; `limit` >= 0 bounds the examples shown in each list."""
    names = [model.name for model in run.candidates]
    title = f"{', '.join(names)} against {run.base.name}" if names else f"{run.base.name} alone"
    return Page(
        title=title,
        run=run,
        banner=run_banner(run),
        subjects=tuple(_subject(run, model, limit) for model in run.candidates or (run.base,)),
        health=health(run),
        cost=tuple(_cost(run.environment.get("usage", {}))),
        training=tuple(
            (m.name, tuple(flat(m.train_config))) for m in run.models if m.train_config and m.name not in run.unjudged
        ),
        environment=tuple(flat(run.environment)),
        warnings=tuple(dict.fromkeys(_warnings(run))),
        place="/".join(run.folder.resolve().parts[-2:]),
        outcomes={model.name: aggregate(run.own_verdicts(model.name)) for model in run.candidates},
        trajectories=tuple(_drawn(run)),
        checks=checks(run),
    )


def _drawn(run: Run) -> Iterator[Drawn]:
    if run.trajectory is None:
        return
    guards = {suite.name for suite in run.suites if suite.guards}
    floors: dict[tuple[str, str], float] = {}
    for suite in run.plan["suites"]:
        for gate in suite["gates"] if suite["name"] in guards else ():
            column = (suite["name"], gate["metric"])
            floors[column] = max(floors.get(column, -1.0), -gate["max_drop"])
    means = {(each.suite, each.metric): each.estimate for each in run.results if each.model == run.base.name}
    base = {column: mean.value for column, mean in means.items() if mean}
    for followed in follow(run.trajectory, floors):
        wide, narrow = steps(followed.panels, WIDE), steps(followed.panels, NARROW)
        yield Drawn(followed, Figure(wide, narrow, followed.finding), base)


def _subject(run: Run, model: ModelRef, limit: int) -> Subject:
    alone = model.name == run.base.name
    table = lines(run, model.name)
    verdicts = run.own_verdicts(model.name)
    once = {line.suite: line.transitions for line in reversed(table) if line.transitions}.values()
    flips = None if alone or not once else (sum(each.broken for each in once), sum(each.fixed for each in once))
    guards = [suite.name for suite in run.suites if suite.guards and not suite.keeps]
    kept = {suite.name for suite in run.suites if suite.keeps}
    tasks = [suite.name for suite in run.suites if suite.name not in {*guards, *kept}]
    return Subject(
        model=model,
        alone=alone,
        banner=candidate_banner(run, model.name),
        tiles=tiles(verdicts, flips),
        lines=table,
        forest=Figure(forest(table, WIDE), forest(table, NARROW), _forest_caption(table)),
        galleries=galleries(run, model.name, limit),
        causes=causes(run, model.name),
        forgetting=tuple(_sliced(each) for each in slices(run, model.name, guards)),
        regression=tuple(line for line in table if line.suite in kept),
        slices=slices(run, model.name, [*tasks, *kept]),
        verdicts=verdicts,
    )


def _sliced(table: SuiteSlices) -> Sliced:
    lost = sum(each.delta is not None and each.delta < 0 for each in table.slices)
    caption = f"{lost} of {len(table.slices)} slices of {table.suite} have fewer right answers than with the base."
    return Sliced(table, Figure(slopes(table.slices, WIDE), slopes(table.slices, NARROW), caption))


def _forest_caption(table: Iterable[Line]) -> str:
    drawn = [line for line in table if line.bounds is not None and line.floor is not None]
    inside = sum(line.bounds.low >= line.floor for line in drawn if line.bounds and line.floor is not None)
    return f"{inside} of {len(drawn)} intervals stay clear of the shaded zone, which the gate does not allow."


def _cost(usage: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Figures of the engine, when this run computed anything."""
    seconds, tokens, memory = (usage.get(key) for key in ("seconds", "new_tokens", "peak_memory_bytes"))
    if memory:
        yield "peak memory, MB", memory / 1e6
    if seconds and tokens:
        yield "generated tokens per second", tokens / seconds


def _warnings(run: Run) -> Iterator[str]:
    if run.partial:
        yield "This run is partial: " + "; ".join(map(str, run.plan.get("partial_reasons", []))) + "."
    for result in run.results:
        place = f"{result.suite} on {result.model}"
        yield from (f"{place}: {note}" for note in result.notes)
        if result.unscored:
            yield f"{place}: {result.unscored} of {result.n} rows have no {result.metric} score."
    for model in run.models:
        if not model.fingerprint:
            yield f"{model.name} could not be identified, so nothing ties these numbers to its weights."
        if model.dtype != "unknown" and (own := _arithmetic(model)) != (other := _arithmetic(run.base)):
            yield f"{model.name} ran in {own}; the base in {other}."
    for each in run.verdicts:
        if each.advisory and each.outcome is not Outcome.PASS:
            why = f" ({each.reason})" if each.outcome in (Outcome.NOT_RUN, Outcome.INVALID) else ""
            ended = f"{each.outcome}{why}; it does not decide"
            yield f"Advisory gate {each.gate} of {each.suite} on {each.model} ended {ended}."


def _arithmetic(model: ModelRef) -> str:
    return f"{model.dtype}, quantization {model.quantization}"
