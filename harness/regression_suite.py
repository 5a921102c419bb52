"""A regression suite: a pool that the base does well, and beside it the cases that must not break again.

The pool is a sample, and its gate allows for chance. Pinned cases are no sample: each one holds by itself. They are
asked as they were when they broke, with their own system text and length, whatever the pool is asked with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from pathlib import Path

from harness.answers import Engine
from harness.errors import BadExamples
from harness.fingerprint import digest
from harness.gates import Gate
from harness.hold import EXPIRED, WAIVED, is_pinned, waivers
from harness.keep import PassedByBase
from harness.metrics import Metric
from harness.paths import beside_caller
from harness.pinned import Case, read_cases, today
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Example, ModelRef, Sampling, SuiteResult

__all__ = ["RegressionSuite", "with_pinned"]


@dataclass(frozen=True, slots=True)
class RegressionSuite:
    """A suite with pinned cases beside its pool. Implements `Measurable`; everything but the rows is the pool's.

    Attributes:
        pool: what is sampled.
        path: file of the pinned cases; it need not exist.
        today: decides which waivers are in force.
    """

    pool: Suite
    path: Path
    today: date

    @property
    def name(self) -> str:
        """See `Measurable.name`."""
        return self.pool.name

    @property
    def version(self) -> int:
        """See `Measurable.version`."""
        return self.pool.version

    @property
    def gates(self) -> Sequence[Gate]:
        """See `Measurable.gates`."""
        return self.pool.gates

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return self.pool.metric_names

    @property
    def metrics(self) -> Sequence[Metric]:
        """What scores the answers."""
        return self.pool.metrics

    @property
    def chance(self) -> float:
        """See `Measurable.chance`."""
        return self.pool.chance

    @property
    def keep(self) -> PassedByBase | None:
        """See `Measurable.keep`."""
        return self.pool.keep

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`; every pinned case is planned, whatever the limit.

        Raises:
            BadExamples: a case is malformed, or has the id of a row of the pool.
        """
        whole, cases = self.pool.plan(), read_cases(self.path)
        if both := {row.id for row in whole} & {case.id for case in cases}:
            raise BadExamples(f"{self.path}: pins {min(both)}, which is a row of the pool already; remove the line")
        if marked := [row.id for row in whole if is_pinned(row)]:
            raise BadExamples(
                f"suite {self.name!r}: row {marked[0]} is tagged as pinned; pin with tunegate regression add"
            )
        pool = self.pool.plan(limit)
        return (*pool, *(case.example(self.today) for case in cases))

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`; without pinned cases it is the pool's."""
        layers = dict(self.pool.fingerprint(planned))
        if cases := self._cases(planned):
            asked = [[case.id, case.system, case.max_new_tokens] for case in cases]
            layers["prompt"] = digest({"pool": layers["prompt"], "pinned": asked})
        return layers

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`."""
        parts = [self.pool.measure(model, [row for row in planned if not is_pinned(row)], engine)]
        rows = {row.id: row for row in planned}
        for (system, length), cases in groupby(sorted(self._cases(planned), key=_asked), key=_asked):
            asked = replace(self.pool, render=chat(system), sampling=Sampling(max_new_tokens=length))
            suite = replace(asked, prompting=None, uses_adapter_prompt=False)  # as it was, whoever is asked
            parts.append(suite.measure(model, [rows[case.id] for case in cases], engine))
        measured = {row.id: row for part in parts for row in part.rows}
        return replace(
            parts[0],
            fingerprint=self.fingerprint(planned),
            rows=tuple(measured[row.id] for row in planned),
            seconds=sum(part.seconds for part in parts),
            fresh=sum(part.fresh for part in parts),
            notes=(*(note for part in parts for note in part.notes), *_waivers(planned)),
        )

    def _cases(self, planned: Sequence[Example]) -> list[Case]:
        ids = {row.id for row in planned if is_pinned(row)}
        return [case for case in read_cases(self.path) if case.id in ids] if ids else []


def with_pinned(pool: Suite, path: str | Path) -> RegressionSuite:
    """`pool` with the pinned cases of a file beside it; a relative path is taken from the calling file's folder."""
    return RegressionSuite(pool, beside_caller(path), today())


def _asked(case: Case) -> tuple[str, int]:
    return case.system, case.max_new_tokens


def _waivers(planned: Sequence[Example]) -> list[str]:
    """What a reader must know of the waivers, in force or not."""
    told = [(row.id, tag) for row in planned if is_pinned(row) for tag in waivers(row, WAIVED, EXPIRED)]
    return [f"pinned case {name} {tag}" + ("" if tag.startswith(WAIVED) else "; it counts again") for name, tag in told]
