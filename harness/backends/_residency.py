"""One base in memory, and at most one adapter on it, switched on and off on that one set of weights."""

import logging
from pathlib import Path
from typing import Any

from harness.backends._folding import Folding, fold
from harness.chat import Tokenizer, load_tokenizer, render
from harness.errors import AdapterWithoutEffect, ModelProblem
from harness.models import locate
from harness.quiet import quiet
from harness.types import ModelRef

__all__ = ["ATTENTION", "Model", "Residency"]

Model = Any
"""A causal language model of transformers, or a PEFT model around one; neither declares types."""

ATTENTION = "sdpa"
"""Attention implementation of every model; part of the batch policy, because another one rounds otherwise."""

PROBES = ("What is the capital of France?", "Write a short list of three colours.", '{"a": 1, "b": [true, null]}')
"""Prompts whose next-token logits tell an adapter from its base."""

_NOT_FINITE = "{}: its logits are not finite; the weights are damaged, or --dtype is too small"
"""NaN is larger than nothing, so that a model full of it still answers, always with one token."""

_Base = tuple[str, str | None, str, str]


class Residency:
    """The model in memory. `switch` makes it answer as one ModelRef; only a change of base loads weights again."""

    def __init__(self, device: str, *, fold: bool = True) -> None:
        """Hold nothing yet.

        Args:
            device: a torch device such as `cpu` or `cuda:0`.
            fold: add an adapter to the base's weights where that answers alike; otherwise as it is served.
        """
        self.device = device
        self.loads = 0
        self._base: _Base | None = None
        self._adapter: str | None = None
        self._idle = False
        self._fold = fold
        self._folding: Folding | None = None
        self._model: Model = None
        self._tokenizers: dict[tuple[str, str | None], Tokenizer] = {}
        self._base_logits: Any = None

    def tokenizer(self, ref: ModelRef) -> Tokenizer:
        """The tokenizer of `ref`'s base; loads no weights."""
        source = (ref.base, ref.revision)
        if source not in self._tokenizers:
            self._tokenizers[source] = load_tokenizer(locate(ref.base, ref.revision))
        return self._tokenizers[source]

    def switch(self, ref: ModelRef) -> Model:
        """The model in evaluation mode, with exactly `ref`'s adapter switched on, or none.

        Raises:
            AdapterWithoutEffect: the probe logits with the adapter equal those without, bit by bit.
            ModelProblem: the weights cannot be loaded, or attaching the adapter changed the base.
        """
        if self._base != _key(ref):
            self._load(ref)
        if ref.adapter is not None and ref.adapter != self._adapter:
            self._attach(ref.adapter, ref)
        if self._folding is not None:
            self._folding.switch(on=ref.adapter is not None)
        elif self._adapter is not None:
            _enable(self._model, on=ref.adapter is not None)
        if ref.adapter is not None and self._idle:
            raise AdapterWithoutEffect(
                f"adapter {ref.name!r} ({ref.adapter}): its logits equal the base's on every probe, so it does "
                "nothing; was the right checkpoint saved?"
            )
        return self._model.eval()

    def _forget(self) -> None:
        self._model = self._base_logits = self._base = self._adapter = self._folding = None

    def _load(self, ref: ModelRef) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self._forget()
        folder = locate(ref.base, ref.revision)
        settings = _quantization(ref)
        try:
            with quiet():
                self._model, found = AutoModelForCausalLM.from_pretrained(
                    folder,
                    output_loading_info=True,
                    dtype=getattr(torch, ref.dtype),
                    device_map={"": self.device},
                    attn_implementation=ATTENTION,
                    trust_remote_code=False,
                    use_safetensors=True,
                    **({"quantization_config": settings} if settings else {}),  # None would hide a quantised folder
                )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelProblem(f"{folder}: the model cannot be loaded on {self.device}: {reason}") from error
        if lost := sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]])):
            self._forget()
            raise ModelProblem(
                f"{folder}: {len(lost)} weights are missing or of another shape, first {lost[0]}, and would be random "
                "numbers; save the model again"
            )
        for module in self._model.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                # its packed form is rounded again whenever PEFT reads the weights, so the base would drift
                module.support_avx512bf16_for_cpu = False
        tokenizer = self.tokenizer(ref)
        rows = self._model.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            raise ModelProblem(
                f"{folder}: {len(tokenizer)} tokens but only {rows} embedding rows; resize the embedding"
            )
        self._model.eval()
        self._base_logits = self._probe(tokenizer)
        if not self._base_logits.isfinite().all():
            self._forget()
            raise ModelProblem(_NOT_FINITE.format(folder))
        self._base = _key(ref)
        self.loads += 1

    def _attach(self, adapter: str, ref: ModelRef) -> None:
        """Put `adapter` on the base in place of any other; note whether it has an effect, and prove the base unhurt."""
        if self._folding is not None:
            self._folding.switch(on=False)
            self._folding = None
        with quiet():
            from peft import PeftModel

            if self._adapter is None:
                self._model = PeftModel.from_pretrained(
                    self._model, adapter, adapter_name=_slot(adapter), torch_device=self.device
                )
            else:
                _enable(self._model, on=True)
                self._model.load_adapter(adapter, _slot(adapter), torch_device=self.device)
                self._model.set_adapter(_slot(adapter))
                self._model.delete_adapter(_slot(self._adapter))
        self._adapter = adapter
        self._model.eval()
        with_adapter = self._probe(self.tokenizer(ref))
        _enable(self._model, on=False)
        if not _close(self._probe(self.tokenizer(ref)), self._base_logits):
            self._forget()
            raise ModelProblem(f"{adapter}: attaching it changes the base, so the two cannot be compared; merge it")
        if not with_adapter.isfinite().all():
            self._forget()
            raise ModelProblem(_NOT_FINITE.format(adapter))
        self._idle = with_adapter.equal(self._base_logits)
        self._folding = self._folded(adapter, with_adapter, self.tokenizer(ref)) if self._fold else None

    def _folded(self, adapter: str, expected: Any, tokenizer: Tokenizer) -> Folding | None:  # noqa: ANN401  # logits
        """The adapter folded into the base, its own layers being off; None where that is not possible or not alike."""
        folding = fold(self._model, _slot(adapter))
        if folding is None:
            return None
        folding.switch(on=True)
        alike = _close(self._probe(tokenizer), expected)
        folding.switch(on=False)
        return folding if alike else None

    def _probe(self, tokenizer: Tokenizer) -> Any:  # noqa: ANN401  # a tensor (probes, vocabulary)
        """Next-token logits of every probe, one prompt at a time, so that no padding is involved."""
        import torch

        prompts = [render(tokenizer, [{"role": "user", "content": text}]) for text in PROBES]
        with torch.inference_mode():
            return torch.cat(
                [
                    self._model(torch.tensor([prompt.token_ids], device=self.device), logits_to_keep=1).logits[:, -1]
                    for prompt in prompts
                ]
            )


def _key(ref: ModelRef) -> _Base:
    return (ref.base, ref.revision, ref.dtype, ref.quantization)


def _slot(adapter: str) -> str:
    """The name of an adapter inside PEFT, where dots would split it."""
    return Path(adapter).resolve().as_posix().replace(".", "_")


def _enable(model: Model, *, on: bool) -> None:
    if on:
        model.base_model.enable_adapter_layers()
    else:
        model.base_model.disable_adapter_layers()


def _close(one: Any, other: Any) -> bool:  # noqa: ANN401  # tensors of one shape
    """Equal up to what a GPU's reductions may vary; a base that lost part of its weights is far outside."""
    spread = float(other.float().std())
    return float((one - other).abs().max()) <= 0.01 * spread


def _quantization(ref: ModelRef) -> Any:  # noqa: ANN401  # a BitsAndBytesConfig, or None
    """How bitsandbytes stores the weights; computing stays in `ref.dtype`."""
    import torch
    from transformers import BitsAndBytesConfig

    match ref.quantization:
        case "none":
            return None
        case "int8":
            # else it says at every layer and step that int8 computes in float16
            logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
            return BitsAndBytesConfig(load_in_8bit=True)
        case "nf4" | "fp4" | "nf4-single" | "fp4-single":
            return BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type=ref.quantization.partition("-")[0],
                bnb_4bit_use_double_quant=not ref.quantization.endswith("-single"),
                bnb_4bit_compute_dtype=getattr(torch, ref.dtype),
            )
    raise ModelProblem(f"quantization {ref.quantization!r} is not known; choose none, int8, nf4 or fp4")
