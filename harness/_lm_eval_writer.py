"""The model that lm-eval is given where answers are written: it answers through our engine, from plain prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness._lm_eval_written import Decoding, greedy
from harness.answers import Engine, answer
from harness.backends import Prompt
from harness.errors import ModelProblem, NotMeasured
from harness.types import FinishReason, Generation, ModelRef, Sampling

__all__ = ["StoredWriter"]


@dataclass(slots=True)
class StoredWriter:
    """What lm-eval's `evaluate` needs of a model that writes, in one process.

    Attributes:
        engine: backend, store and progress.
        model: identified; answers as it.
        suite: shown as progress.
        decoding: how every answer is decoded.
        fresh: how many answers were computed now.
        answers: by prompt, cut where lm-eval cuts them; `length` where the limit of tokens cut them before that.
        cut: prompts that were longer than the context, and lost their start.
    """

    engine: Engine
    model: ModelRef
    suite: str
    decoding: Decoding
    fresh: int = 0
    answers: dict[str, Generation] = field(default_factory=dict)
    cut: int = 0
    rank: int = 0
    world_size: int = 1

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """The answer to each request, in order; equal prompts are answered once.

        Raises:
            NotMeasured: a request is to be decoded otherwise than the first, or its prompt is empty.
            ModelProblem: the model's context has no room beside the answer.
        """
        if other := [request for request in requests if greedy(request.args[1], self.suite) != self.decoding]:
            raise NotMeasured(f"suite {self.suite!r}: row {other[0].doc_id} is to be decoded otherwise than the first")
        texts = list(dict.fromkeys(str(request.args[0]) for request in requests))
        if not all(texts):
            raise NotMeasured(f"suite {self.suite!r}: lm-eval asks an empty prompt, which no model can continue")
        sampling = Sampling(self.decoding.max_new_tokens)
        prompts = self._prompts(texts)
        said, self.fresh = answer(self.engine, self.model, prompts=prompts, sampling=sampling, suite=self.suite)
        self.answers = {text: self._cut(each) for text, each in zip(texts, said, strict=True)}
        return [self.answers[str(request.args[0])].text for request in requests]

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of prompts and answers."""
        said = self.answers
        long = sum(each.finish_reason is FinishReason.LENGTH for each in said.values())
        lost = f"{self.cut} of {len(said)} prompts exceed the model's context and were cut at the start"
        ended = f"{long} of {len(said)} answers were cut at {self.decoding.max_new_tokens} tokens"
        return (
            *([lost] if self.cut else []),
            *([f"{ended}; they are scored as far as they go, as lm-eval does"] if long else []),
        )

    def _prompts(self, texts: Sequence[str]) -> list[Prompt]:
        """Each text as tokens; what the context cannot hold is cut at the start, as lm-eval does."""
        context = self.engine.backend.context(self.model)
        prompts = [self.engine.backend.plain(self.model, text) for text in texts]
        if context is None:
            return prompts
        room = context - self.decoding.max_new_tokens
        if room < 1:
            raise ModelProblem(
                f"model {self.model.name!r}: its context of {context} tokens has no room for a prompt beside an answer "
                f"of {self.decoding.max_new_tokens}, which suite {self.suite!r} asks for; leave that task out"
            )
        self.cut = sum(len(prompt.token_ids) > room for prompt in prompts)
        return [replace(prompt, token_ids=prompt.token_ids[-room:]) for prompt in prompts]

    def _cut(self, generation: Generation) -> Generation:
        from lm_eval.models.utils import postprocess_generated_text

        text = postprocess_generated_text(generation.text, list(self.decoding.until), None)
        ended = FinishReason.STOP if len(text) < len(generation.text) else generation.finish_reason
        return replace(generation, text=text, finish_reason=ended)
