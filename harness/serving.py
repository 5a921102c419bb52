"""What vLLM says to an adapter: it reads `adapter_config.json` when it loads one, and serves plain LoRA only.

Source: vLLM's `lora/peft_helper.py` and `config/lora.py`, 0.11 and later.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.types import Json

__all__ = ["USUAL_RANK", "adapter_shape", "rank_flag", "served_by_vllm"]

USUAL_RANK = 16
"""The largest rank that vLLM serves without being told."""
_RANKS = (16, 32, 64, 128, 256, 320, 512)
"""Values of `--max-lora-rank` from its default up; no other number is taken."""
_SHAPE = ("r", "lora_alpha", "use_rslora", "use_dora", "bias", "modules_to_save", "rank_pattern", "alpha_pattern")
_MERGE = "merge it first (python -m trainers merge), and gate the merged model"


def adapter_shape(folder: Path) -> dict[str, Json] | None:
    """The keys of `adapter_config.json` that decide who can serve it; None when the file cannot be read."""
    try:
        said = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {key: said[key] for key in _SHAPE if key in said} if isinstance(said, dict) else None


def rank_flag(rank: int) -> str:
    """The flag that `vllm serve` needs for this rank; empty when its default will do.

    Raises:
        ValueError: no value of the flag is large enough.
    """
    if rank <= USUAL_RANK:
        return ""
    for limit in _RANKS:
        if rank <= limit:
            return f"--max-lora-rank {limit}"
    raise ValueError(f"rank {rank} is above {_RANKS[-1]}")


def served_by_vllm(shape: Mapping[str, Any]) -> str:
    """Whether vLLM serves an adapter beside its base: `yes` with the flags, or `no` with the cause and a way out.

    Args:
        shape: from `adapter_shape`; a key that is missing has PEFT's default, but a rank has none here.
    """
    rank = shape.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        return "not known: adapter_config.json names no rank"
    causes = [
        cause
        for cause, found in (
            ("it is a DoRA", bool(shape.get("use_dora"))),
            ("it trains biases", shape.get("bias", "none") != "none"),
            ("it trains whole modules (modules_to_save)", bool(shape.get("modules_to_save"))),
            (
                "it has ranks or scales of single layers, which vLLM does not read",
                bool(shape.get("rank_pattern") or shape.get("alpha_pattern")),
            ),
            (f"its rank {rank} is above {_RANKS[-1]}", rank > _RANKS[-1]),
        )
        if found
    ]
    if causes:
        return f"no: {', and '.join(causes)}; {_MERGE}"
    flags = f"--enable-lora {rank_flag(rank)}".strip()
    return f"yes, with {flags} (rank {rank})"
