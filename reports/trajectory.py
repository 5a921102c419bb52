"""What an adapter was along its training: each saved step beside the base, and the one that is recommended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.types import Estimate, Outcome
from reports.document import Document
from reports.numbers import interval, points
from reports.texts import measure

__all__ = ["Checkpoint", "Followed", "Mark", "Panel", "Trajectory", "follow", "read_trajectory"]

Column = tuple[str, str]
"""A suite, and one of its metrics."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One metric of one suite on one checkpoint.

    Attributes:
        value: mean, in [0, 1]; None when it was not measured whole.
        change: difference to the base with one-sided 95 % bounds, in [-1, 1]; None likewise.
        gates: what each gate on this metric says, by its text.
    """

    value: float | None
    change: Estimate | None
    gates: Mapping[str, Outcome]

    @property
    def falls(self) -> bool:
        """Whether a gate that bounds a drop has failed."""
        return any("-drop<=" in text and outcome is Outcome.FAIL for text, outcome in self.gates.items())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state of the training of adapter `of`; `name` equals `of` for what the training ended in.

    Attributes:
        gap: the task's metric on training rows minus that on test rows, with one-sided 95 % bounds, in [-1, 1]; None
            unless both were measured whole.
    """

    name: str
    of: str
    step: int
    epoch: float
    marks: Mapping[Column, Mark]
    gap: Estimate | None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """All checkpoints of a run by adapter and step.

    Attributes:
        task: what they are recommended by, if anything.
        trained: suite that asks the task of training rows; None when none did.
    """

    task: Column | None
    trained: str | None
    checkpoints: tuple[Checkpoint, ...]
    recommended: Mapping[str, str | None]

    @property
    def unjudged(self) -> frozenset[str]:
        """Models that are measured and no candidates."""
        return frozenset(each.name for each in self.checkpoints if each.name != each.of)


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric over the steps, to be drawn.

    Attributes:
        title: suite and metric.
        floor: the least difference to the base that its gates let pass, in [-1, 0); None without such a gate.
        path: step and difference, for each checkpoint that was measured.
        marked: step of the recommended checkpoint; None without one.
        stride: steps in an epoch.
    """

    title: str
    floor: float | None
    path: tuple[tuple[int, Estimate], ...]
    marked: int | None
    stride: float


@dataclass(frozen=True, slots=True)
class Followed:
    """The trajectory of one adapter, as the page shows it. `columns` are the metrics that a gate looks at."""

    adapter: str
    task: Column | None
    trained: Column | None
    columns: tuple[Column, ...]
    checkpoints: tuple[Checkpoint, ...]
    recommended: Checkpoint | None
    panels: tuple[Panel, ...]
    finding: str

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The metrics of a gate, then the task's on training rows."""
        return (*self.columns, self.trained) if self.trained else self.columns


def read_trajectory(document: Document, plan: Document) -> Trajectory | None:
    """`trajectory` of run.json; None in runs without it.

    Raises:
        BadRunDirectory: it is malformed, or not of the planned checkpoints.
    """
    if document.values.get("trajectory") is None:
        return None
    said = Document(f"{document.where}: trajectory", document.mapping("trajectory"))
    planned = Document(f"{plan.where}: trajectory", plan.mapping("trajectory"))
    checkpoints = tuple(_checkpoint(item) for item in said.list_of("checkpoints"))
    if [each.name for each in checkpoints] != [item.text("model") for item in planned.list_of("checkpoints")]:
        raise said.wrong("checkpoints", "the planned checkpoints")
    task = None if planned.absent("task") else Document(f"{planned.where}: task", planned.mapping("task"))
    best = Document(f"{said.where}: recommended", said.mapping("recommended"))
    adapters = dict.fromkeys(each.of for each in checkpoints)
    return Trajectory(
        task=(task.text("suite"), task.text("metric")) if task else None,
        trained=None if planned.absent("trained") else planned.text("trained"),
        checkpoints=checkpoints,
        recommended={name: None if best.absent(name) else best.text(name) for name in adapters},
    )


def follow(trajectory: Trajectory, floors: Mapping[Column, float]) -> tuple[Followed, ...]:
    """What there is to show of each adapter.

    Args:
        trajectory: of the run.
        floors: the least difference that the gates on a drop let pass, in [-1, 0), of each metric that has such a gate
            and is there to watch over what the base could do.
    """
    return tuple(_followed(trajectory, adapter, floors) for adapter in trajectory.recommended)


def _followed(trajectory: Trajectory, adapter: str, floors: Mapping[Column, float]) -> Followed:
    own = tuple(each for each in trajectory.checkpoints if each.of == adapter)
    columns = dict.fromkeys(column for each in own for column, mark in each.marks.items() if mark.gates)
    best = next((each for each in own if each.name == trajectory.recommended[adapter]), None)
    drawn = [trajectory.task] if trajectory.task else []
    panels = [_panel(own, column, floors, best) for column in (*drawn, *floors) if column in columns]
    return Followed(
        adapter=adapter,
        task=trajectory.task,
        trained=(trajectory.trained, trajectory.task[1]) if trajectory.trained and trajectory.task else None,
        columns=tuple(columns),
        checkpoints=own,
        recommended=best,
        panels=tuple(panel for panel in panels if panel.path),
        finding=_finding(own, trajectory.task, floors),
    )


def _panel(own: Sequence[Checkpoint], column: Column, floors: Mapping[Column, float], best: Checkpoint | None) -> Panel:
    return Panel(
        title=measure(*column),
        floor=floors.get(column),
        path=tuple((each.step, mark.change) for each in own if (mark := each.marks.get(column)) and mark.change),
        marked=best.step if best else None,
        stride=own[-1].step / own[-1].epoch,
    )


def _finding(own: Sequence[Checkpoint], task: Column | None, floors: Mapping[Column, float]) -> str:
    """What the picture shows, a sentence each on gain, memory and loss."""
    losses = (_loss(own, column, floor) for column, floor in floors.items())
    said = [*([_gain(own, task), _memory(own)] if task else []), *losses]
    return " ".join(filter(None, said)) or "No suite of this run asks for a gain or bounds a drop."


def _gain(own: Sequence[Checkpoint], task: Column) -> str:
    path = [(each, mark.change) for each in own if (mark := each.marks.get(task)) and mark.change]
    if not path:
        return ""
    (first, start), (last, end) = path[0], path[-1]
    return (
        f"{measure(*task)} is {points(start.value)} points over the base after epoch {first.epoch:g}, and "
        f"{points(end.value)} after epoch {last.epoch:g}."
    )


def _memory(own: Sequence[Checkpoint]) -> str:
    path = [(each, each.gap) for each in own if each.gap]
    if not path:
        return ""
    last, seen = path[-1]
    return (
        f"Its gap from test rows to rows that were trained on is {points(seen.value)} points after epoch "
        f"{last.epoch:g} ({interval(seen.low, seen.high)}){', more than chance makes' if seen.low > 0 else ''}."
    )


def _loss(own: Sequence[Checkpoint], column: Column, floor: float) -> str:
    path = [(each, mark, mark.change) for each in own if (mark := each.marks.get(column)) and mark.change]
    margin = f"its margin of {100 * abs(floor):.1f} points"
    failed = [each for each, mark, _ in path if mark.falls]
    if not failed:
        return f"{measure(*column)} is nowhere shown to fall by more than {margin}." if path else ""
    value, epoch = min((change.value, each.epoch) for each, _, change in path)
    return (
        f"{measure(*column)} is shown to fall by more than {margin} after epoch {failed[0].epoch:g}; at worst it is at "
        f"{points(value)}, after epoch {epoch:g}."
    )


def _checkpoint(item: Document) -> Checkpoint:
    return Checkpoint(
        name=item.text("model"),
        of=item.text("of"),
        step=item.integer("step"),
        epoch=item.number("epoch"),
        gap=None if item.absent("gap") else _gap(Document(f"{item.where}: gap", item.mapping("gap"))),
        marks={(line.text("suite"), line.text("metric")): _mark(line) for line in item.list_of("results")},
    )


def _gap(item: Document) -> Estimate:
    return Estimate(item.number("value"), item.number("low"), item.number("high"), 0, "one-sided 95 %")


def _mark(line: Document) -> Mark:
    gates = Document(f"{line.where}: gates", line.mapping("gates"))
    try:
        outcomes = {text: Outcome(gates.text(text)) for text in gates.values}
    except ValueError:
        raise line.wrong("gates", f"outcomes out of {', '.join(Outcome)}") from None
    change = None
    if not line.absent("delta"):
        change = Estimate(line.number("delta"), line.number("low"), line.number("high"), 0, "one-sided 95 %")
    return Mark(None if line.absent("value") else line.number("value"), change, outcomes)
