"""One adapter in the middle of its training: all that it needs to go on, in whatever company.

A pack's own checkpoints go on with the same adapters alone. This is what outlives a pack: some of its adapters are
stopped for good, the others go on together, in the weights that they would have had beside all.
"""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from harness.errors import BadRunDirectory
from trainers.fit import Curve, Point
from trainers.packed.span import PLACE, TOLD
from trainers.packed.stack import Factors

__all__ = ["Halfway", "Stretch", "read_halfway", "write_halfway"]

NUMBERS = "state.safetensors"
WEIGHTS = "weights"


class Stretch(NamedTuple):
    """A part of a training that had one company: the step that it ended at, how many adapters, and their seconds."""

    step: int
    k: int
    shared_seconds: float


@dataclass(frozen=True, slots=True)
class Halfway:
    """Where an adapter stands.

    Attributes:
        step, steps: optimiser steps that it has had, and those of the whole training.
        factors: by layer.
        moments: AdamW's means by torch's names, each by layer like the factors.
        updates: what AdamW counted.
        curve: a point for each step.
        stretches: how it came here; empty until its seconds are known.
    """

    step: int
    steps: int
    factors: Mapping[str, Factors]
    moments: Mapping[str, Mapping[str, Factors]]
    updates: float
    curve: Curve
    stretches: tuple[Stretch, ...] = ()


def write_halfway(folder: Path, halfway: Halfway) -> None:
    """Write it into a folder, beside the adapter."""
    parts = {WEIGHTS: halfway.factors, **halfway.moments}
    tensors = {
        f"{part}/{layer}/{side}": tensor.contiguous()
        for part, factors in parts.items()
        for layer, pair in factors.items()
        for side, tensor in zip("ab", pair, strict=True)
    }
    place = folder / PLACE
    place.mkdir()
    save_file(tensors, place / NUMBERS)
    told = {
        "step": halfway.step,
        "steps": halfway.steps,
        "updates": halfway.updates,
        "curve": [astuple(point) for point in halfway.curve],
        "stretches": halfway.stretches,
    }
    (place / TOLD).write_text(json.dumps(told), encoding="utf-8")


def read_halfway(folder: Path, device: str) -> Halfway:
    """What `write_halfway` wrote; its numbers on `device`.

    Raises:
        BadRunDirectory: it is not there, or damaged.
    """
    place = folder / PLACE
    try:
        told = json.loads((place / TOLD).read_text(encoding="utf-8"))
        tensors = load_file(place / NUMBERS, device=device)
        parts: dict[str, dict[str, Factors]] = {}
        for name in sorted(tensors):
            part, layer, side = name.split("/")
            if side == "a":
                parts.setdefault(part, {})[layer] = Factors(tensors[name], tensors[f"{part}/{layer}/b"])
        curve = tuple(Point(*values) for values in told["curve"])
        stretches = tuple(Stretch(*values) for values in told["stretches"])
        step, steps, updates = int(told["step"]), int(told["steps"]), float(told["updates"])
        return Halfway(step, steps, parts.pop(WEIGHTS), parts, updates, curve, stretches)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadRunDirectory(f"{folder}: holds no training to go on from ({error}); remove it, train again") from error
