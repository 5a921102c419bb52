"""Suites that ask how surprised a model is by the reference answers: perplexity on response tokens.

The reference answer follows its prompt exactly as in training, with its end token; the prompt itself costs nothing.
A lower loss is no proof of better answers, so such a suite has no gate unless its author gives it one: its rows are
shown, and its verdict only says whether it was measured.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness._response_loss import Forced, Loss, force
from harness.answers import Engine
from harness.backends import Prompt
from harness.chat import answer_ids
from harness.datasets import Source, nested_slice
from harness.errors import HarnessError, NotMeasured
from harness.fingerprint import digest
from harness.gates import Gate
from harness.prompts import PromptSpec
from harness.suite import data_layer, refuse_bad_spec
from harness.types import Example, FinishReason, Json, ModelRef, Row, Score, SuiteResult

__all__ = ["PerplexitySuite"]

_METRIC = "token_likelihood"
_KEY_VERSION = 1  # of the layout of keys and values below


@dataclass(frozen=True, slots=True, kw_only=True)
class PerplexitySuite:
    """Teacher-forced likelihood of the reference answers. Implements `Measurable`.

    Each row scores `token_likelihood` = exp(-loss), in [0, 1]: the geometric mean of the probabilities that the model
    gives the tokens of the answer, which is one over the row's perplexity. The suite's perplexity weights tokens and
    not rows, exp(sum of losses / sum of tokens), and stands in the result's notes, with bits a token and bits a byte
    of the answers' UTF-8; only the last compares models with other tokenizers.

    Attributes:
        name: `[a-z0-9_-]`, at most 64 characters, unique in a run.
        version: raise it when scores stop being comparable.
        examples: where the rows come from; a target that is no text is written as JSON, as training writes it.
        render: how a row becomes a prompt.
        gates: none by default; a gate on `token_likelihood` is possible, and better advisory.
    """

    name: str
    version: int
    examples: Source
    render: PromptSpec
    gates: Sequence[Gate] = ()
    keep: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse a spec that contradicts itself (BadSpec)."""
        object.__setattr__(self, "gates", tuple(self.gates))
        refuse_bad_spec(self, reported=True)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return (_METRIC,)

    @property
    def chance(self) -> float:
        """See `Measurable.chance`."""
        return 0.0

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`."""
        return nested_slice(self.examples.read(), limit)

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`."""
        return {
            "data": data_layer(planned),
            "prompt": digest(dict(self.render.spec)),
            "decode": digest({"method": "teacher forcing", "version": _KEY_VERSION}),
            "score": digest({"suite": self.name, "version": self.version, "metrics": [_METRIC]}),
        }

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`.

        Raises:
            NotMeasured: the backend has no model in memory that gives likelihoods.
        """
        started = time.perf_counter()
        if not model.fingerprint:
            raise NotMeasured(f"model {model.name!r} was not identified, so its losses cannot be told from another's")
        prompts = [engine.backend.render(model, self.render.messages(example)) for example in planned]
        keys = [self._key(model, engine, prompt, _answer(row)) for prompt, row in zip(prompts, planned, strict=True)]
        known = {key: loss for key, value in engine.store.get_many(keys).items() if (loss := _loss(value))}
        wanted = {
            key: (prompt, row) for key, prompt, row in zip(keys, prompts, planned, strict=True) if key not in known
        }
        fresh = len(wanted)
        engine.progress(model.name, self.name, len(known), len(known) + fresh)
        if wanted:
            self._compute(model, engine, wanted, known)
        losses = [known[key] for key in keys]
        return SuiteResult(
            suite=self.name,
            fingerprint=self.fingerprint(planned),
            model=model.name,
            rows=tuple(_row(*parts) for parts in zip(planned, prompts, losses, strict=True)),
            seconds=time.perf_counter() - started if fresh else 0.0,
            fresh=fresh,
            notes=(_note(planned, losses),),
        )

    def _key(self, model: ModelRef, engine: Engine, prompt: Prompt, answer: str) -> str:
        return digest(
            {
                "version": _KEY_VERSION,
                "kind": "response loss",
                "model": model.fingerprint,
                "policy": dict(engine.backend.policy()),
                "repeat": engine.repeat,
                "prompt": list(prompt.token_ids),
                "answer": answer,
            }
        )

    def _compute(
        self,
        model: ModelRef,
        engine: Engine,
        wanted: Mapping[str, tuple[Prompt, Example]],
        known: dict[str, Loss],
    ) -> None:
        """Ask the model for what the store did not know, and keep each batch at once."""
        from harness.backends.hf import stop_ids

        loaded = engine.backend.loaded(model)
        if loaded.tokenizer is None:
            raise NotMeasured(
                f"suite {self.name!r}: backend {engine.backend.name!r} gives no likelihoods; use --backend hf"
            )
        names, stops, total = list(wanted), stop_ids(loaded.model, loaded.tokenizer), len(known) + len(wanted)
        rows = [
            Forced(prompt.token_ids, self._answer_ids(loaded.tokenizer, row, stops)) for prompt, row in wanted.values()
        ]

        def keep(batch: Sequence[tuple[int, Loss]]) -> None:
            new = {names[index]: loss for index, loss in batch}
            engine.store.put_many({key: {"nats": loss.nats, "tokens": loss.tokens} for key, loss in new.items()})
            known.update(new)
            engine.progress(model.name, self.name, len(known), total)

        force(loaded, rows, keep, name=model.name)

    def _answer_ids(self, tokenizer: Any, example: Example, stops: frozenset[int]) -> tuple[int, ...]:  # noqa: ANN401
        try:
            return answer_ids(tokenizer, self.render.messages(example), _answer(example), stop_ids=stops)
        except HarnessError as error:
            raise type(error)(f"suite {self.name!r}, row {example.id}: {error}") from error


def _answer(example: Example) -> str:
    return example.target if isinstance(example.target, str) else json.dumps(example.target, ensure_ascii=False)


def _loss(value: Json) -> Loss | None:
    """Read a stored loss; anything of another shape is a miss, never half trusted."""
    match value:
        case {"nats": float(nats), "tokens": int(tokens)} if math.isfinite(nats) and nats >= 0 and tokens > 0:
            return Loss(nats, tokens)
    return None


def _row(example: Example, prompt: Prompt, loss: Loss) -> Row:
    likelihood = math.exp(-loss.nats / loss.tokens)
    perplexity = f"{1 / likelihood:.4g}" if likelihood else "beyond any number"
    said = f"perplexity {perplexity}, {loss.nats:.4g} nats, {loss.tokens} tokens"
    return Row(
        id=example.id,
        cluster=example.cluster,
        tags=example.tags,
        prompt=prompt.text,
        target=_answer(example),
        output=f"({said})",
        finish_reason=FinishReason.STOP,
        prompt_tokens=len(prompt.token_ids),
        new_tokens=loss.tokens,
        scores=(Score(_METRIC, likelihood, said),),
    )


def _note(planned: Sequence[Example], losses: Sequence[Loss]) -> str:
    """The suite's perplexity, over all its tokens."""
    nats, tokens = sum(loss.nats for loss in losses), sum(loss.tokens for loss in losses)
    size = sum(len(_answer(example).encode()) for example in planned)
    bits = nats / math.log(2)
    return (
        f"perplexity {math.exp(nats / tokens):.4g} on {tokens:,} response tokens: {bits / tokens:.4g} bits a token, "
        f"{bits / size:.4g} bits a byte"
    )
