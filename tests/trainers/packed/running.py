"""Runs packs on the tiny base: in any company, in any precision, and by the ordinary trainer for comparison."""

from pathlib import Path

import torch

from harness.chat import load_tokenizer
from trainers.bases import load_base, stop_ids
from trainers.encode import encode
from trainers.fit import Task, fit
from trainers.packed.fit import Packed, PackTask, fit_pack
from trainers.packed.span import WHOLE
from trainers.packed.stack import Factors, Member
from trainers.rows import read_rows
from trainers.sections import Lora, Optim, Quantization

__all__ = ["distance", "member", "ordinary", "pack", "rows_of"]


def member(name="a", seed=0, *, lora=None, optim=None) -> Member:
    """A member; rank 4, and a rate that moves the weights and does not magnify rounding."""
    return Member(
        name,
        Lora.model_validate({"rank": 4} | (lora or {})),
        Optim.model_validate({"learning_rate": 2e-3, "warmup": 0.1} | (optim or {})),
        seed,
    )


def rows_of(config):
    """The configuration's rows as token ids."""
    base = Path(config.model)
    tokenizer = load_tokenizer(base)
    stops = stop_ids(base, tokenizer)
    return encode(read_rows(config.data, system=config.system), tokenizer, stop_ids=stops, max_length=256)


def pack(  # noqa: PLR0913  # what a test may vary
    config,
    folder,
    *members,
    dtype="float64",
    quantization="none",
    device="cpu",
    on_step=lambda *_: None,
    say=lambda _: None,
    part=WHOLE,
    begun=(),
):
    """Train members together, up to a part of the steps, from where they stand."""
    settings = Quantization(kind=quantization)
    model = load_base(Path(config.model), dtype=dtype, quantization=settings, device=device)
    task = PackTask(config, members, rows_of(config), folder, "job", part, begun)
    trained: Packed = fit_pack(model, task, on_step=on_step, say=say)
    return trained


def ordinary(config, folder) -> tuple[dict[str, Factors], tuple]:
    """Factors and curve of the ordinary trainer."""
    base = Path(config.model)
    model = load_base(base, dtype="float32", quantization=config.quantization, device="cpu")
    task = Task(config, rows_of(config), load_tokenizer(base), base, folder, "job")
    fitted = fit(model, task, on_step=lambda *_: None, say=lambda _: None)
    factors = {
        name: Factors(layer.lora_A["default"].weight.detach(), layer.lora_B["default"].weight.detach())
        for name, layer in fitted.model.get_base_model().named_modules()
        if "default" in getattr(layer, "lora_A", ())
    }
    return factors, fitted.curve


def distance(one: dict[str, Factors], other: dict[str, Factors]) -> float:
    """The L2 norm of the difference of two adapters, relative to the second; they must have the same layers."""
    assert list(one) == list(other)
    left, right = (
        torch.cat([tensor.flatten().double() for each in side.values() for tensor in each]) for side in (one, other)
    )
    return float((left - right).norm() / right.norm())
