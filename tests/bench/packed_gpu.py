"""Packed training on a GPU beside TRL's trainer, adapter by adapter; a table, and rows in bench/packed.json.

    python -m tests.bench.packed_gpu [--only TEXT] [--rounds 5] [--steps 10] [--profile] [--shape tiny --device cpu]

Random weights at true shapes, rows of 512 random tokens whose last 128 are learned, and adapters that differ in rank,
layers and learning rate. The peer is TRL's SFTTrainer on each adapter in turn, in this process: *tuned* (activations
kept, fused AdamW) and *default* (activations computed twice). All ways are warm: the first two steps of every training
are left out, and so are loading, making adapters and saving. Ways alternate within a round; medians are compared.

That the work is equal is seen first: at each step the pack's losses are those of TRL's trainer, as far as bf16 goes.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.data import SequentialSampler

from tests.bench.memory import TINY, build
from tests.bench.packed_table import Comparison, report
from tests.tiny import make_tokenizer
from trainers.adapt import adapt
from trainers.config import TrainConfig
from trainers.encode import IGNORED_LABEL, EncodedRow
from trainers.packed.fit import Packed, PackTask, fit_pack
from trainers.packed.stack import Member
from trainers.planning.memory import Setup
from trainers.planning.shapes import known_shapes
from trainers.sections import Lora, Optim

WARM = 2
"""Steps of each training that are not timed."""
CLOSE = 0.02
"""Largest difference of two losses of the same step, relative: what bf16 makes of about 10 nats in ten steps."""
LENGTH, LEARNED = 512, 128


@dataclass(frozen=True, slots=True)
class Work:
    """What is trained: `count` adapters on one base, `batch` rows of 512 tokens a step each."""

    name: str
    model: str
    quantization: str
    count: int
    batch: int


WORKS = (
    Work("1B bf16, 8 points, 1 x 512", "Llama-3.2-1B", "none", 8, 1),
    Work("1B bf16, 8 points, 4 x 512", "Llama-3.2-1B", "none", 8, 4),
    Work("1B bf16, 1 point, 1 x 512", "Llama-3.2-1B", "none", 1, 1),
    Work("3B NF4, 8 points, 2 x 512", "Llama-3.2-3B", "nf4", 8, 2),
    Work("8B NF4, 4 points, 1 x 512", "Llama-3.1-8B", "nf4", 4, 1),
    Work("8B NF4, 4 points, 4 x 512", "Llama-3.1-8B", "nf4", 4, 4),
)
RANKS, LAYERS = (4, 8, 16, 32), ("qv", "all-linear")


@dataclass(frozen=True, slots=True)
class Took:
    """One training or several: seconds a step of all of them, losses by adapter and step, and bytes beyond the base."""

    seconds: float
    losses: tuple[tuple[float, ...], ...]
    peak: int


def main() -> int:
    """Measure, print and write; 1 when the work was not equal, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="work whose name contains this text")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each way (default: 5)")
    parser.add_argument("--steps", type=int, default=10, help="steps of each training (default: 10)")
    parser.add_argument("--profile", action="store_true", help="where a packed step's time goes; compares nothing")
    parser.add_argument("--shape", choices=("true", "tiny"), default="true", help="tiny: to see that it runs")
    parser.add_argument("--device", default="cuda", help="torch device (default: cuda)")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("no CUDA device: there is nothing to measure; --shape tiny --device cpu shows that it runs\n")
        return 2
    works = [work for work in WORKS if options.only in work.name]
    if options.profile:
        for work in works:
            profile(work, options)
        return 0
    rows: list[Comparison] = []
    models: dict[str, Any] = {}
    for before, work in zip((None, *works), works, strict=False):
        if before is None or (before.model, before.quantization) != (work.model, work.quantization):
            models.clear()
            forget()
            # one for each way: checkpointing that was once asked for stays on
            models.update({name: base(work, options) for name in ("ours", "tuned", "default")})
        fresh = compare(work, models, options)
        report(fresh, {"device": device_name(options.device), "rounds": options.rounds, "steps": options.steps})
        rows += fresh
    return 0 if all(row.equal for row in rows) else 1


def device_name(device: str) -> str:
    """What the figures are of."""
    return torch.cuda.get_device_name(0) if device == "cuda" else "cpu"


def compare(work: Work, models: Mapping[str, Any], options: argparse.Namespace) -> list[Comparison]:
    """The pack beside both peers; memory at equal checkpointing besides."""
    ways: dict[str, Callable[[], Took]] = {}
    own = bytes_of(models["ours"], options.device)
    ways["pack"] = lambda: packed(models["ours"], work, options)
    ways["tuned"] = lambda: peers(models["tuned"], work, options, twice=False)
    ways["default"] = lambda: peers(models["default"], work, options, twice=True)
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name, way in ways.items():
            took[name].append(way())
            told = f"{1000 * took[name][-1].seconds:.0f} ms, {(own + took[name][-1].peak) / 2**30:.2f} GiB"
            sys.stderr.write(f"{work.name}: round {number + 1}: {name} {told}\n")
        if number == 0:  # equal work is seen first, so that a run that is stopped has shown it
            apart = furthest(took["pack"][0].losses, took["tuned"][0].losses)
            sys.stderr.write(f"{work.name}: losses at most {apart:.1e} apart, relative; equal below {CLOSE}\n")
    light = packed(models["ours"], work, options, twice=True)
    sys.stderr.write(f"{work.name}: checkpointed {1000 * light.seconds:.0f} ms, {(own + light.peak) / 2**30:.2f} GiB\n")
    ours = [each.seconds for each in took["pack"]]
    return [
        Comparison(
            work=work.name,
            against=f"SFTTrainer, {name}",
            ours=ours,
            theirs=[each.seconds for each in took[name]],
            apart=apart,
            close=CLOSE,
            extra={
                "peak_ours_gib": (own + took["pack"][-1].peak) / 2**30,
                "peak_ours_checkpointed_gib": (own + light.peak) / 2**30,
                "checkpointed_s": light.seconds,
                "peak_theirs_gib": (own + took[name][-1].peak) / 2**30,
            },
        )
        for name in ("tuned", "default")
    ]


def furthest(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """The largest relative difference of two losses of one adapter at one step."""
    return max(
        abs(one - other) / other
        for mine, its in zip(ours, theirs, strict=True)
        for one, other in zip(mine, its, strict=True)
    )


def base(work: Work, options: argparse.Namespace) -> Any:
    """The frozen model, on the device; the same weights each time."""
    shape = TINY if options.shape == "tiny" else known_shapes()[work.model]
    torch.manual_seed(0)
    half = "bfloat16" if options.device == "cuda" else "float32"
    setup = Setup(shape, method="full", trained_dtype=half, compute_dtype=half, quantization=work.quantization)
    return build(replace(setup, length=LENGTH), options.device).requires_grad_(requires_grad=False)


def members(work: Work) -> tuple[Member, ...]:
    """Adapters of four ranks on two sets of layers, each at a rate of its own."""
    found = []
    for at in range(work.count):
        lora = Lora(rank=RANKS[at % 4], target_modules=LAYERS[at // 4 % 2] if work.count > 4 else "all-linear")
        optim = Optim(learning_rate=1e-4 * (1 + at), schedule="constant", warmup=0.0)
        found.append(Member(f"point-{at}", lora, optim, seed=at))
    return tuple(found)


def rows_of(work: Work, steps: int, vocabulary: int) -> list[EncodedRow]:
    """Random rows, one batch after the other."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(6, vocabulary, (steps * work.batch, LENGTH), generator=generator).tolist()
    nothing = (IGNORED_LABEL,) * (LENGTH - LEARNED)
    return [EncodedRow(tuple(row), (*nothing, *row[-LEARNED:])) for row in ids]


def settings(work: Work, steps: int, *, twice: bool) -> TrainConfig:
    """What all adapters share."""
    return TrainConfig.model_validate(
        {
            "model": "random",
            "data": "random",
            "batch_size": work.batch,
            "steps": steps,
            "gradient_checkpointing": twice,
            "checkpoints": {"seconds": 3600},
        }
    )


class Clock:
    """Seconds a step, without the first ones; waits for the device at both ends alone."""

    def __init__(self, steps: int, device: str) -> None:
        self._steps, self._device, self._started, self.seconds = steps, device, 0.0, 0.0

    def step(self, done: int) -> None:
        """Told after each step."""
        if done in (WARM, self._steps):
            if self._device == "cuda":
                torch.cuda.synchronize()
            now = time.perf_counter()
            self._started, self.seconds = now, (now - self._started) / (self._steps - WARM)


@contextmanager
def in_file_order() -> Iterator[None]:
    """Have a pack take rows as they come, as the peers do."""
    with patch("trainers.packed.stream.Order", InOrder):
        yield


class InOrder:
    """Stands in for the shuffled order."""

    def __init__(self, count: int, *_: object) -> None:
        self._count = count

    def __iter__(self) -> Iterator[int]:  # noqa: D105
        return iter(range(self._count))

    def set_epoch(self, epoch: int) -> None:
        """There is one order."""


def packed(model: Any, work: Work, options: argparse.Namespace, *, twice: bool = False) -> Took:
    """All adapters at once."""
    steps = options.steps
    clock = Clock(steps, options.device)
    rows = rows_of(work, steps, model.config.vocab_size)
    before = start_peak(options.device)
    with tempfile.TemporaryDirectory() as folder, in_file_order():
        task = PackTask(settings(work, steps, twice=twice), members(work), rows, Path(folder), "bench")
        found: Packed = fit_pack(model, task, on_step=lambda done, *_: clock.step(done), say=lambda _: None)
    losses = tuple(tuple(point.loss for point in each.curve) for each in found.adapters)
    return Took(clock.seconds, losses, end_peak(options.device) - before)


def peers(model: Any, work: Work, options: argparse.Namespace, *, twice: bool) -> Took:
    """One adapter after the other, by TRL."""
    seconds, losses, peak = 0.0, [], 0
    for member in members(work):
        took = peer(model, member, work, options, twice=twice)
        seconds, peak = seconds + took.seconds, max(peak, took.peak)
        losses.append(took.losses[0])
    return Took(seconds, tuple(losses), peak)


def peer(model: Any, member: Member, work: Work, options: argparse.Namespace, *, twice: bool) -> Took:
    """One adapter by TRL's trainer, as people use it, on the same rows in the same order, from the same start."""
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    steps, clock = options.steps, Clock(options.steps, options.device)

    class Watch(TrainerCallback):
        """Starts and stops the clock."""

        def on_step_end(self, args, state, control, **_: Any) -> None:  # noqa: ARG002
            clock.step(state.global_step)

    class InFileOrder(SFTTrainer):
        """Rows as they come."""

        def _get_train_sampler(self, train_dataset=None):
            return SequentialSampler(train_dataset or self.train_dataset)

    rows = rows_of(work, steps, model.config.vocab_size)
    columns = {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    on_gpu = options.device == "cuda"
    with tempfile.TemporaryDirectory() as folder:
        wrapped = adapt(model, member.lora, rows=(), base=Path(), seed=member.seed, start=Path())
        before = start_peak(options.device)
        arguments = SFTConfig(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=work.batch,
            learning_rate=member.optim.learning_rate,
            lr_scheduler_type="constant",
            weight_decay=member.optim.weight_decay,
            max_grad_norm=member.optim.max_grad_norm,
            optim="adamw_torch_fused" if on_gpu else "adamw_torch",
            gradient_checkpointing=twice,
            bf16=on_gpu,
            use_cpu=not on_gpu,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        trainer = InFileOrder(
            model=wrapped,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            processing_class=make_tokenizer(),
            callbacks=[Watch()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        losses = tuple(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
        peak = end_peak(options.device) - before
        wrapped.unload()
        del trainer, wrapped
        forget()
    return Took(clock.seconds, (losses,), peak)


def start_peak(device: str) -> int:
    """Bytes that are held now, and forget the peak so far."""
    forget()
    if device != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def end_peak(device: str) -> int:
    """The most bytes that were held since."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else 0


def bytes_of(model: Any, device: str) -> int:
    """What the base alone takes."""
    if device != "cuda":
        return 0
    seen: Mapping[int, torch.Tensor] = {each.data_ptr(): each for each in (*model.parameters(), *model.buffers())}
    return sum(each.numel() * each.element_size() for each in seen.values())


def forget() -> None:
    """Give back what nobody holds."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def profile(work: Work, options: argparse.Namespace) -> None:
    """Print kernels by time, and how long the device was busy in a step."""
    model = base(work, options)
    plain = packed(model, work, options)
    with torch.profiler.profile() as seen:
        packed(model, work, argparse.Namespace(**{**vars(options), "steps": 4}))
    events = [event for event in seen.key_averages() if event.self_device_time_total]
    kernels = [event for event in events if event.device_type != torch.autograd.DeviceType.CPU]
    kernels = [event for event in kernels or events if "DtoH" not in event.key]  # that is waiting for the rest
    busy = sum(event.self_device_time_total for event in kernels) / 4000
    count = sum(event.count for event in kernels) / 4
    sys.stdout.write(f"== {work.name}: {1000 * plain.seconds:.1f} ms a step, busy {busy:.1f} ms, {count:.0f} kernels\n")
    for event in sorted(kernels, key=lambda event: -event.self_device_time_total)[:30]:
        told = f"{event.self_device_time_total / 4000:8.2f} ms {event.count / 4:7.0f}x  {event.key[:110]}"
        sys.stdout.write(told + "\n")
    del model
    forget()


if __name__ == "__main__":
    sys.exit(main())
