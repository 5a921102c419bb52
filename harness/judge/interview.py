"""What a model says before a judge: each question with the turns before it, and the answers as rows without scores."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.answers import Engine, answer
from harness.judge.scoring import reference_text
from harness.prompts import PromptSpec
from harness.types import Example, Generation, Message, ModelRef, Row, Sampling

__all__ = ["Answered", "Interview"]


@dataclass(frozen=True, slots=True)
class Answered:
    """One model's answers, not yet graded.

    Attributes:
        model: whose they are.
        rows: in the order of the plan, without scores.
        said: of rows with earlier turns, the conversation up to the last question, by the row's id.
        fresh: answers computed now.
        seconds: that took.
    """

    model: ModelRef
    rows: tuple[Row, ...]
    said: Mapping[str, str]
    fresh: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Interview:
    """How the questions of a suite are put; fields as in `JudgeSuite`."""

    name: str
    render: PromptSpec
    sampling: Sampling

    def hold(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> Answered:
        """Ask `model` all of it. A turn sees the model's own answers to the turns before."""
        started = time.perf_counter()
        turns = {example.id: self._opening(example) for example in planned}
        said = {example.id: f"User: {example.earlier[0]}" for example in planned if example.earlier}
        fresh = 0
        for turn in range(max((len(example.earlier) for example in planned), default=0)):
            waiting = [example for example in planned if len(example.earlier) > turn]
            answers, count, _ = self._generate(model, [turns[example.id] for example in waiting], engine)
            fresh += count
            for example, generation in zip(waiting, answers, strict=True):
                following = (*example.earlier, example.input)[turn + 1]
                said[example.id] += f"\nModel: {generation.text}\nUser: {following}"
                turns[example.id] += [_turn("assistant", generation.text), _turn("user", following)]
        answers, count, prompts = self._generate(model, [turns[example.id] for example in planned], engine)
        rows = tuple(_row(each, prompt, reply) for each, prompt, reply in zip(planned, prompts, answers, strict=True))
        return Answered(model, rows, said, fresh + count, time.perf_counter() - started)

    def _opening(self, example: Example) -> list[Message]:
        """Chat turns up to the first question of the example."""
        first = replace(example, input=example.earlier[0], earlier=()) if example.earlier else example
        return list(self.render.messages(first))

    def _generate(
        self, model: ModelRef, turns: Sequence[Sequence[Message]], engine: Engine
    ) -> tuple[list[Generation], int, list[str]]:
        prompts = [engine.backend.render(model, each) for each in turns]
        answers, fresh = answer(engine, model, prompts=prompts, sampling=self.sampling, suite=self.name)
        return answers, fresh, [prompt.text for prompt in prompts]


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _row(example: Example, prompt: str, generation: Generation) -> Row:
    return Row(
        id=example.id,
        cluster=example.cluster,
        tags=example.tags,
        prompt=prompt,
        target=reference_text(example),
        output=generation.text,
        finish_reason=generation.finish_reason,
        prompt_tokens=generation.prompt_tokens,
        new_tokens=generation.new_tokens,
        scores=(),
        seconds=generation.seconds,
    )
