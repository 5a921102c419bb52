"""Backend `scripted`: answers from a file in place of a model, for trying out suites and for testing gates.

A model is such a file, or a folder with a `script.json`; an adapter is another one, laid over its base's:

    {"answers": {"What is 2 + 2?": "4", "Count to 1000": {"text": "1, 2, 3,", "truncated": true}},
     "choices": {"What is the capital of France?": "B"},
     "default": "I do not know.", "default_choice": "A"}

`answers` are found by the text of the last user turn, `choices` by the question's text. What nothing names gets the
default. `--backend scripted --model FILE --adapter FILE` then runs the whole gate without weights.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.backends import LoadedModel, Prompt, Usage
from harness.datasets import HALF_CHARACTER
from harness.errors import AdapterWithoutEffect, ModelProblem, UsageProblem
from harness.fingerprint import digest
from harness.types import FinishReason, Generation, ModelRef, Sampling

__all__ = ["SCRIPT_FILE", "Script", "ScriptedBackend", "read_script"]

SCRIPT_FILE = "script.json"

_USER = "<user>"
_KEYS = {"answers", "choices", "default", "default_choice"}


@dataclass(frozen=True, slots=True)
class Script:
    """What a scripted model says.

    Attributes:
        answers: user text -> (answer, whether it was cut short).
        choices: question -> letter of the option that gets the highest likelihood.
        default: answer to every other text.
        default_choice: letter for every other question.
    """

    answers: Mapping[str, tuple[str, bool]]
    choices: Mapping[str, str]
    default: str
    default_choice: str


class ScriptedBackend:
    """Implements `Backend` without a model. `asked` counts what was computed: (model, user text or question)."""

    name = "scripted"

    def __init__(self, batch_size: int = 64) -> None:
        """Answer in batches of `batch_size`, in the order of the prompts."""
        self.asked: list[tuple[str, str]] = []
        self._batch_size = batch_size
        self._seconds = 0.0
        self._new_tokens = self._prompt_tokens = 0

    def identify(self, model: ModelRef) -> ModelRef:
        """See `Backend.identify`; digests are of the scripts.

        Raises:
            AdapterWithoutEffect: the adapter's script changes nothing.
        """
        base, script = read_script(Path(model.base)), _script(model)
        digests = {"weights": digest(_plain(base)), "tokenizer": "utf-8", "template": "roles in angle brackets"}
        if model.adapter is not None:
            digests |= {"adapter": digest(_plain(script)), "pins": "absent"}
            if script == base:
                raise AdapterWithoutEffect(f"adapter {model.name!r}: its script says what the base's says; change it")
        parts = digests | {"quantization": model.quantization, "dtype": model.dtype}
        return replace(model, digests=digests, fingerprint=digest(parts))

    def render(self, model: ModelRef, messages: Sequence[Mapping[str, str]]) -> Prompt:  # noqa: ARG002
        """See `Backend.render`; a token is a byte of UTF-8."""
        text = "".join(f"<{message['role']}>{message['content']}\n" for message in messages)
        return Prompt(text=text, token_ids=tuple(text.encode()))

    def plain(self, model: ModelRef, text: str) -> Prompt:  # noqa: ARG002  # one protocol
        """See `Backend.plain`; the answer is found by the whole text."""
        return Prompt(text=text, token_ids=tuple(text.encode()))

    def context(self, model: ModelRef) -> int | None:  # noqa: ARG002  # one protocol
        """See `Backend.context`."""
        return None

    def policy(self) -> Mapping[str, str]:
        """See `Backend.policy`."""
        return {"engine": f"{self.name}-1", "batch_size": str(self._batch_size), "device": "cpu"}

    def generate(
        self,
        model: ModelRef,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_batch: Callable[[Sequence[tuple[int, Generation]]], None],
    ) -> None:
        """See `Backend.generate`; an answer longer than `max_new_tokens` bytes is cut there."""
        if sampling.schema:
            raise UsageProblem("--backend scripted: says what its file says, no schema can hold it; use --backend hf")
        script = _script(model)
        for start in range(0, len(prompts), self._batch_size):
            started = time.perf_counter()
            batch = range(start, min(start + self._batch_size, len(prompts)))
            pairs = [(index, self._answer(model, script, prompts[index], sampling)) for index in batch]
            self._seconds += (spent := time.perf_counter() - started)
            on_batch([(index, replace(answer, seconds=round(spent, 4))) for index, answer in pairs])

    def loaded(self, model: ModelRef) -> LoadedModel:
        """See `Backend.loaded`; the model answers lm-eval's `loglikelihood` itself and has no tokenizer."""
        return LoadedModel(_Chooser(_script(model), model.name, self.asked), None, self._batch_size)

    def usage(self) -> Usage:
        """See `Backend.usage`; a script takes no memory worth counting."""
        return Usage(0, self._seconds, self._new_tokens, self._prompt_tokens)

    def _answer(self, model: ModelRef, script: Script, prompt: Prompt, sampling: Sampling) -> Generation:
        asked = prompt.text.rpartition(_USER)[2].removesuffix("\n")
        self.asked.append((model.name, asked))
        text, truncated = script.answers.get(asked, (script.default, False))
        ids = text.encode()
        if len(ids) > sampling.max_new_tokens:
            ids, truncated = ids[: sampling.max_new_tokens], True
        self._prompt_tokens += len(prompt.token_ids)
        self._new_tokens += len(ids)
        return Generation(
            text=ids.decode(errors="ignore"),
            token_ids=tuple(ids),
            finish_reason=FinishReason.LENGTH if truncated else FinishReason.STOP,
            prompt_tokens=len(prompt.token_ids),
            new_tokens=len(ids),
        )


@dataclass(frozen=True, slots=True)
class _Chooser:
    """The part of lm-eval's model interface that multiple choice needs."""

    script: Script
    name: str
    asked: list[tuple[str, str]]
    max_length: int = 1 << 20

    def tok_encode(self, text: str) -> list[int]:
        """A token is a byte of UTF-8."""
        return list(text.encode())

    def loglikelihood(self, requests: Sequence[Any], *, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """For each request (context, continuation): likely when the continuation is the scripted letter."""
        del disable_tqdm
        replies = []
        for context, continuation in (request.args for request in requests):
            question = context.rpartition("\n\n")[2].partition("\nA. ")[0]
            self.asked.append((self.name, question))
            right = continuation.strip() == self.script.choices.get(question, self.script.default_choice)
            replies.append((-0.1 if right else -5.0, right))
        return replies


def read_script(base: Path, over: Path | None = None) -> Script:
    """Read a script from a file, or from a folder with `script.json`; what `over` says comes before `base`.

    Raises:
        ModelProblem: there is none, or it is not as the head of this file says.
    """
    layers = [_read(path) for path in (base, over) if path is not None]
    said = {text: answer for layer in layers for text, answer in layer.get("answers", {}).items()}
    named = {key: value for layer in layers for key, value in layer.items()}
    return Script(
        answers={text: (answer, False) if isinstance(answer, str) else _long(answer) for text, answer in said.items()},
        choices={text: letter for layer in layers for text, letter in layer.get("choices", {}).items()},
        default=named.get("default", ""),
        default_choice=named.get("default_choice", "A"),
    )


def _script(model: ModelRef) -> Script:
    return read_script(Path(model.base), Path(model.adapter) if model.adapter else None)


def _read(path: Path) -> dict[str, Any]:
    file = path / SCRIPT_FILE if path.is_dir() else path
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelProblem(f"{file}: not readable as a script ({error}); --backend scripted needs one") from error
    if HALF_CHARACTER.search(json.dumps(values, ensure_ascii=False)):
        raise ModelProblem(f"{file}: holds half of a surrogate pair, which is no character; remove it")
    if not isinstance(values, dict) or not values.keys() <= _KEYS:
        raise ModelProblem(f"{file}: a script is an object with the keys {', '.join(sorted(_KEYS))}")
    return values


def _long(answer: Mapping[str, Any]) -> tuple[str, bool]:
    return str(answer["text"]), bool(answer["truncated"])


def _plain(script: Script) -> list[Any]:
    answers = {asked: list(said) for asked, said in script.answers.items()}
    return [answers, dict(script.choices), script.default, script.default_choice]
