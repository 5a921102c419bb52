"""Trajectories: an adapter as it was after each saved step of its training, measured beside it and never judged.

    DIR/                          the adapter that the gates decide about
    DIR/checkpoints/step-000150/  what it was after 150 steps, saved by `keep` in `[checkpoints]`
    DIR/training.json             which step ended which part of an epoch

`--checkpoints` makes a row of each, so that task gain can be seen against forgetting over the epochs. Every gate is
asked about every checkpoint, with no say in the outcome: the best of many on one set of rows looks better than it is.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from harness.compare import Comparison, estimate, scores
from harness.decide import decide
from harness.errors import BadSpec, HarnessError, Incomparable, NotMeasured, UsageProblem
from harness.gates import Gate
from harness.memorised import TrainedRows, gap, trained_rows
from harness.suite import Measurable
from harness.sweeps import ranked_by
from harness.types import Estimate, Json, ModelRef, Outcome, SuiteResult

__all__ = ["Checkpoint", "Followed", "Rules", "Trajectory", "plan_trajectory"]

CONFIDENCE = 0.90
"""Two-sided; one bound of it is a one-sided 95 % bound."""

Results = Mapping[tuple[str, str], SuiteResult]
"""Measurements by suite and model."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state of a training.

    Attributes:
        model: name of what is measured.
        of: name of the adapter that the training ended in; equal to `model` for that adapter itself.
        step: optimiser steps taken, >= 1.
        epoch: passes over the rows, > 0.
    """

    model: str
    of: str
    step: int
    epoch: float


class Rules(NamedTuple):
    """What a suite measures and asks: its name, its metrics in order, its gates, and what guessing scores."""

    suite: str
    metrics: Sequence[str]
    gates: Sequence[Gate]
    chance: float


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The checkpoints of a run.

    Attributes:
        task: suite and metric that a checkpoint is recommended by; None when no suite asks for a gain or a rate.
        checkpoints: of each adapter by step, the adapter itself among them.
        trained: suite that asks the task of training rows; None without `--train-data`.
    """

    task: tuple[str, str] | None
    checkpoints: tuple[Checkpoint, ...]
    trained: str | None = None

    @classmethod
    def read(cls, spec: Mapping[str, Any] | None) -> "Trajectory | None":
        """From `trajectory` of plan.json."""
        if spec is None:
            return None
        task = spec["task"] and (spec["task"]["suite"], spec["task"]["metric"])
        return cls(task, tuple(Checkpoint(**checkpoint) for checkpoint in spec["checkpoints"]), spec["trained"])

    def spec(self) -> dict[str, Json]:
        """As JSON values, for plan.json."""
        task: Json = {"suite": self.task[0], "metric": self.task[1]} if self.task else None
        checkpoints: Json = [asdict(checkpoint) for checkpoint in self.checkpoints]
        return {"task": task, "checkpoints": checkpoints, "trained": self.trained}

    @property
    def names(self) -> frozenset[str]:
        """Models that are measured and never judged."""
        return frozenset(each.model for each in self.checkpoints if each.model != each.of)

    def needs(self, suite: str, adapter: str) -> tuple[tuple[str, str], ...]:
        """Measurements, by suite and model, without which no verdict about `adapter` on `suite` counts."""
        beside = [each.model for each in self.checkpoints if each.of == adapter]
        suites = [suite, self.trained] if self.trained else [suite]
        return tuple((asked, model) for asked in suites for model in beside)

    def follow(
        self, rules: Sequence[Rules], results: Results, *, base: str, prompted: Sequence[str]
    ) -> dict[str, Json]:
        """What became of each metric and each gate on the way: the entry `trajectory` of run.json.

        Args:
            rules: of each measured suite.
            results: by suite and model.
            base: name of the base.
            prompted: names of the base's rows with other prompting.
        """
        followed = [
            (each, [line for rule in rules for line in _lines(rule, results, each.model, base, prompted)])
            for each in self.checkpoints
        ]
        said: list[Json] = [
            {**asdict(each), "results": [line.spec() for line in lines], "gap": self._gap(results, each.model)}
            for each, lines in followed
        ]
        adapters = dict.fromkeys(each.of for each in self.checkpoints)
        return {
            "checkpoints": said,
            "recommended": {
                adapter: self._recommended([(each, lines) for each, lines in followed if each.of == adapter])
                for adapter in adapters
            },
        }

    def _gap(self, results: Results, model: str) -> Json:
        if self.trained is None or self.task is None:
            return None
        suite, metric = self.task
        seen = gap(metric, results.get((self.trained, model)), results.get((suite, model)))
        return {"value": seen.value, "low": seen.low, "high": seen.high} if seen else None

    def _recommended(self, followed: Sequence[tuple[Checkpoint, Sequence["_Line"]]]) -> str | None:
        """The best mean of the task on checkpoints that fail no bound on a drop; of equal ones the earliest."""
        found = [
            (line.value, -each.step, each.model)
            for each, lines in followed
            for line in lines
            if (line.suite, line.metric) == self.task
            and line.value is not None
            and not any(other.forgets for other in lines)
        ]
        return max(found)[2] if found else None


@dataclass(frozen=True, slots=True)
class _Line:
    """One metric of one suite on one checkpoint; numbers are None when it was not measured whole.

    Attributes:
        value: mean, in [0, 1].
        delta, low, high: its difference to the base with one-sided 95 % bounds, in [-1, 1].
        gates: what each gate on this metric says, by its text.
        forgets: whether a gate that bounds a drop fails, or cannot be believed.
    """

    suite: str
    metric: str
    value: float | None
    delta: float | None
    low: float | None
    high: float | None
    gates: Mapping[str, Outcome]
    forgets: bool

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        values = {key: value for key, value in asdict(self).items() if key != "forgets"}
        return values | {"gates": {text: outcome.value for text, outcome in self.gates.items()}}


class Followed(NamedTuple):
    """What following a training adds to a plan: the checkpoints, their models, and a suite of training rows, if any."""

    trajectory: Trajectory
    models: tuple[ModelRef, ...]
    suites: tuple[TrainedRows, ...]


def plan_trajectory(adapters: Sequence[ModelRef], suites: Sequence[Measurable], train_data: str | None) -> Followed:
    """Find the checkpoints that lie in each adapter's folder.

    Args:
        adapters: to judge, at least one.
        suites: that are going to be measured.
        train_data: file of the rows that they were trained on, to measure a sample of these too.

    Raises:
        UsageProblem: a folder holds none, or does not say where in the training each one is; or see `trained_rows`.
    """
    saved = [pair for adapter in adapters for pair in _saved(adapter)]
    models = tuple(model for checkpoint, model in saved if checkpoint.model != checkpoint.of)
    task = _task(suites)
    trained: tuple[TrainedRows, ...] = ()
    if train_data:
        by_name = {suite.name: suite for suite in suites}
        if task is None:
            raise UsageProblem("--train-data: no suite of this run asks for a gain or a rate; leave it out")
        trained = (trained_rows(adapters, by_name[task[0]], Path(train_data)),)
        if trained[0].name in by_name:
            raise UsageProblem(f"--train-data: a suite is called {trained[0].name!r} already; rename it")
    checkpoints = tuple(checkpoint for checkpoint, _ in saved)
    return Followed(Trajectory(task, checkpoints, trained[0].name if trained else None), models, trained)


def _saved(adapter: ModelRef) -> list[tuple[Checkpoint, ModelRef]]:
    """The checkpoints of one adapter and the adapter itself, by step."""
    folder = Path(adapter.adapter or "")
    paths = sorted(path for path in (folder / "checkpoints").glob("step-*") if path.is_dir())
    if not paths:
        raise UsageProblem(
            f"--checkpoints: {folder} holds no checkpoints/step-*; set 'keep' in [checkpoints] of its configuration "
            "and train again, as trainers/trajectory.toml does"
        )
    said = folder / "training.json"
    try:
        training = json.loads(said.read_text(encoding="utf-8"))
        epochs = {int(point["step"]): float(point["epoch"]) for point in training["curve"]}
        states = [(int(path.name.removeprefix("step-")), f"{adapter.name}@{path.name}", path) for path in paths]
        return [
            (Checkpoint(name, adapter.name, step, epochs[step]), replace(adapter, name=name, adapter=str(path)))
            for step, name, path in sorted([*states, (int(training["kept_step"]), adapter.name, folder)])
        ]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageProblem(
            f"--checkpoints: {said} does not say in which epoch each checkpoint was saved ({error!r}); train again"
        ) from error


def _task(suites: Sequence[Measurable]) -> tuple[str, str] | None:
    try:
        return ranked_by(suites, "")
    except BadSpec:  # a run of forgetting suites alone has no task
        return None


def _lines(rules: Rules, results: Results, model: str, base: str, prompted: Sequence[str]) -> list[_Line]:
    own, yardstick = results.get((rules.suite, model)), results.get((rules.suite, base))
    asked = [results[rules.suite, name] for name in prompted if (rules.suite, name) in results]
    return [_line(rules, metric, own, yardstick, asked) for metric in rules.metrics]


def _line(
    rules: Rules, metric: str, own: SuiteResult | None, base: SuiteResult | None, prompted: Sequence[SuiteResult]
) -> _Line:
    gates = {gate: _outcome(gate, rules.chance, own, base, prompted) for gate in rules.gates if gate.metric == metric}
    value, seen = _measured(metric, own, base)
    bad = (Outcome.FAIL, Outcome.INVALID)
    return _Line(
        suite=rules.suite,
        metric=metric,
        value=value,
        delta=seen.value if seen else None,
        low=seen.low if seen else None,
        high=seen.high if seen else None,
        gates={str(gate): outcome for gate, outcome in gates.items()},
        forgets=any(gate.kind == "drop" and not gate.advisory and outcome in bad for gate, outcome in gates.items()),
    )


def _measured(metric: str, own: SuiteResult | None, base: SuiteResult | None) -> tuple[float | None, Estimate | None]:
    """Mean, and difference to the base; a number over fewer rows than planned is none to show."""
    try:
        if own is None or None in scores(own, metric):
            return None, None
        value = estimate(own, metric).value
        if base is None or None in scores(base, metric):
            return value, None
        return value, Comparison(base, own).delta(metric, CONFIDENCE)
    except (NotMeasured, Incomparable):
        return None, None


def _outcome(
    gate: Gate, chance: float, own: SuiteResult | None, base: SuiteResult | None, prompted: Sequence[SuiteResult]
) -> Outcome:
    if own is None or base is None:
        return Outcome.INVALID
    try:
        return decide(gate, base, own, chance=chance, prompted=prompted).outcome
    except HarnessError:
        return Outcome.INVALID
