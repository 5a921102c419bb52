"""The nouns of the house: frozen values that every room exchanges. Standard library only.

    Example ──prompts──▶ Prompt ──Backend──▶ Generation ──Metric──▶ Score ──▶ Row ──▶ SuiteResult
    SuiteResult x 2 ──▶ Comparison ──Gate──▶ Verdict ──▶ run.json

Rates are floats in [0, 1]; percent appears only in reports. `None` means *not measured*, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "SCHEMA_VERSION",
    "Choices",
    "Estimate",
    "Example",
    "FinishReason",
    "Generation",
    "Json",
    "Message",
    "ModelRef",
    "Outcome",
    "Row",
    "Sampling",
    "Score",
    "SuiteResult",
    "Verdict",
]

SCHEMA_VERSION = 3
"""Of plan.json and run.json, see docs/run_schema.md; raised when their keys change, so that older runs are refused."""
Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""Any value that RFC 8259 can write."""
Message = Mapping[str, str]
"""One chat turn: {"role": "system" | "user" | "assistant", "content": text}."""


class Outcome(StrEnum):
    """What a gate, or a whole run, ended in. Only PASS is green; CUT is what halving left behind, never a run's."""

    PASS = "PASS"  # noqa: S105  # not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"
    NOT_RUN = "NOT_RUN"
    CUT = "CUT"


class FinishReason(StrEnum):
    """Why a generation ended. LENGTH is *truncated*: it scores 0 with a reason code, except by lm-eval."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Example:
    """One planned row of a suite.

    Attributes:
        id: content hash of the canonical row, unless the data file gave one; unique in its suite.
        input: what the user turn says.
        target: the reference answer, any JSON value.
        tags: labels for slices, such as `easy`; the first one is the stratum of `--limit`.
        cluster: rows that share a source share a cluster; equals `id` for independent rows.
        earlier: what the user said in the turns before, each answered by the model itself; only judged suites ask so.
    """

    id: str
    input: str
    target: Json
    tags: tuple[str, ...] = ()
    cluster: str = ""
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """Target of a multiple-choice example: the options in order, and the index of the right one."""

    options: tuple[str, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How text is generated. Greedy unless `temperature` > 0; all of it enters the fingerprint.

    `schema` is the text of a JSON schema that decoding is held to; empty for none.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer. `text` has the prompt and special tokens removed; lengths are in tokens.

    `seconds` passed until it was there: those of its request, or of the batch that it was computed in; None where
    nobody measured. It came with all others of its batch, so these are no share. Two answers that are alike but for
    this are equal.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    new_tokens: int
    seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Score:
    """What one metric says of one example.

    Attributes:
        metric: the metric's name.
        value: in [0, 1], or None when it could not be scored (an instrument's fault, never the model's).
        answer: the answer that was extracted and judged, for people to read.
        reason_code: `ok`, or why the value is below 1 or None (`truncated`, `duplicate_key`, ...).
        where: where in the answer that is, such as `$.title minLength`; empty for the whole answer, or where unknown.
    """

    metric: str
    value: float | None
    answer: str = ""
    reason_code: str = "ok"
    where: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval and the count it rests on. `method` names the formula used."""

    value: float
    low: float
    high: float
    n: int
    method: str


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model answers. `fingerprint` and the digests are empty until a backend identified it.

    Attributes:
        name: short readable id, unique in a run; `base`, or the adapter folder's name.
        base: `embedded`, a local path, or a Hub id.
        revision: commit of a Hub id, else None.
        adapter: PEFT adapter folder, or None for the base itself.
        quantization: `none`, `int8`, `nf4` or `fp4`; `nf4-single` and `fp4-single` with exact scales.
        dtype: `float32`, `bfloat16` or `float16`.
        train_config: the configuration that the adapter was trained with, if it pinned one.
        fingerprint: hash of everything that can change an answer of this model.
        digests: the parts of the fingerprint by name (weights, adapter, tokenizer, template ...).
        prompting: how it is asked: empty for as the suite asks candidates, `few-shot` or `constrained`.
    """

    name: str
    base: str
    revision: str | None = None
    adapter: str | None = None
    quantization: str = "none"
    dtype: str = "float32"
    train_config: Mapping[str, Any] | None = None
    fingerprint: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    prompting: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured example: what was asked, what came back, and every metric's score.

    Attributes:
        id: `Example.id`.
        cluster: `Example.cluster`.
        tags: `Example.tags`.
        prompt: the rendered prompt text, as the model saw it.
        target: reference answer as text (JSON for structured targets).
        output: the model's answer as text.
        finish_reason: of the generation; `stop` for choice scoring.
        prompt_tokens, new_tokens: lengths in tokens.
        scores: one for each metric, in the suite's order.
        seconds: `Generation.seconds` of when the answer was computed, also where the store knew it; None likewise.
    """

    id: str
    cluster: str
    tags: tuple[str, ...]
    prompt: str
    target: str
    output: str
    finish_reason: FinishReason
    prompt_tokens: int
    new_tokens: int
    scores: tuple[Score, ...]
    seconds: float | None = field(default=None, compare=False)

    def score(self, metric: str) -> Score:
        """The score of `metric`. Raises KeyError for a metric that this suite does not have."""
        for score in self.scores:
            if score.metric == metric:
                return score
        raise KeyError(metric)


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """One suite measured on one model, in the order of the suite's examples.

    Attributes:
        suite: the suite's name.
        fingerprint: hash of each layer as measured: `data`, `prompt`, `decode`, `score`; equal or incomparable.
        model: `ModelRef.name`.
        rows: one for each planned example.
        seconds: time spent measuring; 0.0 when every answer came from the store.
        fresh: how many answers were computed now; `len(rows) - fresh` came from the store.
        notes: what a reader must know (rows truncated, measurements skipped as identical, ...).
        evidence: what a judge was asked and said, JSON objects kept beside the rows; empty without a judge.
    """

    suite: str
    fingerprint: Mapping[str, str]
    model: str
    rows: tuple[Row, ...]
    seconds: float
    fresh: int = 0
    notes: tuple[str, ...] = ()
    evidence: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate decided about one model.

    Attributes:
        outcome: only PASS is green.
        suite, gate, model: what decided about whom; `gate` is `str(Gate)`, such as `valid_json>=0.95`.
        metric: the metric that the gate looks at.
        observed: the estimate that was compared, with the one-sided 95 % bounds (two-sided .90); None when INVALID.
        required: the bound in the gate's own units (a rate, or a signed difference).
        n: planned examples.
        gained, lost: discordant pairs (base wrong and candidate right, and the reverse); None for absolute gates.
        detectable: smallest true difference that this n and discordance find with 80 % power; None if absolute.
        needed: examples that would decide, when INCONCLUSIVE; else None.
        reason: one sentence that a reviewer can act on.
        read: rows of the plan's order that a sequential gate had read when it decided; None for all others.
        advisory: shown, but left out of the aggregate.
    """

    outcome: Outcome
    suite: str
    gate: str
    model: str
    metric: str
    observed: Estimate | None
    required: float
    n: int
    gained: int | None = None
    lost: int | None = None
    detectable: float | None = None
    needed: int | None = None
    reason: str = ""
    advisory: bool = False
    read: int | None = None
