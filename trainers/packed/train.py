"""Many configurations in, a folder with an adapter for each out, trained in as few passes as memory allows.

Each product is what the ordinary trainer makes of its configuration alone: the same job, files, pins and receipt. What
a training would be refused for there, one is refused for here, and the reason lies beside its folder.
"""

import gc
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from harness.errors import ModelProblem
from harness.fingerprint import digest
from harness.models import locate
from harness.pins import write_pins
from trainers.adapt import adapt, export, notes
from trainers.bases import Model, load_base
from trainers.config import TrainConfig
from trainers.devices import one_gpu, visible_gpus
from trainers.fit import Fitted, refuse_idle, snapshot
from trainers.material import Material, gather, job_of, show, system_text
from trainers.packed.fit import Alone, Packed, PackTask, fit_pack
from trainers.packed.halfway import Halfway, Stretch, read_halfway, write_halfway
from trainers.packed.memory import free_bytes, pack_sizes
from trainers.packed.span import ALL, WHOLE, Span, part_of
from trainers.packed.stack import LAYOUT, Member
from trainers.product import alone, failure_of, fill, finished_job, is_made
from trainers.record import Company, pins_of, write_summary
from trainers.sft import Watcher
from trainers.space import refuse_no_room

__all__ = ["Wanted", "train_pack"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One training of a pack: `config`, into the folder `out`."""

    config: TrainConfig
    out: Path


@dataclass(frozen=True, slots=True)
class _Point:
    """A training, or a part of one, made into `out`; `whole` is the folder of the whole one, and `job` its digest."""

    config: TrainConfig
    whole: Path
    job: str
    span: Span

    @property
    def out(self) -> Path:
        """The folder of the product."""
        return part_of(self.whole, self.span.until)

    @property
    def made(self) -> str:
        """Digest of all that decides the product."""
        return self.job if self.span.until == WHOLE else digest([self.job, str(self.span.until), "mean"])

    @property
    def failed(self) -> Path:
        """Where the reason of a failure is written: what fails on the way fails as a whole."""
        return failure_of(self.whole)

    @property
    def settled(self) -> bool:
        """Whether it is trained, or known to fail."""
        return self.failed.exists() or is_made(self.out, self.made)

    def begun(self, device: str) -> Halfway:
        """Where it stands at the beginning of the span."""
        return read_halfway(part_of(self.whole, self.span.after), device)


@dataclass(frozen=True, slots=True)
class _Room:
    """Where a pack is trained, and on what."""

    material: Material
    device: str
    watcher: Watcher


def train_pack(wanted: Sequence[Wanted], watcher: Watcher, span: Span = ALL) -> dict[Path, str]:
    """Train all that is not trained yet, or go on with an interrupted pack.

    Args:
        wanted: at least one; all agree but for `lora`, `optim` and how often they write checkpoints.
        watcher: told of the pack as of one training.
        span: a part of the steps, where it is not all of them; it ends in the folders of that part.

    Returns:
        For each folder of the span's end why there is no adapter; empty where there is one.

    Raises:
        HarnessError: rows, base, template or target modules are unfit; or a folder holds something else.
    """
    first = wanted[0].config
    base = locate(first.model, first.revision)
    system = system_text(first)
    points = [_Point(each.config, each.out, job_of(each.config, base, system), span) for each in wanted]
    for folder in {point.out.parent for point in points}:
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for out in sorted({point.out for point in points}):  # in one order everywhere, so that nobody waits in a ring
            held.enter_context(alone(out))
        if not all(point.settled for point in points):
            left = [point.config for point in points if not point.settled]
            refuse_no_room(left, base, points[0].out.parent, watcher.say)
            material = gather(first, base, system)
            show(material, watcher.say, watcher.example)
            _train(points, _Room(material, _device(watcher), watcher))
    return {point.out: _failure(point) for point in points}


def _failure(point: _Point) -> str:
    there = point.failed.exists() and finished_job(point.out) is None
    return point.failed.read_text(encoding="utf-8").strip() if there else ""


def _device(watcher: Watcher) -> str:
    if chosen := one_gpu(os.environ, visible_gpus):
        watcher.say(f"on {chosen}")
    return "cuda" if torch.cuda.is_available() else "cpu"


def _train(points: Sequence[_Point], room: _Room) -> None:
    """Train the points in packs that fit into memory; half as many at once where that was too many."""
    config = points[0].config
    exact = room.device == "cpu" or config.dtype == "float32"
    dtype = "float32" if exact else "bfloat16"
    sizes = pack_sizes([point.config for point in points], room.material.rows, free_bytes(room.device))
    model = load_base(room.material.base, dtype=dtype, quantization=config.quantization, device=room.device)
    groups, start = [], 0
    for size in sizes:
        groups.append(list(points[start : start + size]))
        start += size
    while groups:
        group = groups.pop(0)
        if all(point.settled for point in group):
            continue
        gc.collect()  # the pack before this one, whose parts refer to each other, and with it its memory
        try:
            _train_together(model, group, room)
        except torch.OutOfMemoryError as error:
            if len(group) == 1:
                raise ModelProblem("out of memory with one adapter in the pack; train with --no-pack") from error
            half = len(group) // 2
            room.watcher.say(f"out of memory with {len(group)} adapters: starting again with {half} at once")
            groups[:0] = [group[:half], group[half:]]
        else:
            continue
        model = None  # what the failed pass holds is freed with the last layer that refers to it
        gc.collect()
        torch.cuda.empty_cache()
        model = load_base(room.material.base, dtype=dtype, quantization=config.quantization, device=room.device)


def _train_together(model: Model, group: Sequence[_Point], room: _Room) -> None:
    """One pack. A checkpoint of the whole pack serves the points that are missing; else those alone are trained."""
    whole = _checkpoints(group)
    members = group if whole.exists() else [point for point in group if not point.settled]
    folder = _checkpoints(members)
    named = [Member(point.whole.name, point.config.lora, point.config.optim, point.config.seed) for point in members]
    for point in members:
        for note in notes(point.config.lora):
            room.watcher.say(f"{point.whole.name}: {note}")
    span = members[0].span
    begun = tuple(point.begun(room.device) for point in members) if span.after else ()
    task = PackTask(members[0].config, tuple(named), room.material.rows, folder, _digest(members), span.until, begun)
    together = f"{len(members)} adapter{'s' * (len(members) > 1)}"
    room.watcher.say(f"{together} in one pass")
    packed = fit_pack(model, task, on_step=room.watcher.step, say=room.watcher.say)
    for point, adapter, start in zip(members, packed.adapters, begun or [None] * len(members), strict=True):
        if not point.settled:
            _settle(model, point, adapter, _Cost.of(packed, start), room)
    shutil.rmtree(folder, ignore_errors=True)
    room.watcher.say(f"trained {together} in {packed.seconds:.1f} s")


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a training took so far: its stretches, and where its process went on."""

    stretches: tuple[Stretch, ...]
    resumed_at: int

    @classmethod
    def of(cls, packed: Packed, start: Halfway | None) -> "_Cost":
        """Of a pack, and of all that led to where it began."""
        last = max(len(each.curve) for each in packed.adapters)
        stretch = Stretch(last, len(packed.adapters), packed.seconds)
        return cls((*(start.stretches if start else ()), stretch), packed.resumed_at)

    @property
    def company(self) -> Company:
        """As the product tells it: the largest company, and what all of it took together."""
        return Company(max(each.k for each in self.stretches), sum(each.shared_seconds for each in self.stretches))

    @property
    def seconds(self) -> float:
        """The adapter's own share."""
        return sum(each.shared_seconds / each.k for each in self.stretches)


def _settle(model: Model, point: _Point, adapter: Alone, cost: _Cost, room: _Room) -> None:
    """Write the product, or why there is none."""

    def work(folder: Path) -> None:
        fitted = _saved(model, point.config, adapter, folder)
        share = replace(fitted, seconds=cost.seconds, resumed_at=cost.resumed_at)
        write_pins(folder, pins_of(room.material, point.config, room.device))
        write_summary(folder, room.material, share, point.config, cost.company)
        if adapter.halfway:
            write_halfway(folder, replace(adapter.halfway, stretches=cost.stretches))

    try:
        fill(point.out, point.made, work)
    except ModelProblem as error:
        point.failed.write_text(f"{error}\n", encoding="utf-8")


def _saved(model: Model, config: TrainConfig, adapter: Alone, folder: Path) -> Fitted:
    """Put the trained factors into PEFT's own layers and let them be saved as ever; the base is left as it was."""
    if adapter.fault:
        raise ModelProblem(
            f"training stopped at {adapter.fault}; lower optim.learning_rate or look at the rows of that step"
        )
    wrapped = adapt(model, config.lora, rows=(), base=Path(), seed=config.seed, start=Path())
    try:
        before = snapshot(wrapped)
        layers = dict(wrapped.get_base_model().named_modules())
        with torch.no_grad():
            for name, factors in adapter.factors.items():
                layers[name].lora_A["default"].weight.copy_(factors.a)
                layers[name].lora_B["default"].weight.copy_(factors.b)
        refuse_idle(wrapped, before)
        export(wrapped, folder, start=Path())
        return Fitted(
            model=None,
            curve=adapter.curve,
            trainable_parameters=sum(tensor.numel() for factors in adapter.factors.values() for tensor in factors),
            seconds=0.0,
            resumed_at=0,
            measured=(),
            kept_step=adapter.curve[-1].step,
        )
    finally:
        wrapped.unload()


def _digest(group: Sequence[_Point]) -> str:
    """Names a pack's checkpoints: those of another layout are another's, and are not gone on from."""
    span, jobs = group[0].span, [LAYOUT, *(point.job for point in group)]
    return digest(jobs if span.whole else [str(span.after), str(span.until), *jobs])


def _checkpoints(group: Sequence[_Point]) -> Path:
    return group[0].whole.with_name(f".pack.{_digest(group)[:12]}.checkpoints")
