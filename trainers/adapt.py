"""The adapter on the frozen base: how each variant starts, and how it is saved so that the base needs no change.

PiSSA and OLoRA take their first A and B out of the base's weights, so that in training the base with the adapter
switched off is not the base. PEFT's own conversion undoes that when saving: W' = (W - sA0B0) + sAB is W + s(AB - A0B0),
an ordinary LoRA of twice the rank on the untouched W.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import BadSpec, ModelProblem
from harness.quiet import quiet
from harness.serving import USUAL_RANK, served_by_vllm
from trainers.bases import Model, linear_names
from trainers.encode import IGNORED_LABEL, EncodedRow
from trainers.sections import Lora

__all__ = ["adapt", "export", "notes", "refuse_other"]

REWRITES_BASE = ("pissa", "olora")
"""Variants whose adapter switched off is not the base while they train."""

USUAL_SCALE = (0.5, 4.0)

EVA_ROWS = 64
"""Rows whose activations EVA decomposes; its components hardly move beyond a few batches."""


def adapt(model: Model, lora: Lora, *, rows: Sequence[EncodedRow], base: Path, seed: int, start: Path) -> Model:
    """Put a new adapter on `model`.

    Args:
        model: from `load_base`.
        lora: what the adapter is.
        rows: what it will learn; only `eva` looks at them.
        base: folder of the base's checkpoint; only `loftq` reads its weights.
        seed: of A's first values.
        start: folder that gets the first A and B, where `export` will need them.

    Returns:
        A PEFT model whose trainable parameters are the adapter's.

    Raises:
        BadSpec: `lora.target_modules` names what the model has not, or `eva` has too few tokens to look at.
    """
    with quiet(), warnings.catch_warnings():
        # said of EVA between the two steps that start it
        warnings.filterwarnings("ignore", "lora with eva initialization used", UserWarning)
        from peft import get_peft_model
        from transformers import set_seed

        set_seed(seed)
        wrapped = get_peft_model(model, _peft_config(model, lora))
        match lora.variant:
            case "eva":
                _start_eva(wrapped, rows, lora.rank)
            case "loftq":
                _start_loftq(wrapped, base)
            case "pissa" | "olora":
                wrapped.save_pretrained(start)
    return wrapped


def refuse_other(trained: Model, predicted: int) -> None:
    """Refuse an adapter of another size than its configuration means (ModelProblem)."""
    made = sum(tensor.numel() for tensor in trained.parameters() if tensor.requires_grad)
    if made != predicted:
        raise ModelProblem(
            f"the adapter has {made} trainable parameters, and its configuration means {predicted}; "
            "this architecture needs lora.target_modules by name"
        )


def export(model: Model, folder: Path, *, start: Path) -> None:
    """Save the adapter of a model from `adapt` as an ordinary LoRA of the untouched base.

    Args:
        model: after training.
        folder: gets `adapter_config.json` and `adapter_model.safetensors`.
        start: as given to `adapt`.
    """
    config = model.peft_config["default"]
    with quiet(), warnings.catch_warnings():
        # said when the first A and B are loaded beside the trained ones, which is the conversion
        warnings.filterwarnings("ignore", ".* changes the base weights of the model", UserWarning)
        if str(config.init_lora_weights) in REWRITES_BASE:
            model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(start))
        else:
            config.init_lora_weights = True  # how it started says nothing of what it computes
            config.eva_config = None
            model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT writes a model card with nothing filled in


def notes(lora: Lora) -> tuple[str, ...]:
    """What a person should know of an adapter before it is trained."""
    found = []
    if lora.variant in REWRITES_BASE:
        found.append(
            f"{lora.variant}: while it trains, the base with the adapter off is not the base; what is saved is an "
            f"ordinary LoRA of rank {2 * lora.rank} on the untouched base"
        )
    if lora.variant == "loftq":
        found.append("loftq: the start is not the quantised base but closer to the exact one; off, it is the former")
    if not USUAL_SCALE[0] <= lora.effective_scale <= USUAL_SCALE[1]:
        found.append(
            f"scale {lora.effective_scale:g} is outside {USUAL_SCALE[0]:g} to {USUAL_SCALE[1]:g}, where learning rates "
            "of guides apply: a small one dampens, a large one may diverge"
        )
    rank = 2 * lora.rank if lora.variant in REWRITES_BASE else lora.rank  # as `export` saves it
    served = served_by_vllm({"r": rank, "use_dora": lora.variant == "dora"})
    if rank > USUAL_RANK or not served.startswith("yes"):
        found.append(f"vLLM serves this adapter: {served}")
    return tuple(found)


def _peft_config(model: Model, lora: Lora) -> object:
    from peft import EvaConfig, LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.effective_alpha,
        lora_dropout=lora.dropout,
        target_modules=linear_names(model, lora.target_modules),
        use_rslora=lora.variant == "rslora",
        use_dora=lora.variant == "dora",
        init_lora_weights=lora.variant if lora.variant in ("eva", *REWRITES_BASE) else True,
        eva_config=EvaConfig(rho=1.0) if lora.variant == "eva" else None,  # every layer keeps the rank asked for
        bias="none",
        task_type="CAUSAL_LM",
    )


def _start_eva(model: Model, rows: Sequence[EncodedRow], rank: int) -> None:
    """Set A to the main directions of each layer's inputs on the tokens that are learned."""
    from peft import initialize_lora_eva_weights

    batches, learned = [], 0
    batch: list[EncodedRow] = []
    for row in rows[:EVA_ROWS]:
        batch.append(row)
        learned += sum(label != IGNORED_LABEL for label in row.labels)
        if learned >= 2 * rank:  # with fewer tokens than directions there is nothing to decompose
            batches.append(_padded(batch, model.device))
            batch, learned = [], 0
    if not batches:
        raise BadSpec(
            f"lora.variant = 'eva': the first rows hold {learned} learned tokens, and rank {rank} needs {2 * rank}; "
            "lower the rank or take another variant"
        )
    initialize_lora_eva_weights(model, batches, show_progress_bar=False)


def _padded(rows: Sequence[EncodedRow], device: object) -> dict[str, Any]:
    """The rows as tensors (rows, longest), padded on the right."""
    import torch

    longest = max(len(row.input_ids) for row in rows)
    columns = {
        "input_ids": [(*row.input_ids, *[0] * (longest - len(row.input_ids))) for row in rows],
        "attention_mask": [[place < len(row.input_ids) for place in range(longest)] for row in rows],
        "labels": [(*row.labels, *[IGNORED_LABEL] * (longest - len(row.labels))) for row in rows],
    }
    return {name: torch.tensor(values, dtype=torch.long, device=device) for name, values in columns.items()}


def _start_loftq(model: Model, base: Path) -> None:
    """Set sBA to the best approximation, at this rank, of what 4-bit rounding took from each weight.

    PEFT has this for GPUs only, and leaves out the scale s.
    """
    import torch
    from bitsandbytes.functional import dequantize_4bit

    for name, layer in model.get_base_model().named_modules():
        if not (hasattr(layer, "lora_A") and "default" in layer.lora_A):
            continue
        quantised = layer.get_base_layer().weight
        whole = _stored_weight(base, f"{name}.weight").to(quantised.device, torch.float32)  # (out, in)
        lost = whole - dequantize_4bit(quantised.data, quantised.quant_state).float()
        left, sizes, right = torch.linalg.svd(lost, full_matrices=False)
        rank = layer.r["default"]
        root = (sizes[:rank] / layer.scaling["default"]).sqrt()
        for factor, value in ((layer.lora_A, root[:, None] * right[:rank]), (layer.lora_B, left[:, :rank] * root)):
            weight = factor["default"].weight
            weight.data = value.to(weight.dtype).contiguous()


def _stored_weight(base: Path, name: str) -> Any:  # noqa: ANN401  # a tensor
    """One tensor of a checkpoint, as it lies on disk."""
    from safetensors import safe_open

    for path in sorted(base.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            if name in file.keys():  # noqa: SIM118  # no mapping
                return file.get_tensor(name)
    raise ModelProblem(f"{base}: holds no tensor {name}, which 'loftq' starts from; take another variant")
