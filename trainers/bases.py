"""The frozen model that an adapter is trained on: how it is put in memory, where it stops, what LoRA may target."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from harness.chat import Tokenizer
from harness.errors import BadSpec, ModelProblem
from harness.quiet import quiet
from trainers.sections import Quantization

__all__ = ["Model", "copy_tokenizer", "linear_names", "load_base", "stop_ids"]

BESIDE_WEIGHTS = ("tokenizer*", "*_tokens*.json", "vocab.*", "merges.txt", "chat_template*", "generation_config.json")

Model = Any
"""A causal language model of transformers, which declares no types."""


def load_base(folder: Path, *, dtype: str, quantization: Quantization, device: str) -> Model:
    """The causal language model in `folder`, in training precision.

    Args:
        folder: of a transformers checkpoint, from `harness.models.locate`.
        dtype: `float32` or `bfloat16`, of the weights that are not quantised and of the arithmetic.
        quantization: as when the adapter is measured.
        device: `cpu` or `cuda`.

    Raises:
        ModelProblem: weights that are not safetensors, or an architecture that is not known.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            settings = _bitsandbytes(quantization, dtype)
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, dtype),
                device_map={"": device},
                use_safetensors=True,
                trust_remote_code=False,
                **({"quantization_config": settings} if settings else {}),  # None would hide that a folder is quantised
            )
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelProblem(f"{folder}: the model cannot be loaded ({reason})") from error
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # its packed weights are rounded once more than those measured
    return model


def stop_ids(folder: Path, tokenizer: Tokenizer) -> frozenset[int]:
    """Tokens that end an answer when this base generates: those of its configuration, and the tokenizer's own.

    Raises:
        ModelProblem: there is none, so that no answer could ever end.
    """
    found = {tokenizer.eos_token_id}
    for name in ("generation_config.json", "config.json"):
        if (folder / name).is_file():
            value = json.loads((folder / name).read_text(encoding="utf-8")).get("eos_token_id")
            found.update(value if isinstance(value, list) else [value])
    if tokenizer.eos_token_id is None:
        raise ModelProblem(f"{folder}: the tokenizer has no end-of-text token; set eos_token in tokenizer_config.json")
    return frozenset(token for token in found if token is not None)


def copy_tokenizer(base: Path, folder: Path) -> None:
    """Copy the tokenizer, the template and how answers end, byte for byte, so that a model folder can be asked."""
    for pattern in BESIDE_WEIGHTS:
        for path in base.glob(pattern):
            shutil.copyfile(path, folder / path.name)


def linear_names(model: Model, target_modules: str | tuple[str, ...]) -> str | list[str]:
    """The module names that a LoRA targets, checked against `model`.

    Args:
        model: from `load_base`.
        target_modules: `all-linear`, one of the groups `attention`, `mlp`, `qv`, or names of modules.

    Raises:
        BadSpec: the model has no such module; PEFT would leave a misspelt one of several names out, silently.
    """
    if target_modules == "all-linear":
        return "all-linear"
    groups = {
        "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
        "mlp": ("gate_proj", "up_proj", "down_proj"),
        "qv": ("q_proj", "v_proj"),
    }
    names = groups[target_modules] if isinstance(target_modules, str) else target_modules
    linear = {id(part): name for name, part in model.named_modules() if getattr(part, "in_features", 0)}
    linear.pop(id(model.get_output_embeddings()), None)  # all-linear leaves it out, and so do we
    known = {name.rpartition(".")[2] for name in linear.values()}
    missing = ", ".join(name for name in names if name not in known)
    if missing:
        has = ", ".join(sorted(known))
        raise BadSpec(f"lora.target_modules: the model has no linear layer {missing}; it has {has}")
    return list(names)


def _bitsandbytes(quantization: Quantization, dtype: str) -> object:
    """The settings of bitsandbytes, equal to those that the adapter is measured with; None for `none`."""
    from transformers import BitsAndBytesConfig

    match quantization.kind:
        case "int8":
            # it says at every layer and step that int8 computes in float16
            logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
            return BitsAndBytesConfig(load_in_8bit=True)
        case "nf4" | "fp4":
            return BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type=quantization.kind,
                bnb_4bit_use_double_quant=quantization.double,
                bnb_4bit_compute_dtype=dtype,
            )
    return None
