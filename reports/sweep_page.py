"""The pictures of a sweep and the sentences under them: made of its trials and curves, and of nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from markupsafe import Markup

from harness.types import Estimate, Outcome
from reports.charts.bars import bars
from reports.charts.canvas import Figure, Twin, figure
from reports.charts.curves import Course, multiples
from reports.charts.grid import Cell, Grid, grid
from reports.charts.parallel import Rail, Thread, parallel
from reports.charts.plane import Kind, Plane, Spot, plane
from reports.halving import Halved, halved
from reports.load import Run
from reports.numbers import interval, megabytes, points, seconds
from reports.spreadsheet import as_link, points_csv
from reports.sweep import Standing
from reports.texts import measure
from reports.training import Logged, ends, logged, rose
from reports.trials import Column, Trial, Trials

__all__ = ["SweepView", "setting_name", "setting_value", "view"]

_SIDES = 2
_PLACES = {Kind.FRONT: "on the front", Kind.TIED: "tied with it", Kind.BEATEN: "behind it"}


@dataclass(frozen=True, slots=True)
class SweepView:
    """A sweep as the page shows it.

    Attributes:
        pareto, rails, maps, memory: pictures; where there is nothing to draw, `missing` says why by the picture's name.
        curves: the loss of each point that left one, all on one scale.
        curves_said: what they show, or why there are none; `curves_twin` has their ends as a table.
        cost: what the gain took, in a sentence.
        sheet: the address of all points as CSV, within the page.
        halved: who was cut on the way; None without halving.
    """

    trials: Trials
    pareto: Figure | None
    rails: Figure | None
    maps: tuple[Figure, ...]
    curves: tuple[Markup, ...]
    curves_said: str
    curves_twin: Twin | None
    cost: str
    memory: Figure | None
    sheet: str
    missing: Mapping[str, str]
    halved: Halved | None


def view(run: Run, found: Trials) -> SweepView:
    """Draw a sweep."""
    courses = [(trial, curve) for trial in found.trials if (curve := logged(run.work.get(trial.point.name)))]
    pareto, rails, maps, memory = _pareto(found), _rails(run, found), _maps(found), _memory(run, found)
    cut = halved(run.sweep, found.trials) if run.sweep else None
    drawings = {"pareto": pareto, "rails": rails, "maps": maps, "memory": memory}
    return SweepView(
        trials=found,
        pareto=None if isinstance(pareto, str) else pareto,
        rails=None if isinstance(rails, str) else rails,
        maps=() if isinstance(maps, str) else maps,
        curves=multiples([_course(*each) for each in courses], shared=True),
        curves_said=_curves_said(courses, len(found.trials)) + (_ended(cut.cuts) if cut else ""),
        curves_twin=_curves_twin(courses) if courses else None,
        cost=_cost(found),
        memory=None if isinstance(memory, str) else memory,
        sheet=as_link(points_csv(found, cut.cuts if cut else {})),
        halved=cut,
        missing={name: said for name, said in drawings.items() if isinstance(said, str)},
    )


def setting_name(key: str) -> str:
    """The last part of a dotted key: `rank` of `lora.rank`."""
    return key.rpartition(".")[2]


def setting_value(value: float | str | None) -> str:
    """A setting or a result in words; a dash where there is none."""
    return "–" if value is None else value if isinstance(value, str) else f"{value:g}"


def _pareto(found: Trials) -> Figure | str:
    """Task gain against what must not be forgotten, or why it is not drawn."""
    if found.guard is None:
        return "No suite of this run only bounds drops, so there is nothing to weigh the gain against."
    placed = [each for each in found.trials if each.kind and each.kept and each.gain]
    if not placed:
        return "No point has both a gain and a loss with bounds."
    titles = (f"{measure(*found.guard)}, minus base, points", f"{measure(*found.task)}, minus base, points")
    spots = tuple(_spot(each) for each in placed)
    path = tuple((each.kept.value, each.gain.value) for each in found.front if each.kept and each.gain)
    drawn = Plane(spots, titles, found.floor, path, stepped=True)
    return figure(partial(plane, drawn), _pareto_said(found, placed), _pareto_twin(found, placed))


def _spot(trial: Trial) -> Spot:
    if trial.kept is None or trial.gain is None or trial.kind is None:
        raise ValueError("a spot needs both differences")
    return Spot(str(trial.number), trial.kept, trial.gain, trial.kind)


def _pareto_said(found: Trials, placed: Sequence[Trial]) -> str:
    outside = sum(each.kept is not None and each.kept.low < found.floor for each in placed)
    front = ", ".join(f"{each.number} ({each.point.name})" for each in found.front)
    tied = [str(each.number) for each in placed if each.kind is Kind.TIED]
    ties = f"; not shown to be worse: {', '.join(tied)}" if tied else ""
    return (
        f"No other point is better in both than {front}{ties}. {outside} of {len(placed)} may have lost more than the "
        f"{100 * abs(found.floor):.1f} points that are allowed."
    )


def _pareto_twin(found: Trials, placed: Sequence[Trial]) -> Twin:
    names = [measure(*column) for column in (found.guard or found.task, found.task)]
    columns = ("Point", *(title for name in names for title in (name, "bounds")), "Place")
    rows = [
        (f"{each.number} {each.point.name}", *_cells(each.kept), *_cells(each.gain), _PLACES[each.kind])
        for each in placed
        if each.kind
    ]
    return Twin(columns, tuple(rows))


def _cells(seen: Estimate | None) -> tuple[str, str]:
    return ("–", "–") if seen is None else (points(seen.value), interval(seen.low, seen.high))


def _rails(run: Run, found: Trials) -> Figure | str:
    """Every point's way from its settings to its results, or why it is not drawn."""
    if not found.varied or len(found.trials) < _SIDES:
        return "The points differ in no setting that is known."
    rails = [Rail(setting_name(key), tuple(each.settings.get(key) for each in found.trials)) for key in found.varied]
    rails += [rail for rail in _results(found) if any(value is not None for value in rail.values)]
    threads = [
        Thread(
            str(each.number),
            run.sweep is not None and each.point.name == run.sweep.winner,
            each.outcome is Outcome.PASS,
        )
        for each in found.trials
    ]
    rows = tuple(
        (f"{each.number} {each.point.name}", *(setting_value(rail.values[index]) for rail in rails))
        for index, each in enumerate(found.trials)
    )
    said = f"From the settings that differ to what they came to, for {len(found.trials)} points."
    if run.sweep is not None and run.sweep.winner is not None:
        said += f" The thick line is the winner, {run.sweep.winner}."
    return figure(partial(parallel, rails, threads), said, Twin(("Point", *(rail.title for rail in rails)), rows))


def _results(found: Trials) -> tuple[Rail, ...]:
    gains = tuple(round(100 * each.gain.value, 1) if each.gain else None for each in found.trials)
    kept = tuple(round(100 * each.kept.value, 1) if each.kept else None for each in found.trials)
    time = tuple(round(each.minutes, 2) if each.minutes is not None else None for each in found.trials)
    guard = measure(*found.guard) if found.guard else ""
    task = measure(*found.task)
    return (
        Rail(f"{task}, points", gains, result=True),
        Rail(f"{guard}, points", kept, result=True),
        Rail("minutes", time, result=True),
    )


def _maps(found: Trials) -> tuple[Figure, ...] | str:
    """Two settings against each other, or why there is no map."""
    sides = _sides(found.varied)
    if sides is None:
        return "A map needs two settings that differ, or rank and target modules among more."
    places = [tuple(each.settings.get(key) for key in sides) for each in found.trials]
    if any(value is None for place in places for value in place):
        return f"Not every point sets both {setting_name(sides[0])} and {setting_name(sides[1])}."
    if len({places.count(place) for place in places}) > 1:
        return "The cells of the map would hold unequal numbers of points, and their means could not be compared."
    return tuple(_map(found, sides, column) for column in (found.task, found.guard) if column)


def _sides(varied: Sequence[str]) -> tuple[str, str] | None:
    """Across and down: rank and target modules when both vary, else the two settings that do."""
    names = {setting_name(key): key for key in varied}
    if {"rank", "target_modules"} <= names.keys():
        return names["rank"], names["target_modules"]
    return (varied[0], varied[1]) if len(varied) == _SIDES else None


def _map(found: Trials, sides: tuple[str, str], column: Column) -> Figure:
    across, down = ([each.settings[key] for each in found.trials] for key in sides)
    columns, rows = (_ordered(values) for values in (across, down))
    held: dict[tuple[int, int], list[Estimate]] = {}
    for each, x, y in zip(found.trials, across, down, strict=True):
        if seen := each.gain if column == found.task else each.kept:
            held.setdefault((columns.index(x), rows.index(y)), []).append(seen)
    cells = tuple(
        Cell(x, y, fmean(each.value for each in seen), any(each.low > 0 or each.high < 0 for each in seen))
        for (x, y), seen in held.items()
    )
    names = tuple(map(setting_value, columns)), tuple(map(setting_value, rows))
    titles = setting_name(sides[0]), setting_name(sides[1])
    drawn = Grid(f"{measure(*column)}, minus base, points", titles, *names, cells)
    return figure(partial(grid, drawn), _map_said(drawn, column), _map_twin(drawn))


def _ordered(values: Sequence[float | str]) -> list[float | str]:
    there = list(dict.fromkeys(values))
    return there if any(isinstance(each, str) for each in there) else sorted(there)


def _map_said(drawn: Grid, column: Column) -> str:
    if not drawn.cells:
        return f"{measure(*column)} was measured at none of these places."
    across, down = drawn.sides
    best, least = (chosen(drawn.cells, key=lambda cell: cell.change) for chosen in (max, min))
    ends = [
        f"{points(cell.change)} at {across} {drawn.columns[cell.column]}, {down} {drawn.rows[cell.row]}"
        for cell in (best, least)
    ]
    empty = len(drawn.columns) * len(drawn.rows) - len(drawn.cells)
    unsure = sum(not cell.shown for cell in drawn.cells)
    return (
        f"{measure(*column)}: best {ends[0]}; least {ends[1]}. {unsure} of {len(drawn.cells)} are not shown to differ "
        f"from the base (ns); {empty} {'place was' if empty == 1 else 'places were'} not measured."
    )


def _map_twin(drawn: Grid) -> Twin:
    said = {(c.column, c.row): points(c.change) + ("" if c.shown else " ns") for c in drawn.cells}
    rows = tuple(
        (name, *(said.get((x, y), "not measured") for x in range(len(drawn.columns))))
        for y, name in enumerate(drawn.rows)
    )
    return Twin((f"{drawn.sides[1]} \\ {drawn.sides[0]}", *drawn.columns), rows)


def _course(trial: Trial, curve: tuple[Logged, ...]) -> Course:
    wrong = rose(curve)
    title = f"{trial.number} {trial.point.name}{', rose' if wrong else ''}"
    return Course(title, tuple((point.step, point.loss) for point in curve), loud=wrong)


def _curves_said(courses: Sequence[tuple[Trial, tuple[Logged, ...]]], total: int) -> str:
    if not courses:
        return "No point left a curve of its training."
    best, end = min(((trial, ends(curve)[1]) for trial, curve in courses), key=lambda each: each[1])
    wrong = [str(trial.number) for trial, curve in courses if rose(curve)]
    rising = f"The loss of {', '.join(wrong)} rose, drawn dashed." if wrong else "None rose."
    return (
        f"Training loss of {len(courses)} of {total} points over optimiser steps, on one scale. {best.number} "
        f"({best.point.name}) ends lowest, at {end:.3g} over its last tenth. {rising}"
    )


def _ended(cuts: Mapping[int, Standing]) -> str:
    return f" Those of {', '.join(map(str, cuts))} end where they were cut." if cuts else ""


def _curves_twin(courses: Sequence[tuple[Trial, tuple[Logged, ...]]]) -> Twin:
    rows = tuple(
        (f"{trial.number} {trial.point.name}", str(curve[-1].step), *(f"{end:.4g}" for end in ends(curve)))
        for trial, curve in courses
    )
    return Twin(("Point", "Steps", "Loss, first tenth", "Loss, last tenth"), rows)


def _cost(found: Trials) -> str:
    cheapest = found.cheapest
    if cheapest is None:
        return "No point passes its gates with a known training time, so none is the cheapest that does."
    size = cheapest.point.parameters
    weights = "" if size is None else f" and {size:,} trained parameters"
    said = (
        f"The cheapest that passes every gate of its own is {cheapest.number} ({cheapest.point.name}): "
        f"{seconds(60 * (cheapest.minutes or 0.0))} of training{weights}."
    )
    paid = [(each.worth, each) for each in found.trials if each.worth is not None]
    if not paid:
        return said
    worth, best = max(paid, key=lambda each: each[0])
    return f"{said} Most gain a minute: {best.number} ({best.point.name}), {points(worth)} points."


def _memory(run: Run, found: Trials) -> Figure | str:
    """Peak memory of each training as bars; where it is the same for all, as in one pack, a sentence says it better."""
    known = [(each, peak) for each in found.trials if (peak := each.point.figure("peak_memory_bytes")) is not None]
    if not known:
        return "No training told how much memory it held."
    packed = any(each.point.training.get("packed") for each, _ in known)
    pack = " A pack's memory is that of all its points together." if packed else ""
    (least, low), (most, high) = (chosen(known, key=lambda pair: pair[1]) for chosen in (min, max))
    if low == high:
        return f"Peak memory: {megabytes(int(high))}.{pack}"
    winner = run.sweep.winner if run.sweep else None
    rows = [(f"{each.number} {each.point.name}", peak / 1e9, each.point.name == winner) for each, peak in known]
    said = (
        f"Most memory: {most.number} ({most.point.name}), {megabytes(int(high))}; least: {least.number} "
        f"({least.point.name}), {megabytes(int(low))}.{pack}"
    )
    return figure(partial(bars, rows, "peak memory, GB"), said)
