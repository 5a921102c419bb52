"""How much can be seen with n examples, and how many would decide. All decisions one-sided, by default with 80 % power.

With z = `critical_z(confidence)`, a bound of a two-sided interval is a one-sided test at (1 - confidence) / 2.
"""

from math import ceil, floor, log, sqrt
from statistics import NormalDist
from typing import Literal

from harness.stats.normal import critical_z

__all__ = [
    "Bound",
    "deciding_n",
    "detectable_difference",
    "detectable_mean",
    "shrunk_share",
    "zero_loss_bound",
    "zero_loss_n",
]

Bound = Literal["rate", "drop", "gain"]
"""What a limit bounds: a rate from below, a paired drop from above, or a paired gain from below."""

_POWER_Z = NormalDist().inv_cdf(0.80)
_BISECTIONS = 60
_UNREACHABLE = 1_000_000


def zero_loss_bound(n: int, confidence: float = 0.90) -> float:
    """Lower bound of the difference when n pairs show neither gain nor loss: -z² / (n + z²), Tango's at b = c = 0.

    Args:
        n: pairs, > 0.
        confidence: two-sided, in (0, 1).

    Returns:
        In (-1, 0): -0.051 at n = 50 and -0.026 at n = 100 with the default confidence.
    """
    if n <= 0:
        raise ValueError(f"{n} pairs: need n > 0")
    z2 = critical_z(confidence) ** 2
    return -z2 / (n + z2)


def zero_loss_n(kind: Bound, limit: float, confidence: float = 0.90) -> int | None:
    """Fewest examples with which a flawless candidate can pass: all right, none lost, or all gained.

    So many that the interval lies clear of the limit, and that a model exactly on the limit would show as much by luck
    with probability at most (1 - confidence) / 2.

    Args:
        kind: what `limit` bounds.
        limit: in (0, 1], a gain may be 0; a drop of 0.02 needs 149 examples, 0.01 needs 299, a rate of 0.95 needs 59.
        confidence: two-sided, in (0, 1).

    Returns:
        The count, or None when no count can do, as for a rate or a gain of 1.
    """
    z2 = critical_z(confidence) ** 2
    allowed = (1 - confidence) / 2
    if kind == "drop":
        lucky = 1 - limit
        clear = floor(z2 * (1 - limit) / limit) + 1
        return max(1, clear, ceil(log(allowed) / log(lucky)) if lucky else 1)
    if limit >= 1.0:
        return None
    lucky = limit if kind == "rate" else (1 + limit) / 2
    clear = ceil(z2 * limit / (1 - limit)) if kind == "rate" else floor(z2 * (1 + limit) / (1 - limit)) + 1
    return max(clear, ceil(log(allowed) / log(lucky)))


def detectable_difference(n: int, discordant: int, confidence: float = 0.90) -> float:
    """Smallest true paired difference that n pairs of such discordance find with 80 % power.

    Solves d √n = z √p + z_power √(p - d²) for d, where p is the share of discordant pairs, moved towards 1/2 as
    Wilson's interval does (so that 0 seen does not mean 0), and at least d.

    Args:
        n: pairs, > 0.
        discordant: pairs on which the models differ, in [0, n].
        confidence: two-sided, in (0, 1).

    Returns:
        In (0, 1]; 1.0 when nothing smaller would be found.

    Source: Connor 1987, Biometrics 43:207-211.
    """
    z = critical_z(confidence)
    share = shrunk_share(discordant, n, confidence)

    def found(difference: float) -> bool:
        p = max(share, difference)
        return difference * sqrt(n) >= z * sqrt(p) + _POWER_Z * sqrt(p - difference * difference)

    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def detectable_mean(half_width: float, confidence: float = 0.90) -> float:
    """Smallest true mean difference found with 80 % power when the interval's half-width is `half_width`; at most 1."""
    return min(1.0, half_width * (1 + _POWER_Z / critical_z(confidence)))


def deciding_n(variance: float, distance: float, confidence: float = 0.90, *, power: float = 0.80) -> int | None:
    """Examples with which a true value `distance` away from the limit is told from it.

    For paired means the variance is that of one example's difference. With K answers drawn for each example it is
    ω² + σ²/K for each model, where ω² is between examples and σ² within one (Miller 2024, arXiv 2411.00640, section 5).

    Args:
        variance: of one example's value or difference, >= 0.
        distance: from the value to the limit, >= 0.
        confidence: two-sided, in (0, 1).
        power: how often it must be told, in [0.5, 1).

    Returns:
        ceil((z + z_power)² variance / distance²), or None above a million: nobody will measure that.
    """
    scale = (critical_z(confidence) + NormalDist().inv_cdf(power)) * sqrt(variance)
    if scale >= distance * sqrt(_UNREACHABLE):
        return None
    return max(1, ceil((scale / distance) ** 2))


def shrunk_share(count: int, n: int, confidence: float = 0.90) -> float:
    """Centre of Wilson's interval of count / n: never 0 or 1, so that nothing seen does not mean no variance."""
    z2 = critical_z(confidence) ** 2
    return (count + z2 / 2) / (n + z2)
