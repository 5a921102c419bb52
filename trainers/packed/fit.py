"""Training a pack: one base, one stream of batches, K adapters, each as if it were alone."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.bases import Model
from trainers.checkpoints import finish, newest, spent_seconds
from trainers.config import TrainConfig
from trainers.encode import EncodedRow
from trainers.fit import Curve, Point
from trainers.packed.layers import Moment, attach
from trainers.packed.loss import answer_losses, refuse_other_head
from trainers.packed.optimizer import Updates
from trainers.packed.stack import Factors, Member, Stack, draw
from trainers.packed.stream import Step, Stream

__all__ = ["Alone", "PackTask", "Packed", "fit_pack"]

STATE = "state.pt"

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
    """

    config: TrainConfig
    members: tuple[Member, ...]
    rows: Sequence[EncodedRow]
    folder: Path
    job: str


@dataclass(frozen=True, slots=True)
class Alone:
    """One adapter after training.

    Attributes:
        member: which.
        start: its first factors, by layer.
        factors: its last ones.
        curve: a point for each step; it ends where the adapter was given up.
        fault: why it was given up; empty when it was trained to the end.
    """

    member: Member
    start: dict[str, Factors]
    factors: dict[str, Factors]
    curve: Curve
    fault: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A pack after training.

    Attributes:
        adapters: in the task's order.
        seconds: wall time of the steps, over all processes that took part.
        resumed_at: the step that this process went on from; 0 for a run without interruption.
    """

    adapters: tuple[Alone, ...]
    seconds: float
    resumed_at: int


def fit_pack(model: Model, task: PackTask, *, on_step: OnStep, say: Callable[[str], None]) -> Packed:
    """Train every member to the end, or to where it stops being finite.

    Args:
        model: from `load_base`; afterwards it is the untouched base again.
        task: what is trained.
        on_step: called after each step.
        say: told where the run goes on from, and who is given up.

    Raises:
        BadSpec: a member targets what the model has not.
        ModelProblem: this architecture cannot be packed.
    """
    model.requires_grad_(requires_grad=False)
    starts = draw(model, task.members)
    # most layers first: then the adapters that have a layer lie side by side, for all usual groups of layers
    order = sorted(range(len(starts)), key=lambda row: -len(starts[row]))
    run = _Run(model, task, [starts[row] for row in order], tuple(task.members[row] for row in order))
    packed = run.train(on_step, say)
    back = {row: at for at, row in enumerate(order)}
    return Packed(tuple(packed.adapters[back[row]] for row in range(len(order))), packed.seconds, packed.resumed_at)


class _Run:
    """The loop; members are in the order of the stack's rows."""

    def __init__(
        self, model: Model, task: PackTask, starts: list[dict[str, Factors]], members: tuple[Member, ...]
    ) -> None:
        self._model, self._task, self._starts, self._members = model, task, starts, members
        self._decoder, self._head = model.get_decoder(), model.get_output_embeddings()
        self._stream = Stream(task.rows, task.config, model.device)
        self._stack = Stack(starts, arithmetic=model.get_input_embeddings().weight.dtype)
        self._updates = Updates(self._stack, members, self._stream.steps)
        self._curves: list[list[Point]] = [[] for _ in members]

    def train(self, on_step: OnStep, say: Callable[[str], None]) -> Packed:
        model, task, steps = self._model, self._task, self._stream.steps
        refuse_other_head(model, self._stream.step(0).batches[0].ids[:1])
        checkpoint = newest(task.folder, task.job, say)
        resumed_at, spent = self._resume(checkpoint, say) if checkpoint else (0, 0.0)
        moment, replaced = attach(model, self._stack, self._members)
        if task.config.gradient_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        model.train()
        started = written = time.monotonic()
        for number in range(resumed_at, steps):
            known = len(self._updates.faults)
            self._record(number, self._step(self._stream.step(number), number, moment), on_step)
            for row in list(self._updates.faults)[known:]:
                say(f"{self._members[row].name} is given up at {self._updates.faults[row]}; the others go on")
            # the last step too: products are written one by one, and a run killed among them ends here
            if number + 1 == steps or time.monotonic() - written >= task.config.checkpoints.seconds:
                self._save(number + 1, spent + time.monotonic() - started)
                written = time.monotonic()
            if len(self._updates.faults) == len(self._members):
                break
        seconds = spent + time.monotonic() - started
        for parent, leaf in replaced:
            setattr(parent, leaf, getattr(parent, leaf).base)
        if task.config.gradient_checkpointing:
            model.activation_checkpointing_disable()
        return Packed(tuple(self._alone(row) for row in range(len(self._members))), seconds, resumed_at)

    def _step(self, step: Step, number: int, moment: Moment) -> Tensor:
        """Leave every adapter's gradients in the stack, and return the losses (K,)."""
        adapters = len(self._members)
        total = torch.zeros(adapters, device=self._model.device, dtype=self._stack.weights.dtype)
        for part, batch in enumerate(step.batches):
            ids = batch.ids.repeat(adapters, 1)  # (K * B, T): rows of one adapter lie together
            moment.rows, moment.step, moment.part = len(ids), number, part
            hidden = self._decoder(input_ids=ids, use_cache=False).last_hidden_state
            flat = hidden.view(adapters, -1, hidden.shape[-1])  # (K, B * T, h)
            read = flat.index_select(1, batch.places)
            losses = answer_losses(read, self._head, batch.labels, learned=step.learned)
            losses.sum().backward()  # adapters share no number, so each gets the gradient of its own loss
            total += losses.detach()
        return total

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

    def _save(self, step: int, spent: float) -> None:
        folder = self._task.folder / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        curves = [[(p.step, p.epoch, p.loss, p.grad_norm, p.learning_rate) for p in curve] for curve in self._curves]
        torch.save({"weights": self._stack.weights, "curves": curves, **self._updates.state()}, folder / STATE)
        finish(folder, self._task.job, spent=spent)

    def _resume(self, checkpoint: Path, say: Callable[[str], None]) -> tuple[int, float]:
        state: dict[str, Any] = torch.load(checkpoint / STATE, map_location=self._model.device, weights_only=True)
        self._stack.weights.copy_(state["weights"])
        self._stack.refresh()
        self._updates.restore(state)
        self._curves = [[Point(*values) for values in curve] for curve in state["curves"]]
        step = int(checkpoint.name.rpartition("-")[2])
        say(f"going on from step {step}")
        return step, spent_seconds(checkpoint)

    def _alone(self, row: int) -> Alone:
        fault = self._updates.faults.get(row, "")
        return Alone(self._members[row], self._starts[row], self._stack.adapter(row), tuple(self._curves[row]), fault)
