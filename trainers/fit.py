"""One SFT run of TRL on rows that are tokenized and checked: adapter weights in, trained adapter weights out.

Every default of `SFTConfig` that differs from transformers' is set here, so that no release of TRL changes a run.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.chat import Tokenizer
from harness.errors import ModelProblem
from harness.quiet import quiet
from trainers.bases import Model, linear_names
from trainers.config import TrainConfig
from trainers.encode import IGNORED_LABEL, EncodedRow

__all__ = ["Curve", "Fitted", "Point", "fit"]

OPTIMIZERS = {"adamw": "adamw_torch", "adamw_8bit": "adamw_bnb_8bit", "paged_adamw_8bit": "paged_adamw_8bit"}


@dataclass(frozen=True, slots=True)
class Point:
    """One optimiser step. `loss` is in nats a learned token, `grad_norm` the L2 norm before it is cut."""

    step: int
    epoch: float
    loss: float
    grad_norm: float
    learning_rate: float


Curve = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A PEFT model after training.

    Attributes:
        model: with the adapter on, on the device it was trained on.
        curve: one point for each step.
        trainable_parameters: numbers in the adapter.
    """

    model: Model
    curve: Curve
    trainable_parameters: int


def fit(
    model: Model,
    rows: Sequence[EncodedRow],
    *,
    tokenizer: Tokenizer,
    config: TrainConfig,
    scratch: Path,
    on_step: Callable[[int, int, Point], None],
) -> Fitted:
    """Put a new adapter on `model` and train it.

    Args:
        model: from `load_base`; its own weights do not change.
        rows: from `encode`.
        tokenizer: of the base.
        config: the run.
        scratch: folder for what trackers write.
        on_step: called after each step with steps done, steps in all, and the step's point.

    Raises:
        ModelProblem: loss or gradient stopped being finite, or the adapter learned nothing.
        BadSpec: `lora.target_modules` names what the model has not.
    """
    with quiet(), warnings.catch_warnings():
        # TRL sets the flag by a name that transformers has deprecated
        warnings.filterwarnings("ignore", "`gradient_checkpointing` is deprecated", FutureWarning)
        from datasets import Dataset
        from transformers import PrinterCallback

        columns = {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
        watch, curve = _watcher(on_step)
        trainer = _trainer_class()(
            model=model,
            args=_arguments(config, scratch),
            train_dataset=Dataset.from_dict(columns),
            processing_class=tokenizer,
            peft_config=_lora(model, config),
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    trained = trainer.accelerator.unwrap_model(trainer.model)
    _refuse_idle(trained)
    count = sum(tensor.numel() for tensor in trained.parameters() if tensor.requires_grad)
    return Fitted(model=trained, curve=tuple(curve), trainable_parameters=count)


def _arguments(config: TrainConfig, scratch: Path) -> Any:  # noqa: ANN401  # SFTConfig, which is imported here
    import torch
    from trl import SFTConfig

    on_cpu = not torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(scratch),
        num_train_epochs=config.epochs,
        max_steps=config.steps or -1,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.optim.learning_rate,
        lr_scheduler_type=config.optim.schedule if config.optim.schedule != "constant" else "constant_with_warmup",
        warmup_steps=config.optim.warmup,
        weight_decay=config.optim.weight_decay,
        max_grad_norm=config.optim.max_grad_norm,
        optim=OPTIMIZERS[config.optim.name],
        seed=config.seed,
        # The rows are tokenized, masked and short enough already; only packing is left for TRL to do.
        dataset_kwargs=None if config.packing else {"skip_prepare_dataset": True},
        max_length=config.max_length if config.packing else None,
        packing=config.packing,
        packing_strategy="bfd",
        shuffle_dataset=config.packing,
        train_sampling_strategy="random" if config.packing else "group_by_length",
        loss_type="nll",
        gradient_checkpointing=config.gradient_checkpointing,
        bf16=config.dtype == "bfloat16" or (config.dtype == "auto" and not on_cpu),
        fp16=False,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        logging_steps=1,  # each step's loss is looked at
        logging_nan_inf_filter=False,  # the default hides a NaN behind the mean of earlier losses
        save_strategy="no",
        report_to=list(config.report_to) or "none",
        disable_tqdm=True,
    )


def _lora(model: Model, config: TrainConfig) -> object:
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=linear_names(model, config.lora.target_modules),
        use_rslora=config.lora.variant == "rslora",
        use_dora=config.lora.variant == "dora",
        bias="none",
        task_type="CAUSAL_LM",
    )


def _trainer_class() -> Any:  # noqa: ANN401  # a class of TRL
    """SFTTrainer, with a loss for CPU that computes logits only where an answer is learned."""
    import torch
    from trl import SFTTrainer

    class AnswerTrainer(SFTTrainer):  # type: ignore[misc]  # TRL has no types
        """TRL's own loss scores every position on CPU, which takes a quarter of a small model's step."""

        def compute_loss(self, model: Model, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            """Mean negative log-likelihood over the learned tokens of the whole step, in nats."""
            if inputs["input_ids"].device.type != "cpu":
                return super().compute_loss(model, inputs, *args, **kwargs)
            labels = inputs.pop("labels")[:, 1:]  # (B, T-1): the label at t is predicted from position t
            kept = (labels != IGNORED_LABEL).any(dim=0).nonzero().squeeze(1)  # (K,)
            logits = model(**inputs, logits_to_keep=kept, use_cache=False).logits  # (B, K, V)
            total = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), labels[:, kept].flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
            )
            learned = kwargs.get("num_items_in_batch")
            return total / (learned if learned is not None else (labels != IGNORED_LABEL).sum())

    return AnswerTrainer


def _watcher(on_step: Callable[[int, int, Point], None]) -> tuple[Any, list[Point]]:
    """A callback that keeps the curve and stops at the first number that is not finite."""
    from transformers import TrainerCallback

    curve: list[Point] = []

    class Watcher(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        """Looks at each logged step."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:  # noqa: ANN401, ARG002
            """Called after each optimiser step, and once at the end without a loss."""
            if "loss" not in logs:
                return
            loss, norm, rate = logs["loss"], float(logs["grad_norm"]), logs["learning_rate"]
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise ModelProblem(
                    f"training stopped at step {state.global_step}: loss {loss} and gradient norm {norm} are not both "
                    "finite; lower optim.learning_rate or look at the rows of that step"
                )
            curve.append(Point(state.global_step, state.epoch, loss, norm, rate))
            on_step(state.global_step, state.max_steps, curve[-1])

    return Watcher(), curve


def _refuse_idle(model: Model) -> None:
    """Refuse an adapter that is still the identity, or holds a number that is not finite."""
    factors = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    if not all(bool(tensor.isfinite().all()) for tensor in factors.values()):
        raise ModelProblem("the trained adapter holds numbers that are not finite; lower optim.learning_rate")
    if not any(bool(tensor.any()) for name, tensor in factors.items() if "lora_B" in name):
        raise ModelProblem("the trained adapter is still the identity; raise optim.learning_rate, steps or epochs")
