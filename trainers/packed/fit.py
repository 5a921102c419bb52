"""Training a pack: one base, one stream of batches, K adapters, each as if it were alone."""

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import BadSpec
from trainers.bases import Model
from trainers.checkpoints import finish, newest, spent_seconds
from trainers.config import TrainConfig
from trainers.encode import EncodedRow
from trainers.fit import Curve, Point
from trainers.packed.answers import Places, at_answers, ends_alike
from trainers.packed.attention import attending_rows
from trainers.packed.frozen import mixing
from trainers.packed.fused import fused
from trainers.packed.halfway import Halfway
from trainers.packed.layers import Moment, attached
from trainers.packed.loss import answer_losses, refuse_other_head
from trainers.packed.mean import Mean
from trainers.packed.optimizer import MOMENTS, Updates
from trainers.packed.replay import Replays
from trainers.packed.span import WHOLE
from trainers.packed.stack import Factors, Member, Stack, draw
from trainers.packed.stream import Batch, Step, Stream

__all__ = ["Alone", "PackTask", "Packed", "fit_pack"]

MULTIPLE = 64
"""Of what tokens are filled up to where steps are replayed, so that a few shapes come again and again."""

NUMBERS, TOLD = "state.safetensors", "state.json"
_FEWEST = 2
"""Steps before a stop: with warm-up the first one has a rate of 0, so that an adapter is still its base."""

OnStep = Callable[[int, int, Point], None]
"""Gets steps done, steps in all, and a point: the mean loss, the largest norm and rate of those still training."""


@dataclass(frozen=True, slots=True)
class PackTask:
    """What is trained.

    Attributes:
        config: of any member: all agree on rows, order, batch, steps and precision.
        members: the adapters, at least one.
        rows: from `encode`.
        folder: for checkpoints; a run that finds its own there goes on from them.
        job: digest of all that decides the training.
        part: of the steps, where it stops; rates and order are those of the whole training all the same.
        begun: where each member stands already, all after as many steps; empty to begin at the beginning.
    """

    config: TrainConfig
    members: tuple[Member, ...]
    rows: Sequence[EncodedRow]
    folder: Path
    job: str
    part: Fraction = WHOLE
    begun: tuple[Halfway, ...] = ()


@dataclass(frozen=True, slots=True)
class Alone:
    """One adapter after training.

    Attributes:
        member: which.
        start: its first factors, by layer.
        factors: its last ones; of a training that is stopped the mean of late ones, see `trainers.packed.mean`.
        curve: a point for each step; it ends where the adapter was given up.
        fault: why it was given up; empty when it was trained to the end.
        halfway: where it stands, to go on from; None after the whole training.
    """

    member: Member
    start: dict[str, Factors]
    factors: dict[str, Factors]
    curve: Curve
    fault: str
    halfway: Halfway | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """A pack after training.

    Attributes:
        adapters: in the task's order.
        seconds: wall time of the steps, over all processes that took part; of those since `begun`, where it went on.
        resumed_at: the step that this process went on from; 0 for a run without interruption.
    """

    adapters: tuple[Alone, ...]
    seconds: float
    resumed_at: int


def fit_pack(model: Model, task: PackTask, *, on_step: OnStep, say: Callable[[str], None]) -> Packed:
    """Train every member to the end, to the step where the task stops, or to where it stops being finite.

    Args:
        model: from `load_base`; afterwards it is the untouched base again.
        task: what is trained.
        on_step: called after each step.
        say: told where the run goes on from, and who is given up.

    Raises:
        BadSpec: a member targets what the model has not, or the task stops at a step at which the rate may still be 0.
        ModelProblem: this architecture cannot be packed.
    """
    model.requires_grad_(requires_grad=False)
    starts = draw(model, task.members)
    # most layers first: then those with a layer lie side by side, for all usual groups of layers; so do those alike
    alike = [(-len(start), sorted(start), member.lora.rank) for start, member in zip(starts, task.members, strict=True)]
    order = sorted(range(len(starts)), key=alike.__getitem__)
    run = _Run(model, task, [starts[row] for row in order], tuple(task.members[row] for row in order))
    run.begin([task.begun[row] for row in order] if task.begun else [])
    packed = run.train(on_step, say)
    back = {row: at for at, row in enumerate(order)}
    return replace(packed, adapters=tuple(packed.adapters[back[row]] for row in range(len(order))))


class _Run:
    """The loop; members are in the order of the stack's rows."""

    def __init__(
        self, model: Model, task: PackTask, starts: list[dict[str, Factors]], members: tuple[Member, ...]
    ) -> None:
        self._model, self._task, self._starts, self._members = model, task, starts, members
        self._decoder, self._head = model.get_decoder(), model.get_output_embeddings()
        drops, on_gpu = any(member.lora.dropout for member in members), model.device.type == "cuda"
        # such layers ask the host which columns they read apart, by all tokens of an adapter's rows
        self._mixing = bool(mixing(model))
        replayed = on_gpu and not (drops or task.config.gradient_checkpointing or self._mixing)
        self._stream = Stream(
            task.rows,
            task.config,
            model.device,
            multiple=MULTIPLE if replayed else 1,
            share=not on_gpu,  # where sums of copies would come in any order
        )
        self._passes = Replays(self._both_ways) if replayed else self._both_ways
        self._stack = Stack(
            starts,
            arithmetic=model.get_input_embeddings().weight.dtype,
            lean=task.config.gradient_checkpointing,  # whoever asks for that wants memory
        )
        self._updates = Updates(self._stack, members, self._stream.steps)
        self._curves: list[list[Point]] = [[] for _ in members]
        self._places, self._early = Places(), False
        self._saved = time.monotonic()
        self._first, self._last = 0, math.ceil(self._stream.steps * task.part)
        self._mean: Mean | None = None
        if task.part < WHOLE and self._last < _FEWEST:
            raise BadSpec(
                f"halving: {task.part} of {self._stream.steps} steps is {self._last}, too early to tell points apart; "
                "let the first cut come later (first=1/2), or train longer"
            )

    def begin(self, begun: Sequence[Halfway]) -> None:
        """Take up every member where it stands; none when they are at the beginning."""
        if not begun:
            return
        state = self._updates.state()
        for row, each in enumerate(begun):
            self._stack.put(row, each.factors, self._stack.weights)
            for key, factors in each.moments.items():
                self._stack.put(row, factors, state[key])
            state["steps"][row] = each.updates
            self._curves[row] = list(each.curve)
        self._stack.refresh()
        self._updates.restore(state, {})
        self._first = begun[0].step

    def train(self, on_step: OnStep, say: Callable[[str], None]) -> Packed:
        model, task = self._model, self._task
        row = torch.tensor([task.rows[0].input_ids], device=model.device)
        refuse_other_head(model, row)
        self._early = not self._mixing and ends_alike(model, row)
        if task.part < WHOLE:
            self._mean = Mean(self._stack.weights, self._first, self._last)
        checkpoint = newest(task.folder, task.job, say)
        resumed_at, spent = self._resume(checkpoint, say) if checkpoint else (self._first, 0.0)
        if task.config.gradient_checkpointing:
            _checkpointing(model, "enable")({"use_reentrant": False})
        model.train()
        started = time.monotonic()
        with (
            fused(model, say),
            attached(model, self._stack, self._members) as moment,
            attending_rows(model),
            at_answers(model, self._places) if self._early else nullcontext(),
        ):
            for number in range(resumed_at, self._last):
                self._record(number, self._step(self._stream.step(number), number, moment), on_step)
                self._tell(number, say)
                if self._mean:
                    self._mean.add(number + 1)
                if len(self._updates.faults) == len(self._members):
                    break
                self._save(number + 1, spent + time.monotonic() - started)
        seconds = spent + time.monotonic() - started
        if task.config.gradient_checkpointing:
            _checkpointing(model, "disable")()
        state = self._updates.state() if task.part < WHOLE else None
        adapters = tuple(self._alone(row, state) for row in range(len(self._members)))
        return Packed(adapters, seconds, resumed_at)

    def _step(self, step: Step, number: int, moment: Moment) -> Tensor:
        """Leave every adapter's gradients in the stack, and return the losses (K,)."""
        total = torch.zeros(len(self._members), device=self._model.device, dtype=self._stack.weights.dtype)
        for part, batch in enumerate(step.batches):
            moment.step, moment.part = number, part
            total += self._passes(batch, step.learned)
        return total

    def _both_ways(self, batch: Batch, learned: Tensor) -> Tensor:
        """Forward and back through one batch; the losses (K,)."""
        self._places.now = batch.places
        ids, positions = (each.expand(len(self._members), -1) for each in (batch.ids, batch.rows.positions))  # (K, N)
        hidden = self._decoder(
            input_ids=ids,
            position_ids=positions,
            packed_rows=batch.rows,
            use_cache=False,
        ).last_hidden_state
        read = hidden if self._early else hidden.index_select(1, batch.places)  # (K, n, h)
        losses = answer_losses(read, self._head, batch.labels, learned=learned)
        losses.sum().backward()  # adapters share no number, so each gets the gradient of its own loss
        return losses.detach()

    def _record(self, number: int, losses: Tensor, on_step: OnStep) -> None:
        given_up = set(self._updates.faults)
        seen, norms = self._updates.step(number, losses)
        epoch = self._stream.epoch_after(number)
        for row, curve in enumerate(self._curves):
            if row not in given_up:
                curve.append(Point(number + 1, epoch, seen[row], norms[row], self._updates.rates[row][number]))
        last = [curve[-1] for row, curve in enumerate(self._curves) if row not in self._updates.faults]
        if last:
            loss = sum(point.loss for point in last) / len(last)
            norm, rate = max(point.grad_norm for point in last), max(point.learning_rate for point in last)
            on_step(number + 1, self._stream.steps, Point(number + 1, epoch, loss, norm, rate))

    def _tell(self, number: int, say: Callable[[str], None]) -> None:
        for row, fault in self._updates.faults.items():
            if self._curves[row][-1].step == number + 1:
                say(f"{self._members[row].name} is given up at {fault}; the others go on")

    def _save(self, step: int, spent: float) -> None:
        """Write a checkpoint if it is time, and after the last step: a run killed among its products ends there."""
        due = time.monotonic() - self._saved >= self._task.config.checkpoints.seconds
        if step < self._last and not due:
            return
        self._saved = time.monotonic()
        folder = self._task.folder / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        curves = [[(p.step, p.epoch, p.loss, p.grad_norm, p.learning_rate) for p in curve] for curve in self._curves]
        mean = {"mean": self._mean.value} if self._mean else {}
        save_file({"weights": self._stack.weights, **self._updates.state(), **mean}, folder / NUMBERS)
        told = {"curves": curves, "faults": list(self._updates.faults.items())}
        (folder / TOLD).write_text(json.dumps(told), encoding="utf-8")
        finish(folder, self._task.job, spent=spent)

    def _resume(self, checkpoint: Path, say: Callable[[str], None]) -> tuple[int, float]:
        numbers = load_file(checkpoint / NUMBERS, device=str(self._model.device))
        told = json.loads((checkpoint / TOLD).read_text(encoding="utf-8"))
        self._stack.weights.copy_(numbers["weights"])
        self._stack.refresh()
        if self._mean:
            self._mean.value.copy_(numbers["mean"])
        self._updates.restore(numbers, dict(told["faults"]))
        self._curves = [[Point(*values) for values in curve] for curve in told["curves"]]
        step = int(checkpoint.name.rpartition("-")[2])
        say(f"going on from step {step}")
        return step, spent_seconds(checkpoint)

    def _alone(self, row: int, state: dict[str, Tensor] | None) -> Alone:
        fault, curve = self._updates.faults.get(row, ""), tuple(self._curves[row])
        factors, halfway = self._stack.adapter(row), None
        if state is not None and not fault:
            moments = {key: self._stack.adapter(row, state[key]) for key in MOMENTS}
            halfway = Halfway(self._last, self._stream.steps, factors, moments, float(state["steps"][row]), curve)
        if self._mean:
            factors = self._stack.adapter(row, self._mean.value)
        return Alone(self._members[row], self._starts[row], factors, curve, fault, halfway)


def _checkpointing(model: Model, what: str) -> Callable[..., None]:
    """The method that turns recomputing of activations on or off; transformers 5.18 gave it another name."""
    found: Callable[..., None] = getattr(model, f"activation_checkpointing_{what}", None) or getattr(
        model, f"gradient_checkpointing_{what}"
    )
    return found
