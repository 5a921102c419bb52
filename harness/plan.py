"""The plan: what must be measured and decided, written down before anything is. What is missing later is a fault."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.datasets import shuffled
from harness.errors import BadSpec
from harness.fingerprint import digest
from harness.gates import Gate
from harness.halving import Cuts
from harness.judge.standing import requested, without_judge
from harness.policy import policy
from harness.prompting import KINDS, REFERENCE
from harness.sequential import looks
from harness.suite import Measurable, Suite
from harness.sweeps import Point, Ranking, in_confirm, ranked_by
from harness.trajectory import Rules, Trajectory
from harness.types import SCHEMA_VERSION, Example, Json, ModelRef, Sampling

__all__ = [
    "MEASURED",
    "Item",
    "Plan",
    "PlannedSuite",
    "gate_from",
    "plan_ranking",
    "plan_suite",
    "system_text",
]

MEASURED = "measured"
"""Stands for a gate where a suite without absolute gates is measured on the base alone."""


@dataclass(frozen=True, slots=True)
class PlannedSuite:
    """A suite with the rows that were chosen, in the order of measuring.

    Attributes:
        suite: any kind of suite.
        examples: the rows.
        full: counts the rows without `--limit`.
        first: of the rows, those that are looked at first where `--on-inconclusive extend` reads on; else None.
    """

    suite: Measurable
    examples: tuple[Example, ...]
    full: int
    first: int | None = None

    @property
    def unused(self) -> int:
        """Rows that `--limit` left out."""
        return self.full - len(self.examples)

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many rows gates look that may decide before the last; empty without such gates."""
        kinds, n = {gate.sequential for gate in self.suite.gates}, len(self.examples)
        early = {*looks(n)} if True in kinds else set()
        both = {self.first, n} if self.first is not None and False in kinds else set()
        return tuple(sorted(early | both))

    @property
    def stops(self) -> bool:
        """Whether measuring may end before the last row, because all gates may decide early."""
        return bool(self.suite.gates) and (self.first is not None or all(gate.sequential for gate in self.suite.gates))

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.suite.name

    @property
    def judge(self) -> Mapping[str, Json] | None:
        """What is planned of its judge; None for a suite that none looks at."""
        spec: Mapping[str, Json] | None = getattr(self.suite, "judge_spec", None)
        return spec

    @property
    def whole(self) -> bool:
        """Whether no row was left out."""
        return len(self.examples) == self.full

    def spec(self) -> dict[str, Json]:
        """This suite in plan.json, see docs/run_schema.md."""
        suite = self.suite
        return {
            "name": suite.name,
            "version": suite.version,
            "metrics": list(suite.metric_names),
            "chance": suite.chance,
            "fingerprint": dict(suite.fingerprint(self.examples)),
            "full": self.full,
            "examples": [[example.id, digest(asdict(example))] for example in self.examples],
            "looks": list(self.looks) or None,
            "first": self.first,
            "keep": asdict(suite.keep) if suite.keep else None,
            "judge": dict(self.judge) if self.judge else None,
            "sampling": _sampling(suite),
            "lm_eval": getattr(self.suite, "lm_eval_spec", None),
            "gates": [{"text": str(gate), **asdict(gate)} for gate in suite.gates],
        }


@dataclass(frozen=True, slots=True)
class Item:
    """One selected test item: `gate` is the gate's text or `measured`, `node` pytest's id."""

    node: str
    suite: str
    gate: str
    model: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run promises.

    Attributes:
        suites: measured on every model.
        models: the base first, then the candidates; not yet identified.
        items: one verdict each.
        options: what was asked for, as JSON values.
        partial_reasons: why this is less than the whole gate; empty when it is the whole.
        points: of the sweep; their models are among `models`.
        ranking: what ranks the points; None without a sweep.
        cuts: where points are stopped on the way; None without `--halving`.
        trajectory: the checkpoints, whose models are among `models`; None without `--checkpoints`.
    """

    suites: tuple[PlannedSuite, ...]
    models: tuple[ModelRef, ...]
    items: tuple[Item, ...]
    options: Mapping[str, Json]
    partial_reasons: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    ranking: Ranking | None = None
    cuts: Cuts | None = None
    trajectory: Trajectory | None = None

    @property
    def ways(self) -> dict[str, str]:
        """How each model is prompted, by name, of those that are judged or stand for what prompting reaches."""
        unjudged = self.trajectory.names if self.trajectory else frozenset()
        return {model.name: model.prompting for model in self.models if model.name not in unjudged}

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of the base asked otherwise."""
        return tuple(model.name for model in self.models if model.prompting in KINDS)

    @property
    def references(self) -> tuple[str, ...]:
        """Names of other models that are only shown."""
        return tuple(model.name for model in self.models if model.prompting == REFERENCE)

    @property
    def plain(self) -> bool:
        """Whether only gates look at the rows: no ranking, trajectory or other prompting needs all of them."""
        return self.ranking is None and self.trajectory is None and not any(model.prompting for model in self.models)

    @property
    def rules(self) -> tuple[Rules, ...]:
        """What each suite that is measured asks."""
        return tuple(
            Rules(each.name, each.suite.metric_names, without_judge(each.judge, each.suite.gates), each.suite.chance)
            for each in self.suites
            if requested(each.judge)
        )

    def suite(self, name: str) -> PlannedSuite:
        """The planned suite of that name."""
        return next(planned for planned in self.suites if planned.name == name)

    def spec(self) -> dict[str, Json]:
        """The part of plan.json that decides whether two plans are equal, and its digest."""
        promise: dict[str, Json] = {
            "options": dict(self.options),
            "suites": [planned.spec() for planned in self.suites],
            "models": [_model_spec(model) for model in self.models],
            "items": [asdict(item) for item in self.items],
            "sweep": self._sweep(),
            "trajectory": self.trajectory.spec() if self.trajectory else None,
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "digest": digest(promise),
            "policy": policy(promise),
            "partial": bool(self.partial_reasons),
            "partial_reasons": list(self.partial_reasons),
            **promise,
        }

    def _sweep(self) -> dict[str, Json] | None:
        if self.ranking is None:
            return None
        return {
            "rank_by": {"suite": self.ranking.suite, "metric": self.ranking.metric},
            "halving": self.cuts.spec() if self.cuts else None,
            "points": [
                {
                    "model": point.name,
                    "settings": dict(point.settings),
                    "given": dict(point.settings if point.given is None else point.given),
                    "job": point.job,
                    "parameters": point.parameters,
                    "full": point.full,
                }
                for point in self.points
            ],
        }


def plan_suite(suite: Measurable, limit: int | None, *, extend: bool = False) -> PlannedSuite:
    """Read and check a suite's data, and refuse gates that this many rows can never pass.

    Args:
        suite: any kind of suite.
        limit: rows to plan, or None for all. Gates are refused by the full number of rows.
        extend: plan all rows, those of `limit` first, where the suite can be measured in two parts: it has gates, no
            judge, and its rows are not chosen by the base.

    Raises:
        BadExamples: the data is missing, empty or malformed.
        BadSpec: a gate cannot pass even without a single loss, or is sequential where rows have no order of their own.
    """
    everything = suite.plan()
    deciding = suite.keep.at_least if suite.keep else len(everything)
    for gate in suite.gates:
        try:
            gate.refuse_undecidable(deciding)
        except BadSpec as error:
            raise BadSpec(f"suite {suite.name!r}: {error}") from error
    chosen = everything if limit is None else suite.plan(limit)
    taken = {example.id for example in chosen}
    further = tuple(example for example in everything if example.id not in taken)
    if any(gate.sequential for gate in suite.gates):
        _refuse_unordered(suite, everything)
        chosen, further = shuffled(chosen), shuffled(further)
    if extend and further and _in_parts(suite):
        return PlannedSuite(suite, (*chosen, *further), len(everything), len(chosen))
    return PlannedSuite(suite, chosen, len(everything))


def _sampling(suite: Measurable) -> dict[str, Json] | None:
    """How answers are drawn; None where options are ranked, and nothing is written."""
    found: Sampling | None = getattr(getattr(suite, "pool", suite), "sampling", None)
    if found is None:
        return None
    return {name: value for name, value in asdict(found).items() if name != "schema"}


def _in_parts(suite: Measurable) -> bool:
    """Whether a candidate may answer some rows, be decided about, and answer the others only when that failed."""
    return bool(suite.gates) and suite.keep is None and getattr(suite, "judge_spec", None) is None


def _refuse_unordered(suite: Measurable, examples: Sequence[Example]) -> None:
    if suite.keep is not None:
        raise BadSpec(f"suite {suite.name!r}: a sequential gate cannot choose rows by the base first; drop keep or it")
    if len({example.cluster or example.id for example in examples}) < len(examples):
        raise BadSpec(
            f"suite {suite.name!r}: rows share clusters, and a sequential gate reads rows that do not; drop sequential"
        )


def system_text(suites: Sequence[PlannedSuite]) -> str:
    """The one system text that suites ask adapters with; empty when there is none, or several."""
    asked = [planned.suite for planned in suites]
    texts = {suite.render.system for suite in asked if isinstance(suite, Suite) and suite.uses_adapter_prompt} - {""}
    return texts.pop() if len(texts) == 1 else ""


def plan_ranking(suites: Sequence[PlannedSuite], points: Sequence[Point], wanted: str, base: str) -> Ranking:
    """What ranks the points, which all start from `base`.

    Raises:
        BadSpec: nothing can, or a gate of the ranking suite cannot be shown with half of its rows.
    """
    name, metric = ranked_by([planned.suite for planned in suites if requested(planned.judge)], wanted)
    planned = next(each for each in suites if each.name == name)
    confirm = sum(map(in_confirm, planned.examples))
    if confirm in (0, len(planned.examples)):
        raise BadSpec(
            f"--sweep: the {len(planned.examples)} rows of suite {name!r} are too few to choose and to confirm"
        )
    for gate in planned.suite.gates if planned.whole else ():
        try:
            if gate.kind != "drop":
                gate.refuse_undecidable(confirm)
        except BadSpec as error:
            raise BadSpec(f"suite {name!r}, confirm half of a sweep: {error}") from error
    full = tuple(point.name for point in points if point.full)
    return Ranking(name, metric, {point.name: point.parameters for point in points}, full, base)


def gate_from(spec: Mapping[str, Any]) -> Gate:
    """The gate that an entry of `gates` in plan.json describes.

    Raises:
        BadSpec, TypeError: the entry was not written by this version.
    """
    values = {key: value for key, value in spec.items() if key not in {"text", "metric"}}
    return Gate(spec["metric"], **values)


def _model_spec(model: ModelRef) -> dict[str, Json]:
    names: Sequence[str] = ("name", "base", "revision", "adapter", "quantization", "dtype", "prompting")
    return {name: getattr(model, name) for name in names}
