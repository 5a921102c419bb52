"""Halving as the page tells it: who was cut on the way, at which step, by which score, and what that saved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from reports.charts.canvas import Figure, Twin, figure
from reports.charts.rungs import Climb, rungs
from reports.numbers import percent
from reports.sweep import Standing, Sweep
from reports.trials import Trial

__all__ = ["Halved", "halved"]


@dataclass(frozen=True, slots=True)
class Halved:
    """What became of the points on the way.

    Attributes:
        picture: their scores over the steps, with the same as a table.
        cuts: by number of the point, where it was cut.
        said: what was done, in sentences.
        saved: how many steps that was of those of all points, in a sentence.
    """

    picture: Figure
    cuts: Mapping[int, Standing]
    said: str
    saved: str


def halved(sweep: Sweep, trials: Sequence[Trial]) -> Halved | None:
    """What there is to show; None where no point was measured on the way."""
    if not sweep.rungs:
        return None
    numbers = {trial.point.name: trial for trial in trials}
    stood = {name: [each for rung in sweep.rungs for each in rung.points if each.model == name] for name in numbers}
    cuts = {numbers[name].number: own[-1] for name, own in stood.items() if own and own[-1].cut}
    drawn = [_climb(sweep, trial, cut=trial.number in cuts) for trial in trials]
    climbs = [climb for climb in drawn if climb]
    if not climbs:
        return None
    picture = figure(partial(rungs, climbs), _caption(sweep, cuts), _twin(sweep, trials))
    return Halved(picture, cuts, " ".join(_said(sweep, numbers)), _saved(sweep, trials))


def _climb(sweep: Sweep, trial: Trial, *, cut: bool) -> Climb | None:
    path = [
        (100 * float(rung.part), 100 * each.select)
        for rung in sweep.rungs
        for each in rung.points
        if each.model == trial.point.name and each.select is not None
    ]
    if trial.point.select is not None:
        path.append((100.0, 100 * trial.point.select))
    return Climb(str(trial.number), tuple(path), cut) if path else None


def _caption(sweep: Sweep, cuts: Mapping[int, Standing]) -> str:
    measured = len({each.model for rung in sweep.rungs for each in rung.points if each.select is not None})
    what = f"{sweep.metric} of {sweep.suite} on the select half"
    return f"Mean of {what}, on the way to the end: {len(cuts)} of {measured} points were cut."


def _twin(sweep: Sweep, trials: Sequence[Trial]) -> Twin:
    columns = ("Point", *(f"at {rung.part} of the steps" for rung in sweep.rungs), "at the end")
    rows = []
    for trial in trials:
        cells = [next((each for each in rung.points if each.model == trial.point.name), None) for rung in sweep.rungs]
        end = trial.point.select
        name = f"{trial.number} {trial.point.name}"
        rows.append((name, *map(_cell, cells), "–" if end is None else percent(end)))
    return Twin(columns, tuple(rows))


def _cell(stood: Standing | None) -> str:
    if stood is None:
        return "–"
    if stood.select is None:
        return "not measured"
    return percent(stood.select) + (f", cut at step {stood.step} of {stood.steps}" if stood.cut else "")


def _said(sweep: Sweep, numbers: Mapping[str, Trial]) -> Iterator[str]:
    for rung in sweep.rungs:
        cut = ", ".join(f"{numbers[each.model].number} ({each.model})" for each in rung.points if each.cut)
        staying = sum(each.stays for each in rung.points)
        tie = f", {staying - rung.stay} more than planned by a tie" if staying > rung.stay else ""
        yield f"At {rung.part} of the steps {staying} of {len(rung.points)} went on{tie}; cut: {cut or 'none'}."
    if sweep.uncut:
        yield f"Trained to the end whatever they scored: {', '.join(f'{n} ({why})' for n, why in sweep.uncut.items())}."


def _saved(sweep: Sweep, trials: Sequence[Trial]) -> str:
    """In parts of a whole training, so that it holds for points of other lengths too."""
    spent, after = Fraction(0), Fraction(0)
    for rung in sweep.rungs:
        spent += len(rung.points) * (rung.part - after)
        after = rung.part
    going = sum(each.stays for each in sweep.rungs[-1].points)
    spent += going * (1 - after) + len(sweep.uncut)
    return (
        f"Halving took the steps of {float(spent):.1f} whole trainings in place of {len(trials)}. What a point would "
        "have become without its cut is not known: rates are still high on the way, and a slow starter can be cut."
    )
