"""How many adapters are trained at once: as many as memory holds, by the estimator of `tunegate plan`.

A pack holds the base once, the activations of every adapter's rows, and for each adapter its numbers in the stack:
weights, gradients, AdamW's two moments and the mean that halving measures, 20 bytes each. Where activations are
computed twice the stack is lean and holds what is learned; else all of it is counted as padded to the largest rank, as
moments are not.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch

from harness.errors import BadSpec
from trainers.config import TrainConfig
from trainers.encode import EncodedRow
from trainers.packed.stack import padded
from trainers.planning.memory import footprint
from trainers.planning.setups import setup_of
from trainers.planning.shapes import GROUPS, read_shape

__all__ = ["free_bytes", "pack_bytes", "pack_sizes"]

BYTES_A_NUMBER = 20
MEMORY = Path("/proc/meminfo")
SHARE = 0.9
"""Of the free memory: the estimator may be a few percent short."""


def free_bytes(device: str) -> int:
    """Memory that a pack may fill, base included: of the GPU, or of the machine."""
    if device == "cuda":
        return int(SHARE * torch.cuda.mem_get_info()[0])
    try:
        told = dict(line.split(":") for line in MEMORY.read_text(encoding="ascii").splitlines())
        return int(SHARE * 1024 * int(told["MemAvailable"].split()[0]))
    except (OSError, KeyError):  # not Linux: what there is, used or not
        return int(SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def pack_bytes(configs: Sequence[TrainConfig], longest: int, *, exact: bool) -> int:
    """Predicted peak of training these adapters at once.

    Args:
        configs: of the pack, at least one.
        longest: tokens of the longest row.
        exact: whether the arithmetic is in fp32.

    Raises:
        BadSpec: the base's shape is unknown, or a configuration targets a layer that it has not.
    """
    shape = read_shape(configs[0].model)
    setups = [setup_of(config, shape, longest=longest) for config in configs]
    targets = tuple(name for name in GROUPS["all-linear"] if any(name in setup.targets for setup in setups))
    ranks = [padded(setup.rank, half=not exact) for setup in setups]
    together = replace(  # has one adapter, no smaller than the largest
        setups[0],
        rank=max(ranks),
        targets=targets,
        dropout=any(setup.dropout for setup in setups),
        trained_dtype="float32",
        compute_dtype="float32" if exact else "bfloat16",
        autocast=True,
        masked=False,
        batch=setups[0].batch * len(configs),
    )
    if configs[0].gradient_checkpointing:
        own = [shape.adapter_parameters(rank, setup.targets) for rank, setup in zip(ranks, setups, strict=True)]
        others = sum(own) - max(own)
    else:
        others = (len(configs) - 1) * shape.adapter_parameters(max(ranks), targets)
    return footprint(together).allocated + BYTES_A_NUMBER * others


def pack_sizes(configs: Sequence[TrainConfig], rows: Sequence[EncodedRow], free: int) -> list[int]:
    """How many of the configurations, in their order, go into each pack.

    Args:
        configs: that may be packed, at least one.
        rows: that they learn.
        free: bytes; from `free_bytes`.

    Returns:
        Sizes >= 1 that add up to all of them; even, so that no pack is much smaller than it need be.
    """
    longest, exact = max(len(row.input_ids) for row in rows), not torch.cuda.is_available()
    exact |= configs[0].dtype == "float32"
    try:
        packs = next(
            count
            for count in range(1, len(configs) + 1)
            if max(pack_bytes(part, longest, exact=exact) for part in _even(configs, count)) <= free
        )
    except BadSpec:
        packs = 1  # of unknown shape: a pack that does not fit is halved when that shows
    except StopIteration:
        packs = len(configs)
    return [len(part) for part in _even(configs, packs)]


def _even(configs: Sequence[TrainConfig], parts: int) -> list[Sequence[TrainConfig]]:
    each, more = divmod(len(configs), parts)
    ends = [part * each + min(part, more) for part in range(parts + 1)]
    return [configs[start:end] for start, end in pairwise(ends)]
