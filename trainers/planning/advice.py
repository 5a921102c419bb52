"""What to change when a run does not fit: each suggestion is a configuration whose predicted peak is lower.

Two things that guides name are never suggested. `lora.alpha` scales numbers that are there anyway. `accumulation`
repeats the same forward pass: it costs one set of the adapter's gradients at most, and lowering it frees no activation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainers.config import TrainConfig
from trainers.planning.memory import footprint
from trainers.planning.setups import setup_of
from trainers.planning.shapes import Shape

__all__ = ["Suggestion", "enough", "suggestions"]

SHORTEST = 128
"""Tokens below which no max_length is suggested."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One change, or several together.

    Attributes:
        change: `key old -> new`, as in the TOML file.
        price: what it costs besides.
        config: with the change made.
        peak: bytes, predicted with the change.
        saves: bytes, > 0.
    """

    change: str
    price: str
    config: TrainConfig
    peak: int
    saves: int


def suggestions(config: TrainConfig, shape: Shape, *, longest: int | None = None) -> tuple[Suggestion, ...]:
    """Every single change that lowers the predicted peak, gentlest first.

    Args:
        config: of the run.
        shape: of its base.
        longest: tokens of the longest row, when it is known.
    """
    return tuple(_lowering(config, shape, longest))


def enough(config: TrainConfig, shape: Shape, memory: int, *, longest: int | None = None) -> Suggestion | None:
    """The gentlest changes that together fit in `memory` bytes, taken one by one in the order of `suggestions`.

    A change that can be made again, such as a smaller batch, is made again before the next is tried.

    Returns:
        None when the run fits already, or when no change is left and it still does not fit.
    """
    before = peak = _peak(config, shape, longest)
    made: dict[str, Suggestion] = {}
    while peak > memory:
        step = next(_lowering(config, shape, longest), None)
        if step is None:
            return None
        made[step.change.partition(" ")[0]] = step
        config, peak = step.config, step.peak
    if not made:
        return None
    change = ", ".join(f"{key} -> {step.change.rpartition(' ')[2]}" for key, step in made.items())
    price = "; ".join(dict.fromkeys(step.price for step in made.values()))
    return Suggestion(change=change, price=price, config=config, peak=peak, saves=before - peak)


def _peak(config: TrainConfig, shape: Shape, longest: int | None) -> int:
    return footprint(setup_of(config, shape, longest=longest)).peak


def _lowering(config: TrainConfig, shape: Shape, longest: int | None) -> Iterator[Suggestion]:
    before = _peak(config, shape, longest)
    for key, value, price in _changes(config):
        changed = _with(config, key, value)
        peak = _peak(changed, shape, longest)
        if peak < before:
            change = f"{key} {_shown(_value(config, key))} -> {_shown(value)}"
            yield Suggestion(change=change, price=price, config=changed, peak=peak, saves=before - peak)


def _changes(config: TrainConfig) -> Iterator[tuple[str, Any, str]]:
    """Changes worth a look, those that leave the result alone first: dotted key, new value, price."""
    lora, shorter = config.lora, config.max_length // 2
    kind = config.quantization.kind
    # what starts from the base's own weights, or trains them, cannot have them rounded
    roundable = config.method != "full" and lora.variant not in ("pissa", "olora")
    looks = (
        (
            not config.gradient_checkpointing,
            "gradient_checkpointing",
            True,
            "same result, a third to a half more time",
        ),
        (config.batch_size > 1, "batch_size", config.batch_size // 2, "same result with twice the accumulation"),
        (config.dtype == "float32", "dtype", "bfloat16", "fewer digits"),
        (config.optim.name in ("adamw", "paged_adamw"), "optim.name", "adamw_8bit", "coarser optimiser states"),
        (config.packing, "packing", False, "short rows are padded again, more time"),
        (lora.dropout > 0, "lora.dropout", 0.0, "no dropout"),
        (
            roundable and kind not in ("nf4", "fp4"),
            "quantization.kind",
            "nf4",
            "the base is rounded to 4 bits and slower; measure with the same kind",
        ),
        (not config.quantization.double, "quantization.double", True, "scales are rounded too"),
        (shorter >= SHORTEST, "max_length", shorter, "longer rows are refused"),
        (lora.variant == "dora", "lora.variant", "lora", "no learned magnitudes"),
        (lora.target_modules == "all-linear", "lora.target_modules", "attention", "less capacity"),
        (lora.rank > 1, "lora.rank", lora.rank // 2, "less capacity"),
    )
    return ((key, value, price) for applies, key, value, price in looks if applies)


def _value(config: TrainConfig, key: str) -> object:
    section, _, name = key.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)


def _with(config: TrainConfig, key: str, value: object) -> TrainConfig:
    section, _, name = key.rpartition(".")
    update: Mapping[str, Any] = {name: value}
    if section:
        update = {section: getattr(config, section).model_copy(update=update)}
    return config.model_copy(update=update)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
