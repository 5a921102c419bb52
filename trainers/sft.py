"""Fine-tuning: a configuration in, a folder with an adapter (or, with the method `full`, a model) out.

    config --material: checks--> token ids --fit--> trained weights --export--> folder

The folder holds the weights in PEFT's or transformers' form, `tunegate.json` (what measuring must be like training in),
`training.json` (the curve and what training cost) and `COMPLETE`.
"""

import gc
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.errors import BadSpec, ModelProblem
from harness.models import locate
from harness.pins import write_pins
from harness.types import ModelRef
from trainers import unsloth
from trainers.adapt import export, notes
from trainers.bases import Model, copy_tokenizer, load_base
from trainers.config import TrainConfig
from trainers.devices import VISIBLE, one_gpu, visible_gpus
from trainers.fit import Fitted, Point, Task, fit
from trainers.material import Material, gather, job_of, show, system_text
from trainers.product import make_product
from trainers.record import pins_of, plain, write_summary
from trainers.space import refuse_no_room
from trainers.stopping import Scoring

__all__ = ["Trained", "Watcher", "train"]

MODEL_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "generation_config.json",
)


def _ignore(*_: object) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how training goes.

    Attributes:
        say: gets lines of text for people.
        step: gets steps done, steps in all, and the point of the curve.
        example: gets the kind of a row, the text that is read, and the text that is learned.
    """

    say: Callable[[str], None] = _ignore
    step: Callable[[int, int, Point], None] = _ignore
    example: Callable[[str, str, str], None] = _ignore


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` returns. `fresh` is False when the folder held the finished job already."""

    model: ModelRef
    fresh: bool


def train(config: TrainConfig, out: Path, *, watcher: Watcher | None = None, scoring: Scoring | None = None) -> Trained:
    """Train as `config` says, go on with an interrupted training, or find it done.

    Args:
        config: with absolute paths, from `load_config`.
        out: the product's folder; made last, whole.
        watcher: told of examples and steps.
        scoring: measures the model when `config.early_stopping` is given.

    Returns:
        The model to measure: the base with this adapter, or the trained model.

    Raises:
        HarnessError: rows, base, template or target modules are unfit; training diverged or learned nothing; or
            `out` holds something else.
    """
    watcher = watcher or Watcher()
    if config.backend == "unsloth":
        unsloth.prepare()
    if (scoring is None) != (config.early_stopping is None):
        raise BadSpec("early_stopping: the configuration names a suite, and nothing here can measure one; remove it")
    base = locate(config.model, config.revision)
    system = system_text(config)
    job = job_of(config, base, system, scoring.digest if scoring else "")
    resume = out.with_name(f".{out.name}.{job[:12]}.checkpoints")

    def work(folder: Path) -> None:
        refuse_no_room([config], base, folder, watcher.say)
        material = gather(config, base, system)
        show(material, watcher.say, watcher.example)
        for note in notes(config.lora) if config.method != "full" else ():
            watcher.say(note)
        scorer = scoring.score if scoring else None
        task = Task(config, material.rows, material.tokenizer, base, resume, job, scorer, held=material.held)
        _run(task, material, folder, watcher)

    fresh = make_product(out, job, work)
    shutil.rmtree(resume, ignore_errors=True)
    whole = config.method == "full"
    model = ModelRef(
        name=out.name,
        base=str(out) if whole else config.model,
        revision=None if whole else config.revision,
        adapter=None if whole else str(out),
        quantization=config.quantization.label,
        train_config=plain(config),
    )
    return Trained(model=model, fresh=fresh)


def _run(task: Task, material: Material, folder: Path, watcher: Watcher) -> None:
    import torch

    if chosen := one_gpu(os.environ, visible_gpus):
        watcher.say(f"on {chosen}")
    if (seen := visible_gpus()) > 1:
        raise ModelProblem(f"training uses one GPU, and this process uses CUDA on {seen} already; set {VISIBLE}=0")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    fitted, ran = _fit_in_memory(task, device, watcher)
    pins = pins_of(material, task.config, device)
    _save(fitted.model, ran, folder)
    write_pins(folder, pins)
    for kept in sorted(ran.kept.glob("step-*")):
        target = folder / "checkpoints" / kept.name
        shutil.copytree(kept, target)
        write_pins(target, pins)
    summary = write_summary(folder, material, fitted, ran.config)
    watcher.say(
        f"trained in {fitted.seconds:.1f} s: {summary['rows_per_second']:.1f} rows/s, loss {fitted.curve[-1].loss:.4f}"
    )


def _fit_in_memory(task: Task, device: str, watcher: Watcher) -> tuple[Fitted, Task]:
    """Train in the largest batch that fits: a smaller one with more accumulation makes the same steps.

    Returns:
        The outcome, and the task as it ran.

    Raises:
        ModelProblem: not even one row fits.
    """
    import torch

    config, folder = task.config, task.folder
    # On CPU the adapter's arithmetic starts from fp32 weights, also where `dtype` lowers it; whole models are trained
    # in fp32 everywhere, because bf16 rounds small updates away.
    exact = device == "cpu" or config.dtype == "float32" or config.method == "full"
    while True:
        shape = f"{config.batch_size}x{config.accumulation}"
        attempt = replace(task, config=config, folder=folder / shape)
        attempt.folder.mkdir(parents=True, exist_ok=True)
        load = partial(unsloth.load_base, config=config) if config.backend == "unsloth" else load_base
        model = load(
            task.base,
            dtype="float32" if exact else "bfloat16",
            quantization=config.quantization,
            device=device,
        )
        try:
            return fit(model, attempt, on_step=watcher.step, say=watcher.say), attempt
        except torch.OutOfMemoryError as error:
            reason = str(error).partition("\n")[0]
        smaller = _smaller(config)
        watcher.say(
            f"out of memory at {shape} rows (batch x accumulation): starting again at "
            f"{smaller.batch_size}x{smaller.accumulation}, which makes the same steps ({reason})"
        )
        config = smaller
        del model
        gc.collect()
        torch.cuda.empty_cache()


def _smaller(config: TrainConfig) -> TrainConfig:
    """The next smaller batch that divides the effective one."""
    if config.batch_size == 1:
        raise ModelProblem(
            "out of memory with one row in a batch; lower max_length, set gradient_checkpointing = true, quantise the "
            "base, or target fewer modules (accumulation and alpha change nothing)"
        )
    rows = config.batch_size * config.accumulation
    batch = next(size for size in range(config.batch_size // 2, 0, -1) if rows % size == 0)
    return config.model_copy(update={"batch_size": batch, "accumulation": rows // batch})


def _save(model: Model, task: Task, folder: Path) -> None:
    """Write the trained weights, with all that a model folder needs when they are a whole model."""
    if task.config.method != "full":
        export(model, folder, start=task.start)
        return
    model.save_pretrained(folder)
    copy_tokenizer(task.base, folder)
