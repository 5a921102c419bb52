"""A layer of the base, by how it is kept: what it computes for K adapters, and its weight for the way back.

    kept in          weight (out, in)             product with x (K, N, in)
    16 or 32 bits    as it is                     one for all adapters
    4 bits           whole, by bitsandbytes       one for all
    8 bits, CPU      whole                        one for all, as bitsandbytes trains there
    8 bits, else     whole, for the way back      the layer's own, adapter by adapter

In 8 bits a product keeps in 16 those columns in which some row of its input is large, so adapters in one product would
touch each other. By itself each has the columns that its own rows ask for, which is what it has when trained alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainers.bases import Model
from trainers.packed.agree import agree

__all__ = ["Frozen", "computes_as", "frozen", "mixing"]

LARGEST = 127
"""Of 8 bits: what a row's scale, its largest number, is kept as."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a layer computes.

    Attributes:
        weight: makes it (out, in), in the arithmetic's precision.
        bias: (out,), or None.
        alone: the layer itself where adapters must not share a product, of tokens (N, in) of one of them.
    """

    weight: Callable[[], Tensor]
    bias: Tensor | None
    alone: Callable[[Tensor], Tensor] | None = None

    @property
    def plain(self) -> bool:
        """Whether it is the product with the weight and nothing else."""
        return self.bias is None and self.alone is None

    def product(self, x: Tensor) -> Tensor:
        """(K, N, in) -> (K, N, out)."""
        if self.alone is None:
            return nn.functional.linear(x, self.weight(), self.bias)
        return torch.stack([self.alone(one) for one in x])


def frozen(layer: nn.Module, dtype: torch.dtype) -> Frozen | None:
    """What a layer computes in `dtype`; None where it is not known what else it does."""
    if type(layer) is nn.Linear:
        return Frozen(lambda: layer.weight, layer.bias)
    if _kind(layer) == "Linear4bit":
        from bitsandbytes.functional import dequantize_4bit

        return Frozen(
            lambda: dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(layer.compute_dtype), layer.bias
        )
    if _kind(layer) == "Linear8bitLt":
        return Frozen(lambda: _whole(layer, dtype), layer.bias, layer if _mixes(layer) else None)
    return None


def computes_as(ours: Frozen, layer: nn.Module) -> bool:
    """Whether a layer makes the same of random tokens (2, 5, in), an adapter's at a time, on the way and back.

    What bitsandbytes keeps where is its own affair, and another release or device may have it otherwise.
    """
    dtype = ours.weight().dtype
    x = torch.randn(2, 5, layer.in_features, device=layer.weight.device, dtype=dtype, requires_grad=True)
    with torch.enable_grad():
        y = torch.stack([layer(one) for one in x])
    weigh = torch.randn_like(y)
    (slope,) = torch.autograd.grad(y, x, weigh)
    return agree(ours.product(x.detach()), y) and agree(weigh @ ours.weight(), slope)


def mixing(model: Model) -> list[str]:
    """Names of the layers in which rows of one batch touch each other."""
    return [name for name, layer in model.named_modules() if _kind(layer) == "Linear8bitLt" and _mixes(layer)]


def _kind(layer: nn.Module) -> str:
    """By its name, as bitsandbytes is loaded for quantised bases alone."""
    return type(layer).__name__


def _mixes(layer: nn.Module) -> bool:
    return bool(layer.weight.device.type != "cpu")


def _whole(layer: nn.Module, dtype: torch.dtype) -> Tensor:
    """As bitsandbytes makes it on the way back; it moves the numbers to the layer's state at the first forward pass."""
    held = layer.weight if layer.weight.CB is not None else layer.state
    whole: Tensor = held.CB.to(dtype).mul_(held.SCB[:, None] * (1 / LARGEST))
    return whole
