"""Confidence bounds of a mean that hold after every value at once, so that one may stop when they decide.

A bettor stakes part of a capital on "the mean is above m" before each value is seen. If the mean is m, the capital
exceeds 1 / alpha at any time with probability at most alpha. The bound is the largest m that the capital refutes.
"""

from collections.abc import Sequence
from math import log
from typing import Any

from harness.types import Estimate

__all__ = ["betting_mean", "log_capital"]

_STAKE = 0.5
"""Largest part of the capital that one value can lose; the paper's choice."""
_BISECTIONS = 40


def betting_mean(values: Sequence[float], bounds: tuple[float, float], confidence: float = 0.95) -> Estimate:
    """Mean of values in the order they were read, with bounds that hold at every length at once.

    Args:
        values: within `bounds`, in an order that does not depend on them; at least one.
        bounds: the lowest and highest value that can occur.
        confidence: two-sided; each bound alone errs with (1 - confidence) / 2, over all lengths together.

    Returns:
        Estimate within `bounds`; wider than a fixed interval of as many values.

    Raises:
        ValueError: no values, or one that is not within `bounds`.

    Source: Waudby-Smith and Ramdas 2024, JRSS B 86:1-27 (arXiv 2010.09686), hedged capital with the predictable
    plug-in bets of its section 4.2; each side is read by itself, as gates decide.
    """
    import numpy as np

    lowest, highest = bounds
    if not values or not all(lowest <= value <= highest for value in values):
        raise ValueError(f"need at least one value, and all of them within [{lowest}, {highest}]")
    level = (1 - confidence) / 2
    shares = (np.asarray(values, dtype=float) - lowest) / (highest - lowest)
    low, high = _bound(shares, level), 1 - _bound(1 - shares, level)
    mean = float(shares.mean())
    width = highest - lowest
    return Estimate(
        lowest + width * mean,
        lowest + width * min(low, mean),
        lowest + width * max(high, mean),
        len(values),
        "betting",
    )


def log_capital(shares: Any, mean: float, level: float) -> Any:  # noqa: ANN401  # numpy arrays
    """Log of the capital of a bettor on "the mean is above `mean`", after each value.

    Args:
        shares: values in [0, 1], shape (..., values in the order read).
        mean: in (0, 1).
        level: error that the bets aim at, in (0, 1); any bets are valid, these are the quickest at that level.

    Returns:
        Of the same shape. Exceeds log(1 / level) anywhere with probability at most `level` if the mean is `mean`.
    """
    import numpy as np

    shares = np.asarray(shares, dtype=float)
    count = np.arange(1, shares.shape[-1] + 1)
    center = (0.5 + np.cumsum(shares, axis=-1)) / (count + 1)
    variance = (0.25 + np.cumsum((shares - center) ** 2, axis=-1)) / (count + 1)
    before = np.concatenate([np.full((*shares.shape[:-1], 1), 0.25), variance[..., :-1]], axis=-1)
    stake = np.minimum(np.sqrt(2 * log(1 / level) / (before * count * np.log(count + 1))), _STAKE / mean)
    return np.cumsum(np.log1p(stake * (shares - mean)), axis=-1)


def _bound(shares: Any, level: float) -> float:  # noqa: ANN401  # a numpy array
    """The largest mean that the capital refutes now; 0 when it refutes none."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        refuted = log_capital(shares, middle, level)[-1] >= log(1 / level)
        low, high = (middle, high) if refuted else (low, middle)
    return low
