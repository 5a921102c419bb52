"""Which points of a sweep are trained together, and why the others are not.

A pack agrees on everything but the adapter and its updates: on the base and its precision, on the rows and their order
(so also on the seed), on batch, steps and length.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import BadSpec
from harness.fingerprint import digest
from trainers.config import TrainConfig
from trainers.planning.shapes import read_shape

__all__ = ["Packs", "group", "hindrance"]

OWN: Mapping[str, Any] = {"lora": True, "optim": True, "checkpoints": {"seconds"}}
"""What may differ within a pack."""

Packs = tuple[tuple[str, ...], ...]
"""Names of those that are trained together; a pack of one takes less time than the ordinary trainer, too."""


def group(configs: Mapping[str, TrainConfig], base: Path) -> tuple[Packs, dict[str, str]]:
    """Put points together.

    Args:
        configs: by the points' names.
        base: folder of their base.

    Returns:
        The packs; and for every point that is in none why it is trained by itself.
    """
    alike: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    own = own_dropout(base)
    for name, config in configs.items():
        if reason := hindrance(config) or own:
            reasons[name] = reason
        else:
            alike.setdefault(digest(config.model_dump(mode="json", exclude=dict(OWN))), []).append(name)
    return tuple(map(tuple, alike.values())), reasons


def hindrance(config: TrainConfig) -> str:
    """Why a configuration cannot be packed, in words; empty when it can."""
    reasons = {
        f"method {config.method}": config.method != "sft",
        f"backend {config.backend}": config.backend != "trl",
        "an interpreter of its own": config.interpreter is not None,
        f"variant {config.lora.variant}": config.lora.variant not in ("lora", "rslora"),
        f"optimiser {config.optim.name}": config.optim.name != "adamw",
        "early stopping": config.early_stopping is not None,
        "rows set aside to look at": config.evaluation is not None,
        "adapters kept from along the way": config.checkpoints.keep > 0,
        "rows joined into blocks": config.packing,
        "experiment trackers": bool(config.report_to),
        "dtype bfloat16, which on a CPU is another arithmetic": config.dtype == "bfloat16",
    }
    found = next((reason for reason, holds in reasons.items() if holds), "")
    if found:
        return found
    try:
        read_shape(config.model)
    except BadSpec:
        return "an architecture that is not known to keep rows apart"
    return ""


def own_dropout(base: Path) -> str:
    """Why a base that drops out by itself cannot be packed: its masks would be another's in other company."""
    values = json.loads((base / "config.json").read_text(encoding="utf-8"))
    for key, value in values.items():
        if key.endswith(("dropout", "pdrop")) and isinstance(value, int | float) and value > 0:
            return f"the base's own {key}"
    return ""
