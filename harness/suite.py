"""Suite: the spec of one measurement, and the surface that every kind of suite shows to the evaluator."""

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.answers import Engine, answer
from harness.datasets import Source, nested_slice
from harness.errors import AdapterMismatch, BadExamples, BadSpec, NotMeasured
from harness.fingerprint import digest
from harness.gates import Gate
from harness.keep import PassedByBase
from harness.metrics import Metric
from harness.pins import read_pins
from harness.prompting import KINDS, Prompting
from harness.prompts import PromptSpec
from harness.types import Example, FinishReason, Generation, Json, Message, ModelRef, Row, Sampling, Score, SuiteResult

__all__ = ["Measurable", "Suite", "data_layer", "refuse_bad_spec", "refuse_other_prompt"]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@runtime_checkable
class Measurable(Protocol):
    """What the plugin and the evaluator need of a suite; `Suite` and `LmEvalSuite` both have it."""

    @property
    def name(self) -> str:
        """Lower-case id, unique in a run; part of file names."""

    @property
    def version(self) -> int:
        """Raised by the author whenever scores stop being comparable with earlier ones."""

    @property
    def gates(self) -> Sequence[Gate]:
        """What is decided on this suite, in the order shown."""

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that every row is scored with; the first one is the headline."""

    @property
    def chance(self) -> float:
        """What guessing scores on the headline metric, in [0, 1]."""

    @property
    def keep(self) -> PassedByBase | None:
        """Which rows of the pool count, when not all do."""

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """Read and check the data; all examples, or a seeded, stratified, nested slice of `limit` of them.

        Raises:
            BadExamples: the data is missing, empty or malformed.
        """

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """Hash of each layer that a measurement of `planned` depends on: `data`, `prompt`, `decode`, `score`."""

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """Answer and score `planned`, in order.

        Raises:
            NotMeasured: a row has no answer, or a metric broke its contract.
            ModelProblem: the model cannot be trusted to be what was asked for.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Prompts that are answered by generation and scored by metrics.

    Attributes:
        name: `[a-z0-9_-]`, at most 64 characters, unique in a run.
        version: raise it when scores stop being comparable.
        examples: where the rows come from, such as `jsonl("data/x.jsonl")`.
        render: how a row becomes a prompt, such as `chat(system="...")`.
        sampling: how text is generated.
        metrics: what scores the answers; the first is the headline.
        gates: what is decided, at least one; an advisory gate only informs.
        keep: look only at rows that the base passes, see `passed_by_base`.
        uses_adapter_prompt: the system text must equal the one an adapter was trained with, if it pinned one.
            Only a text that is not empty is compared.
        prompting: how the base is asked where `--prompting` has it try harder, see `prompting`.
    """

    name: str
    version: int
    examples: Source
    render: PromptSpec
    sampling: Sampling
    metrics: Sequence[Metric]
    gates: Sequence[Gate]
    keep: PassedByBase | None = None
    uses_adapter_prompt: bool = True
    prompting: Prompting | None = None

    def __post_init__(self) -> None:
        """Refuse a spec that contradicts itself (BadSpec)."""
        object.__setattr__(self, "gates", tuple(self.gates))
        object.__setattr__(self, "metrics", tuple(self.metrics))
        refuse_bad_spec(self)
        _refuse_bad_sampling(self.name, self.sampling)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return tuple(metric.name for metric in self.metrics)

    @property
    def chance(self) -> float:
        """See `Measurable.chance`."""
        return self.metrics[0].chance

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`."""
        examples = self.examples.read()
        if late := [example.id for example in examples if example.earlier]:
            raise BadExamples(f"suite {self.name!r}: row {late[0]} has earlier turns; only a JudgeSuite asks in turns")
        for metric in self.metrics:
            metric.refuse_unfit(examples)
        return nested_slice(examples, limit)

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`."""
        score: dict[str, Json] = {
            "suite": self.name,
            "version": self.version,
            "metrics": [dict(metric.spec) for metric in self.metrics],
            "keep": asdict(self.keep) if self.keep else None,
        }
        return {
            "data": data_layer(planned),
            "prompt": digest({**self.render.spec, **({"prompting": self.prompting.spec} if self.prompting else {})}),
            "decode": digest(asdict(self.sampling)),
            "score": digest(score),
        }

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`."""
        started = time.perf_counter()
        refuse_other_prompt(self.name, self.render.system, model, checked=self.uses_adapter_prompt)
        ahead = self.prompting.turns(model.prompting, planned) if self.prompting else []
        sampling = self.prompting.constrain(model.prompting, self.sampling) if self.prompting else self.sampling
        found = self.prompting.found(model.prompting, planned) if self.prompting else {}
        asked = [_after(ahead, _with(found.get(row.id), self.render.messages(row))) for row in planned]
        prompts = [engine.backend.render(model, messages) for messages in asked]
        generations, fresh = answer(engine, model, prompts=prompts, sampling=sampling, suite=self.name)
        columns = [_scores(self.name, metric, planned, generations) for metric in self.metrics]
        rows = tuple(
            _row(example, prompt.text, generation, scores)
            for example, prompt, generation, *scores in zip(planned, prompts, generations, *columns, strict=True)
        )
        truncated = sum(row.finish_reason is FinishReason.LENGTH for row in rows)
        limit = self.sampling.max_new_tokens
        notes = [f"{truncated} of {len(rows)} answers were cut at {limit} tokens and score 0"] if truncated else []
        if sampling.temperature > 0:
            drawn = f"temperature {sampling.temperature:g}, seed {sampling.seed}"
            notes.append(f"answers were drawn once, at {drawn}: another seed may decide otherwise, greedy decoding not")
        if model.prompting in KINDS and not ahead and not found and sampling == self.sampling:
            notes.append(f"asked as the base is: the suite has nothing for {model.prompting} prompting")
        return SuiteResult(
            suite=self.name,
            fingerprint=self.fingerprint(planned),
            model=model.name,
            rows=rows,
            seconds=time.perf_counter() - started if fresh else 0.0,
            fresh=fresh,
            notes=tuple(notes),
        )


def _after(ahead: list[Message], messages: list[Message]) -> list[Message]:
    """The worked examples between the system turn and the question."""
    return [*messages[:-1], *ahead, messages[-1]]


def refuse_other_prompt(suite: str, system: str, model: ModelRef, *, checked: bool) -> None:
    """Refuse an adapter that was trained with another system text; an empty text is not compared.

    Raises:
        AdapterMismatch: with both texts.
    """
    if not (model.adapter and checked and system):
        return
    pins = read_pins(Path(model.adapter))
    if pins is not None and pins.system != system:
        raise AdapterMismatch(
            f"suite {suite!r} asks with the system text {_short(system)}, adapter {model.name!r} "
            f"was trained with {_short(pins.system)}; use one text, or set uses_adapter_prompt=False in the suite"
        )


def _with(context: str | None, messages: list[Message]) -> list[Message]:
    """Retrieved text before the question, in the same turn."""
    if context is None:
        return messages
    *before, question = messages
    return [*before, {**question, "content": f"{context}\n\n{question['content']}"}]


def data_layer(planned: Sequence[Example]) -> str:
    """Hash of the rows, whatever their order."""
    return digest(sorted(digest(asdict(example)) for example in planned))


def refuse_bad_spec(suite: Measurable, *, reported: bool = False) -> None:
    """Refuse a suite whose parts contradict each other.

    Args:
        suite: any kind of suite.
        reported: it may do without gates, because its numbers are for reading.

    Raises:
        BadSpec: bad name or version, no metrics, a name given twice, or a gate or `keep` on an unknown metric.
    """
    if not NAME.fullmatch(suite.name):
        raise BadSpec(f"suite {suite.name!r}: a name is 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit")
    if suite.version < 1:
        raise BadSpec(f"suite {suite.name!r}: version={suite.version} must be at least 1")
    if not suite.metric_names:
        raise BadSpec(f"suite {suite.name!r}: no metrics; nothing would be scored")
    if not suite.gates and not reported:
        raise BadSpec(f"suite {suite.name!r}: no gates; nothing would be decided, add one (advisory=True only informs)")
    for what, names in (("metric", suite.metric_names), ("gate", tuple(map(str, suite.gates)))):
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadSpec(f"suite {suite.name!r}: {what} {twice[0]!r} is given twice")
    if easy := [gate for gate in suite.gates if _guessable(gate, suite)]:
        raise BadSpec(f"suite {suite.name!r}: gate {easy[0]} asks for no more than guessing scores; raise the limit")
    judged = [gate.metric for gate in suite.gates] + ([suite.keep.metric] if suite.keep else [])
    for metric in judged:
        if metric not in suite.metric_names:
            known = ", ".join(suite.metric_names)
            raise BadSpec(
                f"suite {suite.name!r}: no metric scores {metric!r}, which a gate or keep needs; known: {known}"
            )


def _guessable(gate: Gate, suite: Measurable) -> bool:
    """Whether a coin passes: a rate of the headline metric that is no higher than chance."""
    return gate.absolute and gate.metric == suite.metric_names[0] and gate.limit <= suite.chance


def _refuse_bad_sampling(suite: str, sampling: Sampling) -> None:
    faults = {
        f"max_new_tokens={sampling.max_new_tokens} must be at least 1": sampling.max_new_tokens >= 1,
        f"temperature={sampling.temperature} must be a finite number from 0 up": 0 <= sampling.temperature < math.inf,
        f"top_p={sampling.top_p} must be in (0, 1]": 0 < sampling.top_p <= 1,
    }
    for fault, kept in faults.items():
        if not kept:
            raise BadSpec(f"suite {suite!r}: {fault}")


def _scores(
    suite: str, metric: Metric, planned: Sequence[Example], generations: Sequence[Generation]
) -> Sequence[Score]:
    scores = metric(planned, generations)
    if len(scores) != len(planned):
        raise NotMeasured(f"suite {suite!r}: metric {metric.name!r} scored {len(scores)} of {len(planned)} rows")
    for example, score in zip(planned, scores, strict=True):
        valid = score.value is None or (math.isfinite(score.value) and 0.0 <= score.value <= 1.0)
        if score.metric != metric.name or not valid:
            raise NotMeasured(
                f"suite {suite!r}: metric {metric.name!r} gave {score.metric}={score.value!r} for row {example.id!r}; "
                "a score is in [0, 1], or None"
            )
    return scores


def _row(example: Example, prompt: str, generation: Generation, scores: Sequence[Score]) -> Row:
    target = example.target if isinstance(example.target, str) else json.dumps(example.target, ensure_ascii=False)
    return Row(
        id=example.id,
        cluster=example.cluster,
        tags=example.tags,
        prompt=prompt,
        target=target,
        output=generation.text,
        finish_reason=generation.finish_reason,
        prompt_tokens=generation.prompt_tokens,
        new_tokens=generation.new_tokens,
        scores=tuple(scores),
        seconds=generation.seconds,
    )


def _short(text: str, length: int = 60) -> str:
    return repr(text if len(text) <= length else f"{text[:length]}...")
