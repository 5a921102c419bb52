"""Where answers come from: one backend a file, and the file's name is its `--backend` name.

A backend holds at most one base in memory and switches adapters on and off on that one set of weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.types import Generation, ModelRef, Sampling

__all__ = ["Backend", "LoadedModel", "Prompt", "Usage"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt.

    Attributes:
        text: what the template made of the messages, special tokens included.
        token_ids: the same, tokenized once; no further special tokens are added to it.
    """

    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What measuring cost so far. Bytes, seconds and tokens of this backend since it was made.

    `halvings` counts batches that did not fit into memory and were cut in two.
    """

    peak_memory_bytes: int
    seconds: float
    new_tokens: int
    prompt_tokens: int
    halvings: int = 0


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The model object in memory, switched to one ModelRef; what lm-eval is given.

    `model` is a transformers (or PEFT) model on its device in eval mode, `tokenizer` its tokenizer. Or, with tokenizer
    None, it is an object that answers lm-eval itself: `loglikelihood`, `tok_encode` and `max_length`.
    """

    model: Any
    tokenizer: Any
    batch_size: int


class Backend(Protocol):
    """Everything the evaluator needs of an engine."""

    name: str

    def identify(self, model: ModelRef) -> ModelRef:
        """Fill fingerprint and digests, from files alone: no weights are put in memory.

        Refuses what cannot be trusted: adapter of another base, unexpected or missing adapter keys,
        non-safetensors weights, tokenizer without chat template, pad equal to eos.

        Raises:
            ModelProblem: with one line that says what is wrong, where, and what to do.
        """

    def render(self, model: ModelRef, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Apply the model's chat template with the generation prompt, and tokenize, once."""

    def plain(self, model: ModelRef, text: str) -> Prompt:
        """Tokenize `text` as it is: no template, and special tokens only where the tokenizer puts them by itself."""

    def context(self, model: ModelRef) -> int | None:
        """Tokens that a prompt and its answer may have together; None when the model names no limit. Loads nothing."""

    def policy(self) -> Mapping[str, str]:
        """What else can change an answer: engine and library versions, batch size, device. Enters store keys."""

    def generate(
        self,
        model: ModelRef,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_batch: Callable[[Sequence[tuple[int, Generation]]], None],
    ) -> None:
        """Answer every prompt; `on_batch` gets (index, Generation) pairs as each batch ends, so nothing is lost.

        Loads the model on first use; later calls only switch the adapter.

        Raises:
            AdapterWithoutEffect: the first time an adapter is used and probe logits equal the base's.
        """

    def loaded(self, model: ModelRef) -> LoadedModel:
        """The model in memory, switched to `model`; for lm-eval."""

    def usage(self) -> Usage:
        """What this backend has cost so far."""
