"""Whether two ways to compute the same numbers agree, as far as their precision goes."""

import torch
from torch import Tensor

__all__ = ["agree"]

NEAR, NEAR_HALF = 1e-5, 1e-2
"""A few roundings of fp32, in which models norm in any case, and of half precision, where bf16 keeps 8 bits."""


def agree(one: Tensor, other: Tensor) -> bool:
    """Whether `one` is within rounding of `other`, of the same shape: by the norm of their difference, beside its own.

    Not number by number, as numbers that all but cancel may be far off, which in models of large weights many are.
    """
    near = NEAR_HALF if other.dtype in (torch.bfloat16, torch.float16) else NEAR
    return bool((one.double() - other.double()).norm() <= near * other.double().norm())
