"""Health: whether an answer is in working order, whatever it says. 1 is healthy, so that a drop can be bounded.

Unlike other metrics these look at truncated answers too, for a loop mostly ends at the limit of tokens.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import NotMeasured
from harness.metrics import Judgement, Metric
from harness.types import Example, FinishReason, Generation, Score

__all__ = ["no_loop", "no_prompt_echo", "no_special_tokens", "not_empty", "not_truncated"]

_LOOP_TIMES = 5
"""How often in a row the same words make a loop."""
_LOOP_WORDS = 32
"""Longest unit that is looked for, in words."""
_LOOP_CHARACTERS = 40
"""Shortest run of a unit of 1 to 8 characters, without regard to words, that makes a loop."""
_ECHO_WORDS = 8
"""How many of the prompt's first words an answer may not begin with; a whole prompt of at least half as many counts."""
_MARKERS = re.compile(
    r"<\|[\w -]{1,40}\|>|</?s>|<(?:pad|unk|bos|eos|mask|sep|cls)>|\[(?:/?INST|PAD|CLS|SEP|UNK|MASK)\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<\uff5c[^<>\uff5c]{1,40}\uff5c>",
    re.IGNORECASE,
)

Look = Callable[[Example, Generation], Judgement]


def not_truncated() -> Metric:
    """0 when the answer ran into `max_new_tokens` (`truncated`)."""

    def look(_example: Example, answer: Generation) -> Judgement:
        cut = answer.finish_reason is FinishReason.LENGTH
        return _found("truncated" if cut else "", "")

    return _Health("not_truncated", look)


def not_empty() -> Metric:
    """0 when the answer holds nothing but white space (`empty`)."""
    return _Health("not_empty", lambda _example, answer: _found("" if answer.text.strip() else "empty", ""))


def no_loop() -> Metric:
    """0 when the answer goes round in circles (`loop`): 1 to 32 words five times in a row, or a run of 40 characters.

    Runs are of 1 to 8 characters over and over, a letter or digit among them, so that ruled lines pass. What the
    reference answer repeats as often is no loop.
    """
    return _Health("no_loop", _look_for_loop)


def no_special_tokens() -> Metric:
    """0 when a chat template's marker stands in the answer's text (`special_token`), such as `<|im_end|>` or `[INST]`.

    True special tokens are left out of the text when it is decoded; what shows here was written as ordinary text, as
    after training on rendered conversations that the tokenizer did not know how to read.
    """

    def look(example: Example, answer: Generation) -> Judgement:
        marks = [mark for mark in _MARKERS.findall(answer.text) if mark not in _reference(example)]
        return _found("special_token" if marks else "", marks[0] if marks else "")

    return _Health("no_special_tokens", look)


def no_prompt_echo() -> Metric:
    """0 when the answer says the question again (`prompt_echo`): begins with its first 8 words, or holds all of it.

    A question of fewer than 4 words is never an echo, nor is one that the reference answer says again too.
    """

    def look(example: Example, answer: Generation) -> Judgement:
        echo = _echo(example.input, answer.text)
        return _found("prompt_echo" if echo and not _echo(example.input, _reference(example)) else "", echo)

    return _Health("no_prompt_echo", look)


@dataclass(frozen=True, slots=True)
class _Health:
    name: str
    look: Look
    version: int = 1
    chance: float = 0.0

    @property
    def spec(self) -> Mapping[str, str]:
        return {"name": self.name, "version": str(self.version)}

    def refuse_unfit(self, examples: Sequence[Example]) -> None:
        """Any example will do."""

    def __call__(self, examples: Sequence[Example], generations: Sequence[Generation]) -> list[Score]:
        if len(examples) != len(generations):
            raise NotMeasured(f"metric {self.name!r}: {len(generations)} answers for {len(examples)} examples")
        return [
            Score(self.name, *self.look(example, given)) for example, given in zip(examples, generations, strict=True)
        ]


def _found(fault: str, where: str) -> Judgement:
    return Judgement(0.0 if fault else 1.0, where, fault or "ok")


def _look_for_loop(example: Example, answer: Generation) -> Judgement:
    words, reference = answer.text.split(), _reference(example)
    unit = _repeated(words, range(1, _LOOP_WORDS + 1), lambda size: size * _LOOP_TIMES)
    if unit and _repeated(reference.split(), range(1, _LOOP_WORDS + 1), lambda size: size * _LOOP_TIMES) != unit:
        return _found("loop", " ".join(unit))
    run = _repeated(answer.text, range(1, 9), lambda _size: _LOOP_CHARACTERS)
    if any(map(str.isalnum, run)) and _repeated(reference, range(1, 9), lambda _size: _LOOP_CHARACTERS) != run:
        return _found("loop", "".join(run))
    return _found("", "")


def _repeated(items: Sequence[str], sizes: range, least: Callable[[int], int]) -> list[str]:
    """The first unit that fills at least `least(size)` items in a row by itself; linear in the items for each size."""
    for size in sizes:
        same = 0
        for index in range(size, len(items)):
            same = same + 1 if items[index] == items[index - size] else 0
            if same + size >= least(size) and same >= size:
                return list(items[index - size + 1 : index + 1])
    return []


def _echo(question: str, text: str) -> str:
    asked, said = (re.findall(r"\w+", part.casefold()) for part in (question, text))
    start = asked[:_ECHO_WORDS]
    if len(asked) >= _ECHO_WORDS and said[:_ECHO_WORDS] == start:
        return " ".join(start)
    whole = " ".join(asked)
    return whole if len(asked) >= _ECHO_WORDS // 2 and f" {whole} " in f" {' '.join(said)} " else ""


def _reference(example: Example) -> str:
    return example.target if isinstance(example.target, str) else json.dumps(example.target, ensure_ascii=False)
