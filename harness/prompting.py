"""Prompting first: what the base reaches with worked examples, or with decoding that a schema holds to its form.

Both are the base itself, asked otherwise. A suite says how with `prompting=...`; `--prompting few-shot,constrained` has
the rows `base+few-shot` and `base+constrained` measured beside the candidates. An adapter that is not better than the
best of them is not worth its training.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.compare import Comparison, estimate
from harness.datasets import Source
from harness.errors import BadSpec, Incomparable, NotMeasured
from harness.fingerprint import digest
from harness.metrics.schemas import load_schema
from harness.paths import beside_caller
from harness.types import Example, Json, Message, ModelRef, Sampling, SuiteResult

__all__ = ["KINDS", "Prompting", "best_prompt", "beyond_prompts", "prompted_models", "prompting"]

FEW_SHOT, CONSTRAINED = "few-shot", "constrained"
KINDS = (FEW_SHOT, CONSTRAINED)
CONFIDENCE = 0.90
"""Two-sided; one bound of it is a one-sided 95 % bound."""


@dataclass(frozen=True, slots=True)
class Prompting:
    """How a suite asks the base when it tries harder.

    Attributes:
        shots: worked examples, none of which the suite measures; None for no few-shot row.
        count: how many of them are shown, the first ones, >= 1.
        schema: what constrained decoding may write, a JSON schema; None for no constrained row.
    """

    shots: Source | None = None
    count: int = 4
    schema: Mapping[str, Any] | None = None

    def turns(self, kind: str, planned: Sequence[Example]) -> list[Message]:
        """The chat turns that come before the question.

        Raises:
            BadSpec: there are fewer than `count` worked examples, or one of them is measured too.
        """
        if kind != FEW_SHOT or self.shots is None:
            return []
        shots = self.shots.read()[: self.count]
        if len(shots) < self.count:
            raise BadSpec(f"prompting: {len(shots)} worked examples, {self.count} are wanted; lower count")
        if seen := {shot.input for shot in shots} & {example.input for example in planned}:
            raise BadSpec(f"prompting: worked example {min(seen)[:60]!r} is measured too; take others")
        return [turn for shot in shots for turn in _turns(shot)]

    def constrain(self, kind: str, sampling: Sampling) -> Sampling:
        """`sampling`, held to the schema where the kind and the suite say so."""
        if kind != CONSTRAINED or self.schema is None:
            return sampling
        return replace(sampling, schema=json.dumps(dict(self.schema), ensure_ascii=False))

    @property
    def spec(self) -> Json:
        """What enters the suite's fingerprint."""
        shots = self.shots.read()[: self.count] if self.shots else ()
        return {"shots": [digest(asdict(shot)) for shot in shots], "schema": dict(self.schema) if self.schema else None}


def prompting(
    *, shots: Source | None = None, count: int = 4, schema: str | Path | Mapping[str, Any] | None = None
) -> Prompting:
    """How a suite asks when it tries harder; see `Prompting`. A schema's path is relative to the calling file.

    Raises:
        BadSpec: neither shots nor schema, a count below 1, or a schema that cannot be trusted.
    """
    if shots is None and schema is None:
        raise BadSpec("prompting(): give shots, a schema, or both")
    if count < 1:
        raise BadSpec(f"prompting(count={count}): show at least 1 worked example")
    source = schema if schema is None or isinstance(schema, Mapping) else beside_caller(schema)
    return Prompting(shots, count, None if source is None else load_schema(source))


def prompted_models(base: ModelRef, kinds: Iterable[str]) -> tuple[ModelRef, ...]:
    """The base, asked in each of these ways: `base+few-shot`, `base+constrained`."""
    return tuple(replace(base, name=f"{base.name}+{kind}", prompting=kind) for kind in kinds)


def best_prompt(metric: str, rows: Sequence[SuiteResult]) -> SuiteResult:
    """The best of the base and its prompted rows by mean; of equal ones the first.

    Raises:
        NotMeasured: one of them has no score.
    """
    if not rows:
        raise NotMeasured("nothing was measured that an adapter could be compared with")
    return max(rows, key=lambda row: estimate(row, metric).value)


def beyond_prompts(
    ways: Mapping[str, str], metrics: Mapping[str, str], results: Mapping[tuple[str, str], SuiteResult]
) -> list[dict[str, Json]]:
    """Each candidate minus the best prompted row, on all rows of each suite.

    Args:
        ways: how each model is prompted, by name, empty for as candidates are; the base first.
        metrics: which metric of each suite counts.
        results: by suite and model.

    Returns:
        `{suite, metric, model, over, value, low, high}` for each pair that was measured whole; nothing when nothing
        was prompted otherwise.
    """
    base, *others = ways
    asked = [base, *(name for name in others if ways[name])]
    found: list[dict[str, Json]] = []
    for suite, metric in metrics.items() if len(asked) > 1 else ():
        rows = [results[suite, name] for name in asked if (suite, name) in results]
        for name in others:
            if ways[name] or (suite, name) not in results or len(rows) < len(asked):
                continue
            try:
                best = best_prompt(metric, rows)
                seen = Comparison(best, results[suite, name]).delta(metric, CONFIDENCE)
            except (NotMeasured, Incomparable):
                continue
            numbers = {"value": seen.value, "low": seen.low, "high": seen.high}
            found.append({"suite": suite, "metric": metric, "model": name, "over": best.model, **numbers})
    return found


def _turns(shot: Example) -> tuple[Message, Message]:
    answer = shot.target if isinstance(shot.target, str) else json.dumps(shot.target, ensure_ascii=False)
    return {"role": "user", "content": shot.input}, {"role": "assistant", "content": answer}
