"""Reads a configuration written for axolotl, and says of each of its keys what became of it.

axolotl YAML --translate--> TOML of ours, + what was mapped, + what was not and why
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import BadSpec
from trainers.config import TrainConfig, explain

__all__ = ["Translation", "translate"]


@dataclass(frozen=True, slots=True)
class Translation:
    """A configuration of ours.

    Attributes:
        toml: its text.
        mapped: axolotl's key and value beside ours, one line each.
        left: axolotl's keys that have no counterpart, with the reason.
    """

    toml: str
    mapped: tuple[str, ...]
    left: tuple[str, ...]


Found = Mapping[str, Any]
"""Our dotted keys and their values; empty for a key that has no counterpart."""


def _same(key: str) -> Callable[[Any], Found]:
    return lambda value: {key: value}


def _number(key: str) -> Callable[[Any], Found]:
    return lambda value: {key: float(value)}  # YAML reads 2e-4, without a point, as text


def _choice(key: str, names: Mapping[str, str]) -> Callable[[Any], Found]:
    return lambda value: {key: names[value]} if value in names else {}


def _switch(key: str, on: Any) -> Callable[[Any], Found]:  # noqa: ANN401  # any value of ours
    return lambda value: {key: on} if value else {}


ADAMW = dict.fromkeys(("adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw"), "adamw")
EIGHT_BIT = {"adamw_8bit": "adamw_8bit", "adamw_bnb_8bit": "adamw_8bit", "paged_adamw_8bit": "paged_adamw_8bit"}
PAGED = {"paged_adamw_32bit": "paged_adamw"}

MEANINGS: Mapping[str, Callable[[Any], Found]] = {
    "base_model": _same("model"),
    "base_model_revision": _same("revision"),
    "adapter": _choice("method", {"lora": "sft", "qlora": "sft"}),
    "rl": _choice("method", {"orpo": "orpo"}),
    "orpo_alpha": _number("orpo_beta"),
    "lora_r": _same("lora.rank"),
    "lora_alpha": _same("lora.alpha"),
    "lora_dropout": _number("lora.dropout"),
    "lora_target_modules": lambda value: {} if isinstance(value, str) else {"lora.target_modules": list(value)},
    "lora_target_linear": _switch("lora.target_modules", "all-linear"),
    "peft_use_rslora": _switch("lora.variant", "rslora"),
    "peft_use_dora": _switch("lora.variant", "dora"),
    "load_in_4bit": _switch("quantization.kind", "nf4"),
    "load_in_8bit": _switch("quantization.kind", "int8"),
    "optimizer": _choice("optim.name", ADAMW | EIGHT_BIT | PAGED),
    "learning_rate": _number("optim.learning_rate"),
    "lr_scheduler": _choice(
        "optim.schedule",
        {"cosine": "cosine", "linear": "linear", "constant": "constant", "constant_with_warmup": "constant"},
    ),
    "warmup_ratio": _number("optim.warmup"),
    "weight_decay": _number("optim.weight_decay"),
    "max_grad_norm": _number("optim.max_grad_norm"),
    "num_epochs": _number("epochs"),
    "max_steps": _same("steps"),
    "micro_batch_size": _same("batch_size"),
    "gradient_accumulation_steps": _same("accumulation"),
    "sequence_len": _same("max_length"),
    "sample_packing": _same("packing"),
    "gradient_checkpointing": lambda value: {"gradient_checkpointing": bool(value)},
    "bf16": _switch("dtype", "bfloat16"),
    "seed": _same("seed"),
    "wandb_project": _switch("report_to", ["wandb"]),
    "mlflow_experiment_name": _switch("report_to", ["mlflow"]),
}

REASONS = {
    "output_dir": "give --out",
    "val_set_size": "suites measure on rows of their own; `evaluation.share` sets rows aside to look at their loss",
    "train_on_inputs": "the prompt is never learned",
    "warmup_steps": "give optim.warmup as a share of the steps",
    "early_stopping_patience": "counts losses; early_stopping looks at a suite",
    "fp16": "training is in bfloat16 or float32",
    "tf32": "left to the machine",
    "flash_attention": "attention is chosen by transformers",
    "lora_modules_to_save": "with whole modules trained, switching the adapter off would not restore the base",
    "special_tokens": "the tokenizer is used as it is",
    "trust_remote_code": "code from a model's repository is never run",
    "group_by_length": "rows of like length always lie side by side",
}


def translate(path: Path, values: Mapping[str, Any]) -> Translation:
    """Turn axolotl's keys into ours.

    Args:
        path: of the file, for messages.
        values: its keys and values.

    Raises:
        BadSpec: what comes out is no valid configuration, because a key is missing or a value out of range.
    """
    ours: dict[str, Any] = {} if values.get("adapter") else {"method": "full"}
    mapped, left = [], []
    for key, value in values.items():
        if key == "datasets":
            found, reasons = _rows(value)
            left += reasons
        else:
            found = MEANINGS[key](value) if key in MEANINGS and value is not None else {}
        if found:
            ours |= found
            mapped.append(
                f"{key}: {_short(value)} -> {', '.join(f'{ours_} = {_toml(v)}' for ours_, v in found.items())}"
            )
        elif key != "datasets":
            left.append(f"{key}: {_short(value)} ({REASONS.get(key, 'off, or without a counterpart here')})")
    if values.get("load_in_4bit") and values.get("adapter") == "lora":
        mapped.append("adapter: lora with load_in_4bit -> trained as qlora is")
    tables = _nested(ours)
    try:
        TrainConfig.model_validate(tables)
    except ValidationError as error:
        raise BadSpec(f"{path}: {explain(error)} (after translation from axolotl)") from error
    return Translation(_text(tables), tuple(mapped), tuple(left))


def _rows(datasets: Any) -> tuple[Found, list[str]]:  # noqa: ANN401  # whatever the file holds
    """The first data set, and why others or parts of it are left out."""
    if not isinstance(datasets, list) or not datasets or "path" not in datasets[0]:
        return {}, ["datasets: no path in it"]
    first, *others = datasets
    name = str(first["path"])
    local = name.endswith((".json", ".jsonl")) or name.startswith((".", "/"))
    hub = {"hub": name, "split": first.get("split", "train")} | ({"subset": first["name"]} if "name" in first else {})
    reasons = [
        f"datasets: {other.get('path')} (one data set is trained on; put the files together)" for other in others
    ]
    kind = first.get("type")
    if kind is not None:
        reasons.append(f"datasets.type: {_short(kind)} (the form of a row is recognised by its keys)")
    return {"data": name if local else hub}, reasons


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for key, value in flat.items():
        table, _, name = key.rpartition(".")
        (tables.setdefault(table, {}) if table else tables)[name] = value
    return tables


def _text(tables: Mapping[str, Any]) -> str:
    tops = {key: value for key, value in tables.items() if not isinstance(value, dict) or key == "data"}
    lines = [f"{key} = {_toml(value)}" for key, value in tops.items()]
    for name, table in tables.items():
        if name not in tops:
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:  # noqa: ANN401  # text, number, switch, list or table
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _short(value: Any, length: int = 60) -> str:  # noqa: ANN401  # whatever the file holds
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= length else f"{text[:length]}..."
