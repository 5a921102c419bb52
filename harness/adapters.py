"""Whether an adapter folder belongs to a base: its files are read, its base's weights are not.

PEFT itself loads an adapter of another base without a word when the shapes agree, skips keys that it does not
know, and leaves missing ones at their random start. Here each of these is an error.
"""

import json
from pathlib import Path
from typing import Any

from harness.chat import Tokenizer, template_digest
from harness.errors import AdapterMismatch, ModelProblem
from harness.pins import golden_prompt, read_pins
from harness.quiet import quiet

__all__ = ["check_adapter"]

Shapes = dict[str, tuple[int, ...]]

_REWRITES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Starts of training that also change the base's weights, so that adapter-off is not the base any more."""


def check_adapter(folder: Path, *, base: Path, base_digest: str, tokenizer: Tokenizer) -> None:
    """Refuse an adapter that is not exactly a LoRA of this base.

    Args:
        folder: of the adapter: `adapter_config.json`, `adapter_model.safetensors`, and its pins if it has any.
        base: model folder.
        base_digest: `weights_digest(base)`.
        tokenizer: the base's.

    Raises:
        ModelProblem: files are missing, unsafe, or of a kind whose adapter-off state is not the base.
        AdapterMismatch: other base or template than pinned, or tensors missing, unexpected or of another shape.
    """
    config = _config(folder)
    _check_pins(folder, base_digest, tokenizer)
    _check_tensors(folder, _expected(folder, base, config), _stored(folder))


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "adapter_model.safetensors").exists():
        other = "; adapter_model.bin can run code when loaded" if (folder / "adapter_model.bin").exists() else ""
        raise ModelProblem(
            f"{folder}: no adapter_model.safetensors{other}; save the adapter with PEFT's save_pretrained"
        )
    try:
        config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelProblem(f"{folder}/adapter_config.json: not readable ({error})") from error
    if config.get("peft_type") != "LORA":
        raise ModelProblem(f"{folder}: only LoRA adapters are measured, this is {config.get('peft_type')}; merge it")
    start = str(config.get("init_lora_weights"))
    if start.startswith(_REWRITES_BASE):
        raise ModelProblem(
            f"{folder}: training started by {start}, which rewrote the base; convert it with PEFT's "
            "save_pretrained(path_initial_model_for_weight_conversion=...), or merge it and give --base"
        )
    if config.get("bias", "none") != "none" or config.get("modules_to_save") or config.get("trainable_token_indices"):
        raise ModelProblem(
            f"{folder}: it trains biases or whole modules of the base, so switching it off does not restore the base; "
            "merge it, and measure with --model MERGED --base BASE"
        )
    return config


def _check_pins(folder: Path, base_digest: str, tokenizer: Tokenizer) -> None:
    pins = read_pins(folder)
    if pins is None:
        return
    if pins.base_digest != base_digest:
        raise AdapterMismatch(
            f"{folder}: trained on another base (its weights {pins.base_digest[:12]}, these {base_digest[:12]}); "
            "give --model the base it was trained on, or train again"
        )
    if pins.template_digest != template_digest(tokenizer):
        raise AdapterMismatch(
            f"{folder}: trained with another chat template than the base's; restore it or train again"
        )
    if pins.golden_prompt_ids != golden_prompt(tokenizer, pins.system):
        raise AdapterMismatch(
            f"{folder}: the golden prompt gives other token ids than in training; the tokenizer changed: restore it"
        )


def _stored(folder: Path) -> Shapes:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / "adapter_model.safetensors", framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # no dict
    except (SafetensorError, OSError) as error:
        raise ModelProblem(f"{folder}/adapter_model.safetensors: damaged ({error}); save the adapter again") from error


def _expected(folder: Path, base: Path, config: dict[str, Any]) -> Shapes:
    """Tensors that PEFT makes for this configuration on this base, found on a model without memory."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        with quiet(), torch.device("meta"):
            from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

            skeleton = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, trust_remote_code=False))
            wrapped = get_peft_model(skeleton, LoraConfig.from_pretrained(folder), low_cpu_mem_usage=True)
    except (OSError, ValueError) as error:
        targets = (
            ", ".join(config.get("target_modules") or ()) if isinstance(config.get("target_modules"), list) else ""
        )
        raise AdapterMismatch(
            f"{folder}: does not fit {base} ({str(error).partition(chr(10))[0][:160]}); its targets are {targets[:120]}"
        ) from error
    state = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _check_tensors(folder: Path, expected: Shapes, stored: Shapes) -> None:
    missing, unexpected = sorted(expected.keys() - stored.keys()), sorted(stored.keys() - expected.keys())
    if missing or unexpected:
        raise AdapterMismatch(
            f"{folder}: {len(missing)} tensors missing and {len(unexpected)} unexpected for this base, "
            f"first {(missing or unexpected)[0]}; it is of another base, or was saved only in part"
        )
    for name, shape in expected.items():
        if stored[name] != shape:
            raise AdapterMismatch(
                f"{folder}: {name} has shape {stored[name]}, this base needs {shape}; it is of another base"
            )
