"""One run of TRL on rows that are tokenized and checked: a base in, trained weights out, or what stopped the run."""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.chat import Tokenizer
from harness.errors import ModelProblem
from harness.quiet import quiet
from trainers import unsloth
from trainers.adapt import adapt, export, refuse_other
from trainers.arguments import arguments, columns
from trainers.bases import Model
from trainers.checkpoints import keeper, newest, spent_seconds, writer
from trainers.config import TrainConfig
from trainers.encode import EncodedRow
from trainers.held_out import HeldOutLoss, observer, of_history
from trainers.objectives import orpo_trainer, sft_trainer
from trainers.parameters import predicted_parameters
from trainers.stopping import Measured, Scorer, Stopper

__all__ = ["Curve", "Fitted", "Point", "Task", "fit", "refuse_idle", "snapshot"]


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
class Task:
    """What is trained.

    Attributes:
        config: the run.
        rows: from `encode`.
        tokenizer: of the base.
        base: folder of the base's checkpoint.
        folder: for checkpoints; a run that finds its own there goes on from them.
        job: digest of all that decides the training.
        scorer: measures the model for `early_stopping`; None without.
        held: rows whose loss is measured along the way; none without `evaluation`.
    """

    config: TrainConfig
    rows: Sequence[EncodedRow]
    tokenizer: Tokenizer
    base: Path
    folder: Path
    job: str
    scorer: Scorer | None = None
    held: Sequence[EncodedRow] = ()

    @property
    def start(self) -> Path:
        """Folder of the adapter's first A and B, for the variants whose export needs them."""
        return self.folder / "start"

    @property
    def kept(self) -> Path:
        """Folder of the weights kept from along the way."""
        return self.folder / "kept"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model after training.

    Attributes:
        model: with the adapter on, on the device it was trained on.
        curve: one point for each step.
        trainable_parameters: numbers that were trained.
        seconds: wall time of the steps, measuring left out, over all processes that took part.
        resumed_at: the step that this process went on from; 0 for a run without interruption.
        measured: what `early_stopping` saw; empty without.
        kept_step: the step whose weights `model` holds.
        held_out: the loss of rows that were set aside; empty without.
    """

    model: Model
    curve: Curve
    trainable_parameters: int
    seconds: float
    resumed_at: int
    measured: tuple[Measured, ...]
    kept_step: int
    held_out: tuple[HeldOutLoss, ...] = ()


def fit(model: Model, task: Task, *, on_step: Callable[[int, int, Point], None], say: Callable[[str], None]) -> Fitted:
    """Train a new adapter on `model`, or `model` itself with the method `full`, to the end.

    Args:
        model: from `load_base`.
        task: what is trained.
        on_step: called after each step with steps done, steps in all, and the step's point.
        say: told where the run goes on from.

    Raises:
        ModelProblem: loss or gradient stopped being finite, or nothing was learned.
        BadSpec: `lora.target_modules` names what the model has not.
    """
    config = task.config
    trained = model.train() if config.method == "full" else _adapted(model, task)
    before = snapshot(trained)
    checkpoint = newest(task.folder, task.job, say)
    spent = spent_seconds(checkpoint) if checkpoint else 0.0
    resumed_at = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    if checkpoint:
        say(f"going on from step {resumed_at}")
    stopper: Stopper | None = None
    if config.early_stopping and task.scorer:
        stopper = Stopper(config.early_stopping, task.scorer, task.folder, resumed_at)
    started = time.monotonic()
    with quiet(), warnings.catch_warnings():
        # TRL sets the flag by a name that transformers has deprecated
        warnings.filterwarnings("ignore", "`gradient_checkpointing` is deprecated", FutureWarning)
        trainer = _trainer(trained, task, _callbacks(task, on_step, spent, stopper))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    held_out = of_history(trainer.state.log_history)
    looking = sum(item.seconds for item in held_out) + (stopper.seconds if stopper else 0.0)
    seconds = spent + time.monotonic() - started - looking
    trained = trainer.accelerator.unwrap_model(trainer.model)
    kept_step = stopper.restore(trained) if stopper else trainer.state.global_step
    refuse_idle(trained, before)
    return Fitted(
        model=trained,
        curve=tuple(_point(entry) for entry in trainer.state.log_history if "loss" in entry),
        trainable_parameters=sum(tensor.numel() for tensor in trained.parameters() if tensor.requires_grad),
        seconds=seconds,
        resumed_at=resumed_at,
        measured=tuple(stopper.measured) if stopper else (),
        kept_step=kept_step,
        held_out=held_out,
    )


def _adapted(model: Model, task: Task) -> Model:
    config = task.config
    predicted = predicted_parameters(model, config.lora)
    if config.backend == "unsloth":
        trained = unsloth.adapt(model, config)
    else:
        trained = adapt(model, config.lora, rows=task.rows, base=task.base, seed=config.seed, start=task.start)
    refuse_other(trained, predicted)
    return trained


def _callbacks(
    task: Task, on_step: Callable[[int, int, Point], None], spent: float, stopper: Stopper | None
) -> list[Any]:
    """What looks on: a measurement comes before the checkpoint of its step, which then knows of it."""
    settings = task.config.checkpoints
    found = [stopper.callback()] if stopper else []
    if task.config.evaluation and task.held:
        found.append(observer(task.held, task.config.evaluation.every, task.config.batch_size))
    found += [_watcher(on_step), writer(task.job, every=settings.seconds, spent=spent)]
    if settings.keep:
        found.append(keeper(task.kept, settings.keep, lambda model, folder: _keep(model, folder, task)))
    return found


def _keep(model: Model, folder: Path, task: Task) -> None:
    if task.config.method == "full":
        model.save_pretrained(folder)
    else:
        export(model, folder, start=task.start)


def _trainer(model: Model, task: Task, callbacks: list[Any]) -> Any:  # noqa: ANN401  # a trainer of TRL
    from datasets import Dataset
    from transformers import PrinterCallback

    config = task.config
    lengths = [len(row.input_ids) for row in task.rows]
    if config.method == "orpo":
        kind = orpo_trainer(seed=config.seed, lengths=lengths)
    else:
        kind = sft_trainer(seed=config.seed, lengths=None if config.packing else lengths)
    trainer = kind(
        model=model,
        args=arguments(config, task.folder),
        train_dataset=Dataset.from_dict(columns(task.rows, pairs=config.method == "orpo")),
        processing_class=task.tokenizer,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _watcher(on_step: Callable[[int, int, Point], None]) -> Any:  # noqa: ANN401  # a callback of transformers
    """A callback that tells each step, and stops at the first number that is not finite."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        """Looks at each logged step."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:  # noqa: ANN401, ARG002
            """Called after each optimiser step, and once at the end without a loss."""
            if "loss" not in logs:
                return
            point = _point(state.log_history[-1])
            if not (math.isfinite(point.loss) and math.isfinite(point.grad_norm)):
                raise ModelProblem(
                    f"training stopped at step {point.step}: loss {point.loss} and gradient norm {point.grad_norm} are "
                    "not both finite; lower optim.learning_rate or look at the rows of that step"
                )
            on_step(point.step, state.max_steps, point)

    return Watcher()


def _point(entry: dict[str, Any]) -> Point:
    """A step from what transformers keeps of it."""
    return Point(entry["step"], entry["epoch"], entry["loss"], float(entry["grad_norm"]), entry["learning_rate"])


def snapshot(model: Model, most: int = 1 << 24) -> dict[str, Any]:
    """Copies of the smaller trainable tensors, at most `most` numbers but always one, to see later that they moved."""
    kept: dict[str, Any] = {}
    for name, tensor in sorted(model.named_parameters(), key=lambda item: item[1].numel()):
        most -= tensor.numel() * tensor.requires_grad
        if tensor.requires_grad and (most >= 0 or not kept):
            kept[name] = tensor.detach().clone()
    return kept


def refuse_idle(model: Model, before: dict[str, Any]) -> None:
    """Refuse weights that have not moved, or hold a number that is not finite."""
    trained = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    if not all(bool(tensor.isfinite().all()) for tensor in trained.values()):
        raise ModelProblem("the trained weights hold numbers that are not finite; lower optim.learning_rate")
    factors = [tensor for name, tensor in trained.items() if "lora_B" in name]
    same = all(trained[name].to(start.dtype).equal(start) for name, start in before.items())
    if same or (factors and not any(bool(tensor.any()) for tensor in factors)):
        raise ModelProblem(
            "the trained weights are still those of the start; raise optim.learning_rate, steps or epochs"
        )
