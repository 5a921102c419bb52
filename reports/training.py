"""What training a model took, and how it went: its curves, its cost, its configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from harness.types import ModelRef
from reports.charts.canvas import Twin
from reports.charts.curves import Course, multiples
from reports.document import Document
from reports.load import Run
from reports.numbers import count, megabytes, seconds
from reports.texts import flat

__all__ = ["Logged", "Training", "ends", "logged", "rose", "trainings"]

_TENTH = 10
_SHOWN = 8
_CLEARLY = 1.05
"""By how much a loss must exceed its lowest value to have risen; less is chance."""
"""Rows of the table beside the curves."""


class Logged(NamedTuple):
    """One optimiser step: mean loss of the tokens that are learned, norm of the gradient before clipping, rate."""

    step: int
    loss: float
    grad_norm: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Training:
    """The training of one model.

    Attributes:
        work: what the trainer wrote of its work, as name and text; empty when it is not known.
        config: what the model pins of its configuration, as name and text; empty when it pins none.
        pictures: loss, learning rate and gradient norm; empty without a curve.
        caption: what they show.
        twin: some steps of the curve as a table; None without one.
    """

    model: str
    work: tuple[tuple[str, str], ...]
    config: tuple[tuple[str, str], ...]
    pictures: tuple[Markup, ...]
    caption: str
    twin: Twin | None


def trainings(run: Run) -> tuple[Training, ...]:
    """Those of the judged models of which anything is known, in the order of the run."""
    own = (model for model in run.models if model.name not in run.unjudged)
    return tuple(_training(run, model) for model in own if model.train_config or model.name in run.work)


def logged(work: Document | None) -> tuple[Logged, ...]:
    """The curve that a trainer wrote; empty when none is known. Steps of which only the number is known are left out.

    Raises:
        BadRunDirectory: a point with a loss lacks another number.
    """
    points = work.list_of("curve") if work is not None and "curve" in work.values else ()
    return tuple(
        Logged(point.integer("step"), *(point.number(name) for name in Logged._fields[1:]))
        for point in points
        if "loss" in point.values
    )


def rose(curve: tuple[Logged, ...]) -> bool:
    """Whether the last tenth of a training has a higher mean loss than the first."""
    if len(curve) < _TENTH:
        return False
    first, last = ends(curve)
    return last > first


def ends(curve: tuple[Logged, ...]) -> tuple[float, float]:
    """Mean loss over the first and over the last tenth of a curve of at least one step."""
    size = max(1, len(curve) // _TENTH)
    first, last = (sum(point.loss for point in part) / size for part in (curve[:size], curve[-size:]))
    return first, last


def _training(run: Run, model: ModelRef) -> Training:
    work = run.work.get(model.name)
    curve, aside = logged(work), _aside(work)
    paths = [
        Course(title, tuple((point.step, getattr(point, name)) for point in curve), loud=name == "loss" and rose(curve))
        for title, name in (("loss", "loss"), ("learning rate", "learning_rate"), ("gradient norm", "grad_norm"))
    ]
    paths.insert(1, Course("loss of rows set aside", aside, loud=_overtook(aside)))
    return Training(
        model=model.name,
        work=tuple(_work(work)) if work else (),
        config=tuple(flat(model.train_config)) if model.train_config else (),
        pictures=multiples(paths, shared=False) if curve else (),
        caption=_caption(curve) + _aside_said(work, aside),
        twin=_twin(curve) if curve else None,
    )


def _aside(work: Document | None) -> tuple[tuple[int, float], ...]:
    """Step and loss of the rows that were set aside; empty where none were."""
    if work is None or work.values.get("held_out") is None:
        return ()
    held = Document(f"{work.where}: held_out", work.mapping("held_out"))
    return tuple((point.integer("step"), point.number("loss")) for point in held.list_of("losses"))


def _overtook(aside: Sequence[tuple[int, float]]) -> bool:
    """Whether the last loss lies clearly above the lowest: what is learned by then is the rows and not the task."""
    return bool(aside) and aside[-1][1] > _CLEARLY * min(loss for _, loss in aside)


def _aside_said(work: Document | None, aside: Sequence[tuple[int, float]]) -> str:
    if work is None or not aside:
        return ""
    step, least = min(aside, key=lambda point: point[1])
    rows = count(Document(f"{work.where}: held_out", work.mapping("held_out")).integer("rows"))
    rise = " It rose again: later steps learn the rows by heart." if _overtook(aside) else ""
    return (
        f" Of {rows} rows that were set aside the loss went from {aside[0][1]:.3g} to {aside[-1][1]:.3g} nats a token, "
        f"the lowest {least:.3g} after step {count(step)}.{rise}"
    )


def _caption(curve: tuple[Logged, ...]) -> str:
    if not curve:
        return "The trainer left no curve."
    first, last = ends(curve)
    steepest = max(curve, key=lambda point: point.grad_norm)
    way = " It rose: the training went wrong." if rose(curve) else ""
    return (
        f"The loss went from {first:.3g} over the first tenth of {count(len(curve))} steps to {last:.3g} over the "
        f"last.{way} The largest gradient norm is {steepest.grad_norm:.3g}, at step {count(steepest.step)}."
    )


def _twin(curve: tuple[Logged, ...]) -> Twin:
    gap = max(1, -(-(len(curve) - 1) // (_SHOWN - 1)))
    some = [*curve[:-1:gap], curve[-1]]
    rows = tuple((count(p.step), f"{p.loss:.4g}", f"{p.learning_rate:.3g}", f"{p.grad_norm:.3g}") for p in some)
    return Twin(("Step", "Loss", "Learning rate", "Gradient norm"), rows)


def _work(work: Document) -> Iterator[tuple[str, str]]:
    """Name and text of what training took, of the numbers that are there."""
    wholes = {"trainable_parameters": "trained parameters", "rows": "rows", "replayed": "of them general rows"}
    wholes |= {"tokens": "tokens of an epoch", "learned_tokens": "of them learned", "steps": "steps"}
    wholes |= {"kept_step": "step that was kept"}
    for key, name in wholes.items():
        if key in work.values:
            yield name, count(work.integer(key))
    if "seconds" in work.values:
        yield "time, without evaluation", seconds(work.number("seconds"))
    if "tokens_per_second" in work.values:
        yield "tokens a second", count(round(work.number("tokens_per_second")))
    for key, name in {"peak_memory_bytes": "peak memory", "adapter_bytes": "size of the adapter"}.items():
        if key in work.values:
            yield name, megabytes(work.integer(key))
    yield from _audit(work)


def _audit(work: Document) -> Iterator[tuple[str, str]]:
    """What the audit before the training found, so that an overlap with the suites cannot go unseen."""
    if not isinstance(work.values.get("audit"), dict):
        return
    audit = Document(f"{work.where}: audit", work.mapping("audit"))
    against = f"compared with {', '.join(audit.texts('suites')) or 'no suite'}"
    found = [f"{name} {n}" for name, n in flat(audit.mapping("counts"))]
    yield "audit of its rows", f"{', '.join(found) or 'nothing found'}; {against}"
