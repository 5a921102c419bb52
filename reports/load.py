"""A finished run directory as one frozen value; what is missing, malformed or altered is refused by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from harness.errors import BadRunDirectory
from harness.types import SCHEMA_VERSION, Estimate, FinishReason, ModelRef, Outcome, Row, Score, Verdict
from reports.document import Document, parse, read_bytes
from reports.judge import Judged, read_judged, unasked
from reports.sweep import Beyond, Sweep, own_verdicts, read_beyond, read_sweep
from reports.trajectory import Trajectory, read_trajectory

__all__ = ["Key", "PlannedSuite", "Result", "Run", "aggregate", "load", "mean_of", "verdict"]


Kind = TypeVar("Kind", bound=StrEnum)


class Key(NamedTuple):
    """Names one measurement of a run."""

    suite: str
    model: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one metric came to in one measurement.

    Attributes:
        estimate: mean over all planned rows, in [0, 1]; None when a row is unscored.
        n: rows that were read, all planned ones but for gates that decide early.
        unscored: rows without a score.
        seconds: spent measuring; 0.0 when every answer came from the store.
        fresh: answers computed by this run; the others came from the store.
        attempts: runs that computed answers of this model on this suite.
        tried: models that were ever measured on these rows in this store.
        unread: planned rows that were not read, because every gate had decided before; not among `n`.
        notes: what a reader must know.
    """

    suite: str
    model: str
    metric: str
    estimate: Estimate | None
    n: int
    unscored: int
    seconds: float
    fresh: int
    attempts: int
    tried: int
    unread: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlannedSuite:
    """What the plan says of a suite.

    Attributes:
        name: the suite's name.
        version: the author's.
        layers: hash of each layer that must be equal before two results may be compared.
        guards: whether all its gates bound a drop and no judge grades it, so that it watches over what the base could
            do before. What a judge thinks of answers stands with the judge.
        keeps: whether it keeps only those examples that the base passes: a regression set.
        drawn: how answers are drawn, in words.
    """

    name: str
    version: int
    layers: Mapping[str, str]
    guards: bool
    keeps: bool
    drawn: str


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that a page may show.

    `models[0]` is the base; `rows` keeps each suite's order; `aa` is by suite; `work` is, by model, what its trainer
    wrote of the training, for those of which it is known; `nodes` are pytest's ids, one for each of `verdicts`.
    `paired` holds what `reports.pairs` worked out, by suite, model and metric: every section asks for it, and 100,000
    pairs take most of a second. `exit_code` is what the process that wrote the run ended with.
    """

    folder: Path
    outcome: Outcome
    exit_code: int
    partial: bool
    models: tuple[ModelRef, ...]
    results: tuple[Result, ...]
    rows: Mapping[Key, tuple[Row, ...]]
    verdicts: tuple[Verdict, ...]
    suites: tuple[PlannedSuite, ...]
    plan: Mapping[str, Any]
    environment: Mapping[str, Any]
    receipt: Mapping[str, Any]
    sweep: Sweep | None = None
    beyond: tuple[Beyond, ...] = ()
    trajectory: Trajectory | None = None
    judged: tuple[Judged, ...] = ()
    aa: Mapping[str, Any] = field(default_factory=dict)
    work: Mapping[str, Document] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    paired: dict[tuple[str, str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def unasked(self) -> tuple[str, ...]:
        """Judged suites for which nobody asked for a judge."""
        return unasked(self.plan)

    @property
    def base(self) -> ModelRef:
        """The model that the others are compared with."""
        return self.models[0]

    @property
    def candidates(self) -> tuple[ModelRef, ...]:
        """The models to decide about; empty when only the base was measured."""
        return tuple(each for each in self.models[1:] if not each.prompting and each.name not in self.unjudged)

    @property
    def foremost(self) -> ModelRef:
        """The model that a reader came for: the winner of a sweep, else the first candidate, else the base."""
        winner = self.sweep.winner if self.sweep else None
        return next((each for each in self.candidates if each.name == winner), (*self.candidates, self.base)[0])

    @property
    def unjudged(self) -> frozenset[str]:
        """Names of the checkpoints that stand beside an adapter."""
        return self.trajectory.unjudged if self.trajectory else frozenset()

    def own_verdicts(self, model: str) -> tuple[Verdict, ...]:
        """What the gates say of one model, also where another point of its sweep won and decides."""
        verdicts = tuple(each for each in self.verdicts if each.model == model)
        beaten = self.sweep and self.sweep.winner != model and model in {point.name for point in self.sweep.points}
        if not beaten:
            return verdicts
        unfit = (each.suite for each in self.judged if each.model == model and each.objections)
        return own_verdicts(verdicts, self.plan, {*self.unasked, *unfit})


def load(folder: Path) -> Run:
    """Read a run directory.

    Raises:
        BadRunDirectory: unfinished, malformed, records that differ from the receipt, or an outcome that its own
            verdicts contradict.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise BadRunDirectory(f"{folder}: has no run.json, so no finished run; run again with the same --run-dir")
    document = parse(read_bytes(path), str(path))
    if document.integer("schema_version") != SCHEMA_VERSION:
        own = document.integer("schema_version")
        raise BadRunDirectory(
            f"{path}: was written with schema {own}, this version reads {SCHEMA_VERSION}; repeat the run's command"
        )
    models = tuple(_model(item) for item in document.list_of("models"))
    if not models:
        raise document.wrong("models", "a list that starts with the base")
    plan = Document(f"{path}: plan", document.mapping("plan"))
    run = Run(
        folder=folder,
        outcome=_member(document, "outcome", Outcome),
        exit_code=document.integer("exit_code"),
        partial=document.flag("partial"),
        models=models,
        results=tuple(_result(item) for item in document.list_of("results")),
        rows=_records(folder, document),
        verdicts=tuple(verdict(item) for item in document.list_of("verdicts")),
        suites=tuple(_suite(item) for item in plan.list_of("suites")),
        plan=plan.values,
        environment=document.mapping("environment"),
        receipt=document.mapping("receipt"),
        sweep=read_sweep(document, plan),
        beyond=read_beyond(document),
        trajectory=read_trajectory(document, plan),
        judged=read_judged(document),
        aa=document.mapping("aa") if "aa" in document.values else {},
        work={
            item.text("name"): Document(f"{item.where}: training", item.mapping("training"))
            for item in document.list_of("models")
            if item.values.get("training") is not None
        },
        nodes=tuple(item.text("node") for item in document.list_of("verdicts")),
    )
    if run.outcome is Outcome.PASS and aggregate(run.verdicts) is not Outcome.PASS:
        raise BadRunDirectory(f"{path}: says PASS, but its verdicts do not; run `tunegate verify {folder}`")
    return run


def aggregate(verdicts: tuple[Verdict, ...]) -> Outcome:
    """One outcome for many verdicts, advisory ones left out: only all green is green, and none at all is INVALID.

    CUT is that of a point which was cut before any of its gates could be asked.
    """
    outcomes = {each.outcome for each in verdicts if not each.advisory}
    if outcomes == {Outcome.CUT}:
        return Outcome.CUT
    if not outcomes or outcomes & {Outcome.INVALID, Outcome.NOT_RUN, Outcome.CUT}:
        return Outcome.INVALID
    return next(o for o in (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS) if o in outcomes)


def mean_of(run: Run, model: str, measured: tuple[str, str]) -> Result | None:
    """What a metric of a suite, as (suite, metric), came to on a model; None when it was not measured."""
    wanted = (model, *measured)
    return next((each for each in run.results if (each.model, each.suite, each.metric) == wanted), None)


def verdict(item: Document) -> Verdict:
    """One entry of `verdicts` in run.json."""
    return Verdict(
        outcome=_member(item, "outcome", Outcome),
        suite=item.text("suite"),
        gate=item.text("gate"),
        model=item.text("model"),
        metric=item.text("metric"),
        observed=None if item.absent("observed") else _estimate(item, "observed", item.text("method")),
        required=item.number("required"),
        n=item.integer("n"),
        gained=None if item.absent("gained") else item.integer("gained"),
        lost=None if item.absent("lost") else item.integer("lost"),
        detectable=None if item.absent("detectable") else item.number("detectable"),
        needed=None if item.absent("needed") else item.integer("needed"),
        reason=item.text("reason"),
        advisory=item.flag("advisory"),
        read=None if item.values.get("read") is None else item.integer("read"),
    )


def _estimate(item: Document, key: str, method: str) -> Estimate:
    return Estimate(item.number(key), item.number("low"), item.number("high"), item.integer("n"), method)


def _result(item: Document) -> Result:
    return Result(
        suite=item.text("suite"),
        model=item.text("model"),
        metric=item.text("metric"),
        estimate=None if item.absent("value") else _estimate(item, "value", "two-sided 95 %"),
        n=item.integer("n"),
        unscored=item.integer("unscored"),
        seconds=item.number("seconds"),
        fresh=item.integer("fresh"),
        attempts=item.integer("attempts"),
        tried=item.integer("tried"),
        unread=item.integer("unread"),
        notes=item.texts("notes"),
    )


def _suite(item: Document) -> PlannedSuite:
    gates = item.list_of("gates")
    return PlannedSuite(
        name=item.text("name"),
        version=item.integer("version"),
        layers=item.mapping("fingerprint"),
        guards=bool(gates) and item.values.get("judge") is None and not any(gate.absent("max_drop") for gate in gates),
        keeps=not item.absent("keep"),
        drawn=_drawn(item),
    )


def _drawn(item: Document) -> str:
    if item.absent("sampling"):
        return (
            "as the task of lm-eval says" if item.values.get("lm_eval") else "ranked by likelihood, nothing is written"
        )
    how = Document(f"{item.where}: sampling", item.mapping("sampling"))
    limit, temperature = f"at most {how.integer('max_new_tokens')} tokens", how.number("temperature")
    if temperature == 0:
        return f"greedily, {limit}"
    return f"temperature {temperature:g}, top-p {how.number('top_p'):g}, seed {how.integer('seed')}, {limit}"


def _model(item: Document) -> ModelRef:
    return ModelRef(
        name=item.text("name"),
        base=item.text("base"),
        revision=None if item.absent("revision") else item.text("revision"),
        adapter=None if item.absent("adapter") else item.text("adapter"),
        quantization=item.text("quantization"),
        dtype=item.text("dtype"),
        train_config=None if item.absent("train_config") else item.mapping("train_config"),
        fingerprint=item.text("fingerprint"),
        digests=item.mapping("digests"),
        prompting=item.text("prompting") if "prompting" in item.values else "",
    )


def _records(folder: Path, document: Document) -> dict[Key, tuple[Row, ...]]:
    """Rows of every measurement that the receipt names; the pools that a suite only kept rows from are left aside."""
    receipt = Document(f"{document.where}: receipt", document.mapping("receipt"))
    rows: dict[Key, tuple[Row, ...]] = {}
    for name, value in receipt.mapping("records").items():
        entry = Document(f"{receipt.where}: {name}", value if isinstance(value, dict) else {})
        if entry.absent("pool"):
            key = Key(entry.text("suite"), entry.text("model"))
            rows[key] = _rows(folder, name, entry)
    return rows


def _rows(folder: Path, name: str, entry: Document) -> tuple[Row, ...]:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadRunDirectory(f"{entry.where}: lies outside of the run directory; measure again into a new --run-dir")
    content = read_bytes(path)
    if sha256(content).hexdigest() != entry.text("sha256"):
        raise BadRunDirectory(f"{path}: differs from the receipt, so it was edited or cut; measure again")
    lines = content.split(b"\n")
    rows = tuple(_row(parse(line, f"{path}:{number}")) for number, line in enumerate(lines, 1) if line)
    if len(rows) != entry.integer("rows"):
        raise entry.wrong("rows", f"{len(rows)}, the rows of the file")
    return rows


def _row(item: Document) -> Row:
    return Row(
        id=item.text("id"),
        cluster=item.text("cluster"),
        tags=item.texts("tags"),
        prompt=item.text("prompt"),
        target=item.text("target"),
        output=item.text("output"),
        finish_reason=_member(item, "finish_reason", FinishReason),
        prompt_tokens=item.integer("prompt_tokens"),
        new_tokens=item.integer("new_tokens"),
        scores=tuple(_score(score) for score in item.list_of("scores")),
        seconds=None if item.absent("seconds") else item.number("seconds"),
    )


def _score(item: Document) -> Score:
    value = None if item.absent("value") else item.number("value")
    return Score(item.text("metric"), value, item.text("answer"), item.text("reason_code"), item.text("where"))


def _member(item: Document, key: str, kind: type[Kind]) -> Kind:
    try:
        return kind(item.text(key))
    except ValueError:
        raise item.wrong(key, f"one of {', '.join(kind)}") from None
