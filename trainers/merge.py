"""Merging: an adapter written into the weights of its base, and how far the result is from adapter-on-base.

    base            the exact base, W + sBA; stored in `dtype`
    nf4-roundtrip   the base as 4-bit training saw it, dequantised: D(Q(W)) + sBA; stored in `dtype`
    nf4             the quantised base itself: Q(D(Q(W)) + sBA), rounded once more; stored in 4 bits

The reference is the adapter on the base it was trained on, quantised as in training. What is measured is the folder
that was written, loaded again.
"""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from harness.adapters import check_adapter
from harness.chat import Tokenizer, load_tokenizer, render
from harness.errors import ModelProblem
from harness.fingerprint import adapter_digest, digest, weights_digest
from harness.models import locate
from harness.pins import read_pins
from harness.quiet import quiet
from harness.types import Message
from trainers.bases import Model, copy_tokenizer, load_base
from trainers.product import make_product
from trainers.sections import Quantization

__all__ = ["Drift", "Into", "merge"]

Into = Literal["base", "nf4-roundtrip", "nf4"]

PROBES = (
    "What is the capital of France?",
    "Write a short list of three colours.",
    'Return {"a": 1, "b": [true, null]} unchanged.',
    "Summarise in one sentence: the ship left the harbour at dawn and was back before the storm.",
    "A baker sells 12 loaves at 3 euros each. How much is that?",
    "Translate to German: good morning, my friend.",
)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a merged model is from adapter-on-base, over every position of the probe prompts.

    Attributes:
        max_logit: largest absolute difference of a logit.
        mean_kl: mean Kullback-Leibler divergence from the reference, in nats a token.
        agreement: share of positions with the same most likely token, in [0, 1].
        positions: how many positions that is.
    """

    max_logit: float
    mean_kl: float
    agreement: float
    positions: int


def merge(adapter: Path, out: Path, *, into: Into = "base", model: str = "", dtype: str = "auto") -> Drift:
    """Write a merged model into `out`, with its tokenizer, `merge.json` and `COMPLETE`.

    Args:
        adapter: an adapter folder.
        out: made last, whole; found there already, it is measured no more.
        into: what the adapter is merged with.
        model: the base; that of the adapter's pins unless given.
        dtype: of the stored weights: `float32`, `bfloat16`, `float16`, or `auto` for the base's own.

    Returns:
        The measured distance, which `merge.json` holds too.

    Raises:
        ModelProblem: the base is not known, or adapter and base do not belong together.
        BadRunDirectory: `out` holds something else.
    """
    pins = read_pins(adapter)
    known = str(pins.train_config.get("model", "")) if pins else ""
    if not (model or known):
        raise ModelProblem(f"{adapter}: pins no base; give it with --model")
    base = locate(model or known, pins.train_config.get("revision") if pins and not model else None)
    tokenizer = load_tokenizer(base)
    check_adapter(adapter, base=base, base_digest=weights_digest(base), tokenizer=tokenizer)
    trained = pins.train_config.get("quantization", {}) if pins else {}
    job = digest({"adapter": adapter_digest(adapter), "base": weights_digest(base), "into": into, "dtype": dtype})

    def work(folder: Path) -> None:
        prompts = _prompts(tokenizer, pins.system if pins else "")
        reference = _logits(_with_adapter(base, adapter, Quantization(**trained)), prompts)
        merged = _MERGES[into](base, adapter)
        if into != "nf4":
            merged = merged.to(_dtype(base, dtype))
        merged.save_pretrained(folder)
        copy_tokenizer(base, folder)
        drift = _drift(reference, _logits(_load(folder), prompts))
        report = {"adapter": adapter.name, "into": into, "trained_on": trained.get("kind", "none"), **asdict(drift)}
        (folder / "merge.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    make_product(out, job, work)
    report = json.loads((out / "merge.json").read_text(encoding="utf-8"))
    return Drift(**{name: report[name] for name in Drift.__slots__})


def _load(folder: Path, quantization: Quantization | None = None) -> Model:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load_base(folder, dtype="float32", quantization=quantization or Quantization(), device=device)


def _with_adapter(base: Path, adapter: Path, quantization: Quantization) -> Model:
    from peft import PeftModel

    with quiet():
        return PeftModel.from_pretrained(_load(base, quantization), adapter)


def _into_base(base: Path, adapter: Path) -> Model:
    return _with_adapter(base, adapter, Quantization()).merge_and_unload(safe_merge=True)


def _into_nf4(base: Path, adapter: Path) -> Model:
    model = _with_adapter(base, adapter, Quantization(kind="nf4"))
    with warnings.catch_warnings():
        # that rounding changes answers: how much is what is measured
        warnings.filterwarnings("ignore", "Merge lora module to 4-bit linear", UserWarning)
        return model.merge_and_unload(safe_merge=True)


def _into_roundtrip(base: Path, adapter: Path) -> Model:
    from bitsandbytes.functional import dequantize_4bit
    from peft import PeftModel

    rounded, exact = _load(base, Quantization(kind="nf4")), _load(base)
    for name, layer in rounded.named_modules():
        if getattr(getattr(layer, "weight", None), "quant_state", None) is not None:
            values = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
            exact.get_submodule(name).weight.data.copy_(values)
    with quiet():
        return PeftModel.from_pretrained(exact, adapter).merge_and_unload(safe_merge=True)


_MERGES = {"base": _into_base, "nf4-roundtrip": _into_roundtrip, "nf4": _into_nf4}


def _dtype(base: Path, wanted: str) -> Any:  # noqa: ANN401  # a dtype of torch
    import torch
    from transformers import AutoConfig

    if wanted != "auto":
        return getattr(torch, wanted)
    return AutoConfig.from_pretrained(base, trust_remote_code=False).dtype or torch.float32


def _prompts(tokenizer: Tokenizer, system: str) -> list[tuple[int, ...]]:
    head: list[Message] = [{"role": "system", "content": system}] if system else []
    return [render(tokenizer, [*head, {"role": "user", "content": text}]).token_ids for text in PROBES]


def _logits(model: Model, prompts: list[tuple[int, ...]]) -> Any:  # noqa: ANN401  # a tensor (positions, vocabulary)
    import torch

    model.eval()
    with torch.inference_mode():
        found = [model(torch.tensor([ids], device=model.device)).logits[0].float().cpu() for ids in prompts]
    return torch.cat(found)


def _drift(reference: Any, merged: Any) -> Drift:  # noqa: ANN401  # tensors (positions, vocabulary)
    expected, found = reference.log_softmax(dim=-1), merged.log_softmax(dim=-1)
    return Drift(
        max_logit=float((reference - merged).abs().max()),
        mean_kl=float((expected.exp() * (expected - found)).sum(dim=-1).mean()),
        agreement=float((reference.argmax(dim=-1) == merged.argmax(dim=-1)).float().mean()),
        positions=len(reference),
    )
