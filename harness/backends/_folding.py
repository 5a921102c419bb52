"""An adapter added to its base's weights while it is measured: one product a layer in place of three.

A small model spends a fifth to a half more time with PEFT's separate factors than without. In float32 the sum answers
alike up to rounding, as another batch size does. The base's tensors are laid aside, never written to, so that it comes
back bit for bit; weights in fewer bits would lose part of the adapter, so they keep their factors apart.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

__all__ = ["Folding", "fold"]

MOST_BYTES = 2**30
"""Larger layers keep their factors apart: there the products count, not the calls, and the copy would be large."""


@dataclass(frozen=True, slots=True)
class Folding:
    """The weights of every layer that an adapter touches.

    Attributes:
        layers: the base's own layers, each with its own weight (out, in) and the sum with the adapter's.
    """

    layers: tuple[tuple[Any, Any, Any], ...]

    def switch(self, *, on: bool) -> None:
        """Let the layers multiply by the sum, or by the base's own weight again."""
        for layer, own, summed in self.layers:
            layer.weight = summed if on else own


def fold(model: Any, slot: str) -> Folding | None:  # noqa: ANN401  # a PEFT model
    """Work out the sums; nothing is switched yet.

    Args:
        model: a PEFT model in memory.
        slot: the adapter's name in it.

    Returns:
        None when sums would not answer alike, or take more than `MOST_BYTES`: other weights than float32, quantised
        layers, kinds of LoRA that do more than add two factors' product, weights that two layers share.
    """
    import torch
    from peft.tuners.lora import Linear, LoraLayer

    touched = [layer for layer in model.modules() if isinstance(layer, LoraLayer) and slot in layer.scaling]
    bases = [layer.get_base_layer() for layer in touched]
    named = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    plain = all(
        type(layer) is Linear
        and type(base) is torch.nn.Linear
        and slot not in layer.lora_variant
        and not layer.lora_bias[slot]
        and base.weight.dtype is layer.lora_A[slot].weight.dtype is torch.float32
        and named[id(base.weight)] == 1
        for layer, base in zip(touched, bases, strict=True)
    )
    if not plain or sum(base.weight.nbytes for base in bases) > MOST_BYTES:
        return None
    with torch.no_grad():
        sums = [base.weight + layer.get_delta_weight(slot) for layer, base in zip(touched, bases, strict=True)]
    frozen = [torch.nn.Parameter(each, requires_grad=False) for each in sums]
    return Folding(tuple((base, base.weight, each) for base, each in zip(bases, frozen, strict=True)))
