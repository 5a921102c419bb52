"""What a sweep and prompting came to: the points beside each other, and each candidate beside the best prompt."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from harness.types import Estimate, Verdict
from reports.document import Document

__all__ = ["Beyond", "Point", "Sweep", "own_verdicts", "read_beyond", "read_sweep"]


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration.

    Attributes:
        name: of its model.
        select: mean on the half of the rows that ranked, in [0, 1]; None when it was not measured whole.
        behind: difference to the winner on the other half with one-sided 95 % bounds; None likewise.
        parameters: trained ones; None when unknown.
        share: its gain as a share of full fine-tuning's, with one-sided 95 % bounds; None where there is none to give.
        scale: what the adapter's product is multiplied by; None without an adapter, or when it pins no configuration.
        training: what the trainer wrote: seconds, tokens_per_second, peak_memory_bytes, adapter_bytes; empty untrained.
    """

    name: str
    select: float | None
    behind: Estimate | None
    share: Estimate | None
    parameters: int | None
    scale: float | None
    training: Mapping[str, Any]

    def figure(self, key: str) -> float | None:
        """A number of `training`, or None."""
        value = self.training.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def way(self) -> str:
        """How it was trained, in words; empty where nobody said."""
        if "packed" not in self.training:
            return ""
        match self.training["packed"]:
            case {"k": 1}:
                return "a pack of one"
            case {"k": count}:
                return f"one of {count} in a pack"
        return "by itself"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a point stood at a rung; `step` is None when it was not trained so far, `select` when it was not measured."""

    model: str
    step: int | None
    steps: int | None
    select: float | None
    stays: bool

    @property
    def cut(self) -> bool:
        """Whether its score ended it here."""
        return self.select is not None and not self.stays


@dataclass(frozen=True, slots=True)
class Rung:
    """Where points were cut: after a part of their steps, with so many meant to go on."""

    part: Fraction
    stay: int
    points: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """The points in order, which suite's metric ranked them, who won, what shares are of; see docs/run_schema.md.

    `rungs` are those of halving, empty without it; `uncut` says why points could not be cut, by name.
    """

    suite: str
    metric: str
    winner: str | None
    tied: tuple[str, ...]
    smallest: str | None
    full: str | None
    select_rows: int
    confirm_rows: int
    trained: int
    points: tuple[Point, ...]
    notes: tuple[str, ...]
    rungs: tuple[Rung, ...] = ()
    uncut: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beyond:
    """A candidate minus the best of the base's prompts, with one-sided 95 % bounds, in [-1, 1].

    `share` is how much of the candidate's gain over the bare base that prompt has; None when the gain is not shown.
    """

    suite: str
    metric: str
    model: str
    over: str
    value: float
    low: float
    high: float
    share: Estimate | None


def read_sweep(document: Document, plan: Document) -> Sweep | None:
    """`sweep` of run.json, or None.

    Raises:
        BadRunDirectory: it is malformed, or not of the planned points.
    """
    if document.values.get("sweep") is None:
        return None
    said = Document(f"{document.where}: sweep", document.mapping("sweep"))
    planned = Document(f"{plan.where}: sweep", plan.mapping("sweep"))
    ranked = Document(f"{planned.where}: rank_by", planned.mapping("rank_by"))
    sizes = {point.text("model"): point for point in planned.list_of("points")}
    models = {model.text("name"): model for model in document.list_of("models")}
    points = said.list_of("points")
    halving = None if said.absent("halving") else Document(f"{said.where}: halving", said.mapping("halving"))
    if [point.text("model") for point in points] != list(sizes) or not sizes.keys() <= models.keys():
        raise said.wrong("points", "the planned points")
    return Sweep(
        suite=ranked.text("suite"),
        metric=ranked.text("metric"),
        winner=None if said.absent("winner") else said.text("winner"),
        tied=said.texts("tied"),
        smallest=None if said.absent("smallest") else said.text("smallest"),
        full=None if said.absent("full") else said.text("full"),
        select_rows=said.integer("select_rows"),
        confirm_rows=said.integer("confirm_rows"),
        trained=document.integer("trained"),
        points=tuple(_point(point, sizes[point.text("model")], models[point.text("model")]) for point in points),
        notes=said.texts("notes"),
        rungs=() if halving is None else tuple(_rung(rung, sizes) for rung in halving.list_of("rungs")),
        uncut={} if halving is None else {name: str(why) for name, why in halving.mapping("uncut").items()},
    )


def _rung(rung: Document, known: Collection[str]) -> Rung:
    points = rung.list_of("points")
    if any(point.text("model") not in known for point in points):
        raise rung.wrong("points", "planned points")
    try:
        part = Fraction(rung.text("part"))
    except (ValueError, ZeroDivisionError):
        raise rung.wrong("part", "a fraction") from None
    return Rung(part, rung.integer("stay"), tuple(map(_standing, points)))


def _standing(point: Document) -> Standing:
    step, steps = (None if point.absent(key) else point.integer(key) for key in ("step", "steps"))
    select = None if point.absent("select") else point.number("select")
    return Standing(point.text("model"), step, steps, select, point.flag("stays"))


def read_beyond(document: Document) -> tuple[Beyond, ...]:
    """`prompting` of run.json; empty in runs without it."""
    if "prompting" not in document.values:
        return ()
    return tuple(_beyond(item) for item in document.list_of("prompting"))


def own_verdicts(
    verdicts: tuple[Verdict, ...], plan: Mapping[str, Any], informing: Collection[str] = ()
) -> tuple[Verdict, ...]:
    """Verdicts of a point that did not win as its gates made them: advisory where the suite or its judge says so.

    Args:
        verdicts: of the point.
        plan: of the run.
        informing: suites whose judge was not asked for, or may not decide about this point.
    """
    advisory = {(suite["name"], gate["text"]): gate["advisory"] for suite in plan["suites"] for gate in suite["gates"]}
    return tuple(
        replace(each, advisory=each.suite in informing or advisory.get((each.suite, each.gate), False))
        for each in verdicts
    )


def _beyond(item: Document) -> Beyond:
    return Beyond(
        suite=item.text("suite"),
        metric=item.text("metric"),
        model=item.text("model"),
        over=item.text("over"),
        value=item.number("value"),
        low=item.number("low"),
        high=item.number("high"),
        share=_share(item),
    )


def _behind(point: Document) -> Estimate | None:
    if point.absent("behind"):
        return None
    return Estimate(point.number("behind"), point.number("low"), point.number("high"), 0, "one-sided 95 %")


def _share(point: Document) -> Estimate | None:
    if point.absent("share"):
        return None
    return Estimate(point.number("share"), point.number("share_low"), point.number("share_high"), 0, "one-sided 95 %")


def _point(point: Document, planned: Document, model: Document) -> Point:
    config = {} if model.absent("train_config") else model.mapping("train_config")
    lora = config.get("lora")
    scale = lora.get("scale") if isinstance(lora, dict) and config.get("method") != "full" else None
    return Point(
        name=point.text("model"),
        select=None if point.absent("select") else point.number("select"),
        behind=_behind(point),
        share=_share(point),
        parameters=None if planned.absent("parameters") else planned.integer("parameters"),
        scale=scale if isinstance(scale, int | float) else None,
        training={} if model.absent("training") else model.mapping("training"),
    )
