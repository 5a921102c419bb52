"""Prompting first: what the base reaches with worked examples, or with decoding that a schema holds to its form.

Both are the base itself, asked otherwise. A suite says how with `prompting=...`; `--prompting few-shot,constrained` has
the rows `base+few-shot` and `base+constrained` measured beside the candidates. An adapter that is not better than the
best of them is not worth its training. `context` puts retrieved text before each question, as retrieval would.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.compare import Comparison, estimate, gain_share_of
from harness.datasets import Source
from harness.errors import BadSpec, Incomparable, NotMeasured
from harness.fingerprint import digest
from harness.metrics.schemas import load_schema
from harness.paths import beside_caller
from harness.types import Example, Json, Message, ModelRef, Sampling, SuiteResult

__all__ = ["KINDS", "REFERENCE", "Prompting", "best_prompt", "beyond_prompts", "prompted_models", "prompting"]

FEW_SHOT, CONSTRAINED, CONTEXT = "few-shot", "constrained", "context"
KINDS = (FEW_SHOT, CONSTRAINED, CONTEXT)
REFERENCE = "reference"
"""Stands where a way of prompting does, for the model of `--reference`: another model, asked as the suite asks."""
CONFIDENCE = 0.90
"""Two-sided; one bound of it is a one-sided 95 % bound."""


@dataclass(frozen=True, slots=True)
class Prompting:
    """How a suite asks the base when it tries harder.

    Attributes:
        shots: worked examples, none of which the suite measures; None for no few-shot row.
        count: how many of them are shown, the first ones, >= 1.
        schema: what constrained decoding may write, a JSON schema; None for no constrained row.
        context: rows whose `input` is that of an example, and whose `output` the text that was retrieved for it; None
            for no row with context.
    """

    shots: Source | None = None
    count: int = 4
    schema: Mapping[str, Any] | None = None
    context: Source | None = None

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

    def found(self, kind: str, planned: Sequence[Example]) -> Mapping[str, str]:
        """The text to put before each question, by example id; nothing when the kind or the suite has none.

        Raises:
            BadSpec: an example has no text, or one that is no text.
        """
        if kind != CONTEXT or self.context is None:
            return {}
        texts = {row.input: row.target for row in self.context.read()}
        found = {example.id: texts.get(example.input) for example in planned}
        if missing := [name for name, text in found.items() if not isinstance(text, str)]:
            raise BadSpec(f"prompting: {len(missing)} of {len(planned)} examples have no context, first {missing[0]}")
        return {name: str(text) for name, text in found.items()}

    @property
    def spec(self) -> Json:
        """What enters the suite's fingerprint."""
        shots = self.shots.read()[: self.count] if self.shots else ()
        context = {"context": sorted(digest(asdict(row)) for row in self.context.read())} if self.context else {}
        schema = dict(self.schema) if self.schema else None
        return {"shots": [digest(asdict(shot)) for shot in shots], "schema": schema, **context}


def prompting(
    *,
    shots: Source | None = None,
    count: int = 4,
    schema: str | Path | Mapping[str, Any] | None = None,
    context: Source | None = None,
) -> Prompting:
    """How a suite asks when it tries harder; see `Prompting`. A schema's path is relative to the calling file.

    Raises:
        BadSpec: nothing is given, a count below 1, or a schema that cannot be trusted.
    """
    if shots is None and schema is None and context is None:
        raise BadSpec("prompting(): give shots, a schema, or both, or context")
    if count < 1:
        raise BadSpec(f"prompting(count={count}): show at least 1 worked example")
    source = schema if schema is None or isinstance(schema, Mapping) else beside_caller(schema)
    return Prompting(shots, count, None if source is None else load_schema(source), context)


def prompted_models(base: ModelRef, kinds: Iterable[str]) -> tuple[ModelRef, ...]:
    """The model, asked in each of these ways: `base+few-shot`, `base+constrained`, `base+context`."""
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
    """Each candidate minus the best prompted row, and minus the reference, on all rows of each suite.

    Args:
        ways: how each model is prompted, by name, empty for as candidates are, or `reference`; the base first.
        metrics: which metric of each suite counts.
        results: by suite and model.

    Returns:
        `{suite, metric, model, over, value, low, high, share, share_low, share_high}` for each pair that was measured
        whole; nothing when nothing was prompted otherwise. `share` is how much of the candidate's gain over the bare
        base the best prompt has; None when that gain is not shown.
    """
    base, *others = ways
    asked = [base, *(name for name in others if ways[name] in KINDS)]
    references = [name for name in others if ways[name] == REFERENCE]
    found: list[dict[str, Json]] = []
    for suite, metric in metrics.items():
        rows = [results[suite, name] for name in asked if (suite, name) in results]
        whole = len(rows) == len(asked)
        beside = [rows] if whole and len(asked) > 1 else []
        beside += [[rows[0], results[suite, name]] for name in references if whole and (suite, name) in results]
        for name in others:
            if not ways[name] and (suite, name) in results:
                found += _all_beyond(suite, metric, beside, results[suite, name])
    return found


def _all_beyond(
    suite: str, metric: str, beside: Sequence[Sequence[SuiteResult]], candidate: SuiteResult
) -> Iterator[dict[str, Json]]:
    for rows in beside:
        try:
            yield {"suite": suite, "metric": metric, **_beyond(metric, rows, candidate)}
        except (NotMeasured, Incomparable):
            continue


def _beyond(metric: str, rows: Sequence[SuiteResult], candidate: SuiteResult) -> dict[str, Json]:
    """A candidate beside the best of the base's rows, of which the first is the bare base; or beside the reference."""
    best = rows[-1] if rows[-1].model == REFERENCE else best_prompt(metric, rows)
    seen = Comparison(best, candidate).delta(metric, CONFIDENCE)
    share = gain_share_of(Comparison(rows[0], best), Comparison(rows[0], candidate), metric, CONFIDENCE)
    return {
        "model": candidate.model,
        "over": best.model,
        "value": seen.value,
        "low": seen.low,
        "high": seen.high,
        "share": share.value if share else None,
        "share_low": share.low if share else None,
        "share_high": share.high if share else None,
    }


def _turns(shot: Example) -> tuple[Message, Message]:
    answer = shot.target if isinstance(shot.target, str) else json.dumps(shot.target, ensure_ascii=False)
    return {"role": "user", "content": shot.input}, {"role": "assistant", "content": answer}
