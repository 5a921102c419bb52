"""What a product says about itself: the pins that measuring is held to, and what training was like."""

import json
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.arithmetic import float32_products
from harness.chat import template_digest
from harness.fingerprint import file_digest, weights_digest
from harness.pins import Pins, golden_prompt
from trainers.arguments import LOADER_WORKERS, USE_CACHE
from trainers.config import TrainConfig
from trainers.fit import Fitted
from trainers.material import Material, token_counts

__all__ = ["Company", "pins_of", "plain", "write_summary"]

LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "tokenizers")


def plain(config: TrainConfig) -> Mapping[str, Any]:
    """The configuration as JSON values, with alpha and scale both said, without the folders of this machine."""
    values = config.model_dump(mode="json")
    values["lora"] |= {"alpha": config.lora.effective_alpha, "scale": config.lora.effective_scale}
    del values["interpreter"]
    for key in ("data", "system_file", "replay_data", "against"):
        if isinstance(values[key], str):
            values[key] = Path(values[key]).name
    if values["early_stopping"]:
        values["early_stopping"]["suite"] = Path(values["early_stopping"]["suite"]).name
    return values


def pins_of(material: Material, config: TrainConfig, device: str) -> Pins:
    """The conditions of this training, for `tunegate.json`."""
    return Pins(
        base_digest=weights_digest(material.base),
        system=material.system,
        template_digest=template_digest(material.tokenizer),
        golden_prompt_ids=golden_prompt(material.tokenizer, material.system),
        train_config=plain(config),
        environment={
            "python": platform.python_version(),
            "machine": platform.machine(),
            "device": device,
            "float32_products": float32_products(device),
            "loader_workers": LOADER_WORKERS,
            "use_cache": USE_CACHE,
            **{name: version(name) for name in LIBRARIES},
            **({"unsloth": version("unsloth")} if config.backend == "unsloth" else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class Company:
    """What training was shared with: `k` adapters in one pass, and the wall time of all of them together."""

    k: int
    shared_seconds: float


def write_summary(
    folder: Path, material: Material, fitted: Fitted, config: TrainConfig, company: Company | None = None
) -> Mapping[str, Any]:
    """Write `training.json`, and return what it holds.

    Args:
        folder: of the product.
        material: that was trained on.
        fitted: the outcome. Its seconds are wall time without loading, saving, and measuring for early stopping.
        config: as it ran; the batch is smaller than asked for when memory was short.
        company: of a packed training, whose seconds are its share of the pack's; None for one by itself.
    """
    import torch

    seen = len(material.rows) * fitted.curve[-1].epoch
    on_gpu = torch.cuda.is_available()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    tokens, learned = token_counts(material.rows)
    summary = {
        "data_sha256": file_digest(config.data) if isinstance(config.data, Path) else None,
        "audit": asdict(material.audit),
        "rows": len(material.rows),
        "replayed": material.replayed,
        "tokens": tokens,
        "learned_tokens": learned,
        "trainable_parameters": fitted.trainable_parameters,
        "batch_size": config.batch_size,
        "accumulation": config.accumulation,
        "steps": fitted.curve[-1].step,
        "kept_step": fitted.kept_step,
        "resumed_at": fitted.resumed_at,
        "seconds": fitted.seconds,
        "rows_per_second": seen / fitted.seconds,
        "tokens_per_second": tokens * fitted.curve[-1].epoch / fitted.seconds,
        "packed": asdict(company) if company else None,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if on_gpu else resident,
        "measured": [asdict(item) for item in fitted.measured],
        "curve": [asdict(point) for point in fitted.curve],
        "held_out": _held_out(material, fitted),
    }
    (folder / "training.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def _held_out(material: Material, fitted: Fitted) -> Mapping[str, Any] | None:
    """Rows that were set aside, the tokens of their answers, and their loss in nats a token along the way."""
    if not material.held:
        return None
    losses = [{"step": item.step, "loss": item.loss} for item in fitted.held_out]
    return {"rows": len(material.held), "tokens": token_counts(material.held)[1], "losses": losses}
