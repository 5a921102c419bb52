"""How prompts get answered: what the store knows is not computed again, what is computed is stored at once."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from harness.backends import Backend, Prompt
from harness.errors import NotMeasured
from harness.fingerprint import digest
from harness.store import Store
from harness.types import FinishReason, Generation, Json, ModelRef, Sampling, SuiteResult

__all__ = ["AUTO", "Engine", "Progress", "answer", "repeats_exactly", "untold", "with_dtype"]

AUTO = "auto"
KEY_VERSION = 1  # of the layout of keys and values below; a change makes every stored answer a miss


class Progress(Protocol):
    """Who is told how far a measurement is."""

    def __call__(self, model: str, suite: str, done: int, total: int, tokens: int = 0, /) -> None:
        """Take model, suite, answers so far, answers planned, and tokens that were made since the last call."""


def untold(_model: str, _suite: str, _done: int, _total: int, _tokens: int = 0, /) -> None:
    """Progress that nobody wants to hear of."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a measurement needs besides a model and examples.

    Attributes:
        backend: computes answers.
        store: remembers them.
        repeat: which repetition this is; each one is stored apart, and those above 0 are batched differently.
        progress: told after every batch.
        beside: the base's result of the same suite, when another model is measured; a judge compares with it.
    """

    backend: Backend
    store: Store
    repeat: int = 0
    progress: Progress = untold
    beside: SuiteResult | None = None


def answer(
    engine: Engine, model: ModelRef, *, prompts: Sequence[Prompt], sampling: Sampling, suite: str
) -> tuple[list[Generation], int]:
    """Answer every prompt, from the store where it can.

    Args:
        engine: backend, store, repeat index and progress.
        model: an identified model.
        prompts: rendered for this model; equal prompts are answered once.
        sampling: how text is generated.
        suite: name shown as progress.

    Returns:
        One generation for each prompt, in order, and how many were computed now.

    Raises:
        NotMeasured: the model was not identified, or the backend left prompts without an answer.
    """
    if not model.fingerprint:
        raise NotMeasured(
            f"model {model.name!r} was not identified, so its answers cannot be told from another model's"
        )
    context = {
        "version": KEY_VERSION,
        "model": model.fingerprint,
        "policy": dict(engine.backend.policy()),
        "sampling": asdict(sampling),
        "repeat": engine.repeat,
    }
    keys = [digest({**context, "prompt": list(prompt.token_ids)}) for prompt in prompts]
    known = {key: found for key, value in engine.store.get_many(keys).items() if (found := _generation(value))}
    wanted = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in known}
    engine.progress(model.name, suite, len(known), len(known) + len(wanted))

    for part in _parts(list(wanted), engine.repeat):

        def keep(batch: Sequence[tuple[int, Generation]], part: Sequence[str] = part) -> None:
            new = {part[index]: generation for index, generation in batch}
            engine.store.put_many({key: _stored(generation) for key, generation in new.items()})
            known.update(new)
            tokens = sum(generation.new_tokens for generation in new.values())
            engine.progress(model.name, suite, len(known), len(known.keys() | wanted.keys()), tokens)

        engine.backend.generate(model, [wanted[key] for key in part], sampling, keep)

    if missing := sum(key not in known for key in keys):
        raise NotMeasured(
            f"suite {suite!r}: backend {engine.backend.name!r} left {missing} of {len(keys)} prompts unanswered"
        )
    return [known[key] for key in keys], len(wanted)


def repeats_exactly(backend: Backend, model: ModelRef) -> bool:
    """Whether a repetition must give the same answers by design: unquantised float32 on a CPU, whatever the batches."""
    return backend.policy().get("device") == "cpu" and model.dtype == "float32" and model.quantization == "none"


def with_dtype(backend: Backend, model: ModelRef) -> ModelRef:
    """`model` with the dtype `auto` replaced by what suits the device: bfloat16 on a GPU, float32 elsewhere."""
    if model.dtype != AUTO:
        return model
    return replace(model, dtype="bfloat16" if backend.policy().get("device") == "cuda" else "float32")


def _parts(keys: list[str], repeat: int) -> Iterator[list[str]]:
    """All keys at once; for a repetition two halves of a shuffle, so that every batch has other neighbours."""
    if repeat:
        random.Random(repeat).shuffle(keys)  # noqa: S311  # an order, not a secret
        half = (len(keys) + 1) // 2
        yield from (part for part in (keys[:half], keys[half:]) if part)
    elif keys:
        yield keys


def _stored(generation: Generation) -> Json:
    return {**asdict(generation), "token_ids": list(generation.token_ids)}


def _generation(value: Json) -> Generation | None:
    """Read a stored answer; anything of another shape is a miss, never half trusted."""
    match value:
        case {
            "text": str(text),
            "token_ids": list(token_ids),
            "finish_reason": "stop" | "length" as reason,
            "prompt_tokens": int(prompt_tokens),
            "new_tokens": int(new_tokens),
            **further,
        }:
            measured = further.get("seconds")  # answers of before it was measured have none
            seconds = float(measured) if isinstance(measured, float) else None
            return Generation(text, tuple(token_ids), FinishReason(reason), prompt_tokens, new_tokens, seconds)
    return None
