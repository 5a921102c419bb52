"""The configuration and the rows in TRL's terms.

Every default of TRL's configurations that differs from transformers' is set here, so that no release changes a run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainers.config import TrainConfig
from trainers.encode import EncodedRow
from trainers.objectives import orpo_classes

__all__ = ["LOADER_WORKERS", "USE_CACHE", "arguments", "columns"]

LOADER_WORKERS = 0
"""Processes that prepare batches: none, because the rows are token ids already."""

USE_CACHE = False
"""Whether keys and values are kept: only answering, token by token, reads them again."""

OPTIMIZERS = {
    "adamw": "adamw_torch",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw": "paged_adamw_32bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}


def columns(rows: Sequence[EncodedRow], *, pairs: bool) -> dict[str, Any]:
    """The rows as TRL wants them: one sequence a row, or the two sequences and the prompt of a pair."""
    if not pairs:
        return {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    sides = {"chosen": rows, "rejected": [row.rejected for row in rows]}
    columns: dict[str, Any] = {}
    for name, side in sides.items():
        columns[f"{name}_input_ids"] = [row.input_ids for row in side if row]
        columns[f"{name}_attention_mask"] = [[1] * len(row.input_ids) for row in side if row]
        columns[f"{name}_labels"] = [row.labels for row in side if row]
    return columns


def arguments(config: TrainConfig, folder: Path) -> Any:  # noqa: ANN401  # SFTConfig or ORPOConfig
    """What TRL is told, for the method of `config`; `folder` is where it writes."""
    from trl import SFTConfig

    shared = _shared(config, folder)
    if config.method == "orpo":
        orpo_config, _ = orpo_classes()
        return orpo_config(**shared, beta=config.orpo_beta, disable_dropout=False, remove_unused_columns=False)
    # The rows are tokenized, masked and short enough already; only packing is left for TRL to do.
    packing = {"dataset_kwargs": None} if config.packing else {"dataset_kwargs": {"skip_prepare_dataset": True}}
    shared["max_length"] = config.max_length if config.packing else None
    return SFTConfig(
        **shared,
        **packing,
        packing=config.packing,
        packing_strategy="bfd",
        shuffle_dataset=config.packing,
        loss_type="nll",
    )


def _shared(config: TrainConfig, folder: Path) -> dict[str, Any]:
    """What all of TRL's methods are told."""
    import torch

    on_cpu = not torch.cuda.is_available()
    return {
        "output_dir": str(folder),
        "num_train_epochs": config.epochs,
        "max_steps": config.steps or -1,
        "per_device_train_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.accumulation,
        "learning_rate": config.optim.learning_rate,
        "lr_scheduler_type": config.optim.schedule if config.optim.schedule != "constant" else "constant_with_warmup",
        "warmup_steps": config.optim.warmup,
        "weight_decay": config.optim.weight_decay,
        "max_grad_norm": config.optim.max_grad_norm,
        "optim": OPTIMIZERS[config.optim.name],
        "seed": config.seed,
        "gradient_checkpointing": config.gradient_checkpointing,
        "bf16": config.dtype == "bfloat16" or (config.dtype == "auto" and not on_cpu),
        "fp16": False,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "dataloader_num_workers": LOADER_WORKERS,
        "use_cache": USE_CACHE,
        "logging_steps": 1,  # each step's loss is looked at
        "logging_nan_inf_filter": False,  # the default hides a NaN behind the mean of earlier losses
        "save_strategy": "no",  # `writer` asks for checkpoints
        "report_to": list(config.report_to) or "none",
        "disable_tqdm": True,
        "train_sampling_strategy": "random",  # not used: the trainers' own sampler decides
        "max_length": config.max_length,
    }
