"""The updates: AdamW with a rate, decay and largest norm for each adapter, and an end for the one that diverges."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import get_scheduler

from trainers.packed.stack import Member, Stack
from trainers.sections import Optim

__all__ = ["MOMENTS", "Updates", "rates"]

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What torch calls AdamW's running means of the gradient and of its square."""

NORM_FLOOR = 1e-6
"""Added to a norm before it divides, as torch's own clipping does."""


def rates(optim: Optim, steps: int) -> list[float]:
    """The learning rate of each step, by the schedules of transformers."""
    optimizer = torch.optim.SGD([torch.zeros(())], lr=optim.learning_rate)
    name = "constant_with_warmup" if optim.schedule == "constant" else optim.schedule
    warmup = math.ceil(steps * optim.warmup)  # as transformers reads a share
    schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    found = []
    for _ in range(steps):
        found.append(float(schedule.get_last_lr()[0]))
        optimizer.step()
        schedule.step()
    return found


class Updates:
    """One optimiser over the stack, each row a group of its own.

    Attributes:
        faults: why an adapter is trained no further, by row. Its numbers are 0 from then on.
    """

    def __init__(self, stack: Stack, members: Sequence[Member], steps: int) -> None:
        """Begin with empty moments; `steps` is what the schedules end at."""
        self._stack = stack
        self.rates = [rates(member.optim, steps) for member in members]
        self.faults: dict[int, str] = {}
        self._rows = [torch.nn.Parameter(row) for row in stack.own(stack.weights)]  # shares the stack's memory
        most = [member.optim.max_grad_norm for member in members]
        self._most = torch.tensor(most, dtype=stack.weights.dtype, device=stack.weights.device)
        groups = [
            {"params": [row], "weight_decay": member.optim.weight_decay}
            for row, member in zip(self._rows, members, strict=True)
        ]
        self._optimizer = torch.optim.AdamW(groups, fused=True)

    def step(self, number: int, losses: Tensor) -> tuple[list[float], list[float]]:
        """Apply the stack's gradients, and zero them.

        Args:
            number: steps before this one.
            losses: (K,), of this step.

        Returns:
            Losses and L2 norms of the gradients before they were cut, as numbers.
        """
        gradients = self._stack.own(self._stack.gradients)
        norms = torch.stack([row.norm() for row in gradients])
        seen = torch.stack([losses.to(norms.dtype), norms]).tolist()  # the one wait for the device in a step
        for row, share in zip(gradients, (self._most / (norms + NORM_FLOOR)).clamp(max=1), strict=True):
            row.mul_(share)
        for row, (loss, norm) in enumerate(zip(*seen, strict=True)):
            if row not in self.faults and not (math.isfinite(loss) and math.isfinite(norm)):
                self._end(row, f"step {number + 1}: loss {loss} and gradient norm {norm} are not both finite")
        for row, group in enumerate(self._optimizer.param_groups):
            group["lr"] = self.rates[row][number]
            self._rows[row].grad = None if row in self.faults else gradients[row]
        self._optimizer.step()
        for own in gradients:
            own.zero_()
        self._stack.refresh()
        return seen[0], seen[1]

    def state(self) -> dict[str, Tensor]:
        """AdamW's moments, of the shape of the stack's weights, and the updates that each row has had (K,)."""
        moments = {key: torch.zeros_like(self._stack.weights) for key in MOMENTS}
        for key, whole in moments.items():
            for row, place in zip(self._rows, self._stack.own(whole), strict=True):
                if key in (own := self._optimizer.state.get(row, {})):
                    place.copy_(own[key])
        had = [float(self._optimizer.state.get(row, {}).get("step", 0)) for row in self._rows]
        return moments | {"steps": torch.tensor(had)}

    def restore(self, state: Mapping[str, Tensor], faults: Mapping[int, str]) -> None:
        """Go on from what `state` gave; the stack's weights are restored by whoever has them."""
        self.faults = dict(faults)
        moments = {key: self._stack.own(state[key]) for key in MOMENTS}
        for place, row in enumerate(self._rows):
            own = {key: each[place].to(row.device).clone() for key, each in moments.items()}
            self._optimizer.state[row] = own | {"step": state["steps"][place].to(row.device).clone()}

    def _end(self, row: int, fault: str) -> None:
        self.faults[row] = fault
        self._rows[row].data.zero_()  # so that its forward passes are the base's, and finite
