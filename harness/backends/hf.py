"""Backend `hf`: transformers models in this process, in length-sorted, left-padded batches."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Protocol

from harness.arithmetic import float32_products
from harness.backends import LoadedModel, Prompt, Usage
from harness.backends._residency import ATTENTION, Model, Residency
from harness.chat import Tokenizer, render
from harness.errors import ModelProblem, UsageProblem
from harness.models import identify, locate
from harness.types import FinishReason, Generation, ModelRef, Sampling

__all__ = ["HfBackend", "stop_ids"]

ENGINE_VERSION = "2"
"""Raise it when a change of this file or its siblings can change an answer; stored answers then no longer count."""

_LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "llguidance")


class Resident(Protocol):
    """What holds the model in memory; `Residency` is one."""

    device: str

    def tokenizer(self, ref: ModelRef) -> Tokenizer:
        """The tokenizer of `ref`'s base."""

    def switch(self, ref: ModelRef) -> Model:
        """The model in evaluation mode, answering as `ref`."""


class HfBackend:
    """Answers with models that fit on one device. Implements `Backend`; nothing is loaded before it is needed."""

    name = "hf"

    def __init__(
        self, device: str = "auto", batch_size: int = 64, *, resident: Resident | None = None, fold: bool = True
    ) -> None:
        """Choose where to compute.

        Args:
            device: a torch device such as `cpu` or `cuda:0`; `auto` takes the GPU when there is one.
            batch_size: most prompts decoded together, at least 1.
            resident: holds the model in memory already; otherwise one is made on first use, on `device`.
            fold: whether an adapter may be added to the base's weights; False measures it as it is served.

        Raises:
            UsageProblem: the batch size is below 1.
        """
        if batch_size < 1:
            raise UsageProblem(f"--batch-size {batch_size}: give at least 1")
        # Read once, when torch is first imported. Threads that spin while they wait are many times slower on a shared
        # machine; threads that sleep at once are a quarter slower on a quiet one. A short spin costs neither.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
        self._device_wanted = device
        self._batch_size = batch_size
        self._residency = resident
        self._fold = fold
        self._seconds = 0.0
        self._new_tokens = self._prompt_tokens = self._halvings = 0

    def identify(self, model: ModelRef) -> ModelRef:
        """See `Backend.identify`."""
        return identify(model)

    def render(self, model: ModelRef, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """See `Backend.render`."""
        return render(self._resident().tokenizer(model), messages)

    def plain(self, model: ModelRef, text: str) -> Prompt:
        """See `Backend.plain`; a text that begins with the token of beginnings gets no second one."""
        tokenizer = self._resident().tokenizer(model)
        begun = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
        return Prompt(text=text, token_ids=tuple(tokenizer(text, add_special_tokens=not begun)["input_ids"]))

    def context(self, model: ModelRef) -> int | None:
        """See `Backend.context`."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(locate(model.base, model.revision), trust_remote_code=False)
        return getattr(config.get_text_config(), "max_position_embeddings", None)

    def policy(self) -> Mapping[str, str]:
        """See `Backend.policy`. `device` is the type alone (`cpu`, `cuda`)."""
        device = self._resident().device.partition(":")[0]
        return {
            "engine": f"{self.name}-{ENGINE_VERSION}",
            "batch_size": str(self._batch_size),
            "device": device,
            "attention": ATTENTION,
            "float32_products": float32_products(device),
            "use_cache": "true",
        } | {library: version(library) for library in _LIBRARIES}

    def generate(
        self,
        model: ModelRef,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_batch: Callable[[Sequence[tuple[int, Generation]]], None],
    ) -> None:
        """See `Backend.generate`. Batches are cut from the prompts sorted by length, then index, longest first.

        A batch that does not fit into memory is halved and tried again; `usage().halvings` counts how often.

        Raises:
            ModelProblem: a prompt is empty, or longer with its answer than the model's context, or does not fit
                into memory even alone.
        """
        if not prompts:
            return
        resident = self._resident()
        loaded = resident.switch(model)
        tokenizer = resident.tokenizer(model)
        _refuse_overlong(model, loaded, prompts, sampling)
        stop = stop_ids(loaded, tokenizer)
        order = sorted(range(len(prompts)), key=lambda index: (-len(prompts[index].token_ids), index))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            started = time.perf_counter()
            batch_of = [(index, prompts[index]) for index in batch]
            for part, answers in self._decode(loaded, batch_of, sampling, stop=stop, tokenizer=tokenizer):
                self._seconds += (spent := time.perf_counter() - started)
                pairs = [
                    (index, replace(_generation(tokenizer, prompts[index], ids, stop), seconds=round(spent, 4)))
                    for index, ids in zip(part, answers, strict=True)
                ]
                self._new_tokens += sum(generation.new_tokens for _, generation in pairs)
                self._prompt_tokens += sum(generation.prompt_tokens for _, generation in pairs)
                on_batch(pairs)
                started = time.perf_counter()

    def write(self, model: ModelRef, prompts: Sequence[Prompt], tokens: int) -> list[list[int]]:
        """New token ids of each prompt, exactly `tokens` of them, from one batch: for measuring speed, not answers.

        Nothing ends an answer, so that all models do the same work. When it returns, the device has finished.

        Raises:
            ModelProblem: as `generate`, but a batch that does not fit into memory is not halved.
        """
        import torch

        from harness.backends._decode import decode

        loaded, sampling = self._resident().switch(model), Sampling(tokens)
        _refuse_overlong(model, loaded, prompts, sampling)
        try:
            return decode(loaded, prompts, sampling, stop=frozenset())  # it reads every token, so it waits for each
        except torch.OutOfMemoryError as error:
            raise ModelProblem(
                f"model {model.name!r}: {len(prompts)} prompts do not fit into memory at once on {loaded.device}; "
                "ask with fewer rows, or use a smaller dtype or --quantization"
            ) from error

    def loaded(self, model: ModelRef) -> LoadedModel:
        """See `Backend.loaded`."""
        resident = self._resident()
        return LoadedModel(resident.switch(model), resident.tokenizer(model), self._batch_size)

    def usage(self) -> Usage:
        """See `Backend.usage`. Peak memory is the GPU's when one is used, else this process's resident set."""
        return Usage(
            peak_memory_bytes=_peak_memory(self._resident().device),
            seconds=self._seconds,
            new_tokens=self._new_tokens,
            prompt_tokens=self._prompt_tokens,
            halvings=self._halvings,
        )

    def _resident(self) -> Resident:
        if self._residency is None:
            self._residency = Residency(_device(self._device_wanted), fold=self._fold)
        return self._residency

    def _decode(
        self,
        model: Model,
        batch: Sequence[tuple[int, Prompt]],
        sampling: Sampling,
        *,
        stop: frozenset[int],
        tokenizer: Tokenizer,
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Indices and new token ids of the batch, in as few parts as memory allows."""
        import torch

        from harness.backends._decode import decode
        from harness.backends._grammar import Grammar

        try:
            grammar = Grammar(sampling.schema, tokenizer, stop=stop, rows=len(batch)) if sampling.schema else None
            answers = decode(model, [prompt for _, prompt in batch], sampling, stop=stop, grammar=grammar)
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                tokens = len(batch[0][1].token_ids)
                raise ModelProblem(
                    f"one prompt of {tokens} tokens does not fit into memory on {model.device}; use a smaller dtype, "
                    "--quantization, or a larger device"
                ) from error
        else:
            yield [index for index, _ in batch], answers
            return
        self._halvings += 1
        torch.cuda.empty_cache()
        middle = len(batch) // 2
        yield from self._decode(model, batch[:middle], sampling, stop=stop, tokenizer=tokenizer)
        yield from self._decode(model, batch[middle:], sampling, stop=stop, tokenizer=tokenizer)


def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageProblem(f"--device {wanted}: not usable here ({reason}); try cpu") from error
    return wanted


def _refuse_overlong(ref: ModelRef, model: Model, prompts: Sequence[Prompt], sampling: Sampling) -> None:
    longest = max(len(prompt.token_ids) for prompt in prompts)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not all(prompt.token_ids for prompt in prompts):
        raise ModelProblem(f"model {ref.name!r}: a prompt has no tokens; its template wrote nothing")
    if context is not None and longest + sampling.max_new_tokens > context:
        raise ModelProblem(
            f"model {ref.name!r}: the longest prompt has {longest} tokens, which with max_new_tokens="
            f"{sampling.max_new_tokens} exceeds its context of {context}; shorten the prompt or lower max_new_tokens"
        )


def stop_ids(model: Model, tokenizer: Tokenizer) -> frozenset[int]:
    """Every token that ends an answer: chat models often name several in their generation config."""
    named = model.generation_config.eos_token_id
    ids = {named} if isinstance(named, int) else set(named or ())
    return frozenset(ids | {tokenizer.eos_token_id}) - {None}


def _generation(tokenizer: Tokenizer, prompt: Prompt, ids: list[int], stop: frozenset[int]) -> Generation:
    stopped = ids[-1] in stop
    return Generation(
        text=tokenizer.decode(
            ids[:-1] if stopped else ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        ),
        token_ids=tuple(ids),
        finish_reason=FinishReason.STOP if stopped else FinishReason.LENGTH,
        prompt_tokens=len(prompt.token_ids),
        new_tokens=len(ids),
    )


def _peak_memory(device: str) -> int:
    import resource
    import sys

    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB
