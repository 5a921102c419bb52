"""One rate with its interval, and the difference of two rates on different rows."""

from math import hypot
from typing import Literal

from harness.stats.normal import critical_z
from harness.types import Estimate

__all__ = ["clopper_pearson", "independent_difference", "wilson"]


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Two-sided exact interval of a proportion: never errs more often than promised, so it is wider than Wilson's.

    Wilson's is too kind near 0 and 1: 52 of 52 lie above 95 % by it, but come up in 6.9 % of all cases when the rate is
    just 95 %. Claims such as "no failure in n" need this one: 0 of 100 still allows 3.0 % one-sidedly at 95 %.

    Args:
        successes: examples that scored 1, in [0, n].
        n: scored examples, > 0.
        confidence: two-sided, in (0, 1).

    Raises:
        ValueError: as `wilson`.

    Source: Clopper and Pearson 1934, Biometrika 26:404-413, as `proportion_ci(method="exact")` of scipy.
    """
    return _interval(successes, n, confidence, "exact")


def wilson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Two-sided Wilson score interval of a proportion.

    Args:
        successes: examples that scored 1, in [0, n].
        n: scored examples, > 0; leave the unscored out.
        confidence: two-sided, in (0, 1).

    Returns:
        Estimate in [0, 1] that still has a width at 0/n and n/n, where the Wald interval has none.

    Raises:
        ValueError: n <= 0, successes outside [0, n], or confidence outside (0, 1).

    Source: Wilson 1927, JASA 22:209-212, as `scipy.stats.binomtest(...).proportion_ci(method="wilson")`.
    """
    return _interval(successes, n, confidence, "wilson")


def independent_difference(one: Estimate, other: Estimate) -> Estimate:
    """`one` minus `other`, of rates that were measured on different rows.

    Args:
        one: with an interval of its own, such as Wilson's.
        other: likewise, of the same confidence.

    Returns:
        Estimate in [-1, 1] of that confidence; `n` is the smaller count. Each bound is as far from the difference as
        the two facing half-widths together, at right angles: `d - sqrt((p1 - l1)^2 + (u2 - p2)^2)` and likewise above.

    Source: Newcombe 1998, Statistics in Medicine 17:873-890, method 10, for Wilson's intervals; Zou and Donner 2008,
    Statistics in Medicine 27:1693-1702, for any others.
    """
    value = one.value - other.value
    low = value - hypot(one.value - one.low, other.high - other.value)
    high = value + hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, low, high, min(one.n, other.n), "newcombe")


def _interval(successes: int, n: int, confidence: float, method: Literal["exact", "wilson"]) -> Estimate:
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: need n > 0 and 0 <= successes <= n")
    critical_z(confidence)
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(confidence, method=method)
    name = "clopper-pearson" if method == "exact" else method
    return Estimate(successes / n, float(interval.low), float(interval.high), n, name)
