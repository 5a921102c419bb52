"""From a training configuration to the plain values that its memory depends on."""

from typing import Literal

from harness.errors import BadSpec
from trainers.config import TrainConfig
from trainers.planning.memory import Setup
from trainers.planning.shapes import GROUPS, Shape

__all__ = ["setup_of"]


def setup_of(config: TrainConfig, shape: Shape, *, longest: int | None = None) -> Setup:
    """The setup that `config` trains with on a GPU.

    Args:
        config: of the run.
        shape: of its base.
        longest: tokens of the longest row, when it is known; `max_length` otherwise.

    Raises:
        BadSpec: a target module that the base has not.
    """
    named = config.lora.target_modules
    targets = GROUPS[named] if isinstance(named, str) else named
    unknown = ", ".join(name for name in targets if name not in GROUPS["all-linear"])
    if unknown:
        raise BadSpec(f"lora.target_modules: {unknown}: the base has {', '.join(GROUPS['all-linear'])}")
    length = config.max_length if config.packing or longest is None else min(longest, config.max_length)
    compute: Literal["float32", "bfloat16"] = "float32" if config.dtype == "float32" else "bfloat16"
    # an adapter is fp32, but TRL trains that of a quantised base in bf16; `full` trains the base as it is loaded
    own: Literal["float32", "bfloat16"] = "float32" if config.quantization.kind == "none" else "bfloat16"
    return Setup(
        shape=shape,
        method="full" if config.method == "full" else "lora",
        quantization=config.quantization.kind,
        double_quantization=config.quantization.double,
        rank=config.lora.rank,
        targets=targets,
        dora=config.lora.variant == "dora",
        dropout=config.lora.dropout > 0,
        trained_dtype=compute if config.method == "full" else own,
        compute_dtype=compute,
        batch=config.batch_size * (2 if config.method == "orpo" else 1),  # both answers in one pass
        length=length,
        masked=config.packing or config.batch_size > 1 or config.method == "orpo",
        packed=config.packing,
        checkpointing=config.gradient_checkpointing,
        chunked_loss=config.method != "orpo",
        optimizer="adamw_8bit" if config.optim.name in ("adamw_8bit", "paged_adamw_8bit") else "adamw",
        accumulating=config.accumulation > 1,
    )
