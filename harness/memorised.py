"""Memorised or learned: the task's metric on rows that an adapter was trained on, beside the rows that it never saw.

A loss that keeps falling does not tell the two apart; the gap between both rates does. `--train-data FILE` beside
`--checkpoints` measures a seeded sample of the training rows as a suite of its own, `<suite>-trained`, that no gate
looks at.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.answers import Engine
from harness.compare import estimate, scores
from harness.datasets import FileSource, nested_slice
from harness.errors import NotMeasured, UsageProblem
from harness.fingerprint import file_digest
from harness.gates import Gate
from harness.stats import independent_difference
from harness.suite import Measurable, Suite
from harness.types import Estimate, Example, ModelRef, SuiteResult

__all__ = ["TrainedRows", "gap", "trained_rows"]

ROWS = 200
"""Training rows that are measured, at most: a gap of 10 points is seen, and a trajectory costs half as much again."""


@dataclass(frozen=True, slots=True)
class TrainedRows:
    """The questions and metrics of `suite` on training rows; decides nothing. Implements `Measurable`."""

    suite: Suite
    examples: tuple[Example, ...]

    @property
    def name(self) -> str:
        """See `Measurable.name`."""
        return f"{self.suite.name}-trained"

    @property
    def version(self) -> int:
        """See `Measurable.version`."""
        return self.suite.version

    @property
    def gates(self) -> Sequence[Gate]:
        """None."""
        return ()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return self.suite.metric_names

    @property
    def chance(self) -> float:
        """See `Measurable.chance`."""
        return self.suite.chance

    @property
    def keep(self) -> None:
        """All rows count."""
        return

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`."""
        return nested_slice(self.examples, limit)

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`."""
        return self._asked.fingerprint(planned)

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`."""
        return self._asked.measure(model, planned, engine)

    @property
    def _asked(self) -> Suite:
        # worked examples may be training rows, and prompting is no question here
        return replace(self.suite, name=self.name, prompting=None)


def trained_rows(adapters: Sequence[ModelRef], suite: Measurable, path: Path) -> TrainedRows:
    """A sample of the rows that all these adapters were trained on.

    Args:
        adapters: whose `training.json` says how many rows of which file they saw.
        suite: asks and scores as it does its own rows.
        path: JSONL file of the training rows.

    Raises:
        UsageProblem: an adapter was trained on another file, or does not say on which; or the suite does not generate.
        BadExamples: a row is malformed, or given twice.
    """
    if not isinstance(suite, Suite):
        raise UsageProblem(f"--train-data: suite {suite.name!r} does not ask for text; leave --train-data out")
    rows = FileSource(path, "jsonl").read()
    digest = file_digest(path)
    seen = min(_rows_of(Path(adapter.adapter or ""), path, digest) for adapter in adapters)
    return TrainedRows(suite, nested_slice(rows[:seen], ROWS))


def gap(metric: str, trained: SuiteResult | None, test: SuiteResult | None) -> Estimate | None:
    """How much higher a metric is on training rows, with one-sided 95 % bounds; None unless both are measured whole."""
    try:
        if trained is None or test is None or None in (*scores(trained, metric), *scores(test, metric)):
            return None
        return independent_difference(estimate(trained, metric, 0.90), estimate(test, metric, 0.90))
    except NotMeasured:
        return None


def _rows_of(adapter: Path, path: Path, digest: str) -> int:
    """How many rows of the file an adapter saw, from the first one on."""
    said = adapter / "training.json"
    try:
        training = json.loads(said.read_text(encoding="utf-8"))
        trained_on, rows = training["data_sha256"], int(training["rows"]) - int(training["replayed"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageProblem(
            f"--train-data: {said} does not say what {adapter} was trained on ({error!r}); train again"
        ) from error
    if trained_on != digest:
        raise UsageProblem(
            f"--train-data {path}: is not the file that {adapter} was trained on, or was changed since; give that one"
        )
    return rows
