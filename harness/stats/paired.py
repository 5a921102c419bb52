"""Two models on the same examples, each right or wrong: what the discordant pairs say.

Notation: b pairs gained (base wrong, candidate right), c lost (the reverse), n in all; the difference is (b - c) / n.
"""

from math import sqrt

from harness.stats.normal import critical_z
from harness.types import Estimate

__all__ = ["mcnemar_midp", "tango"]


def tango(b: int, c: int, n: int, confidence: float = 0.95) -> Estimate:
    """Two-sided score interval of the difference of two paired proportions.

    Bounds are the differences d at which |b - c - n d| / sqrt(n (2 q + d (1 - d))) equals z, where q is the
    likeliest share of lost pairs given d. With b = c = 0 they are ±z² / (n + z²), not 0: no loss seen in few
    pairs is weak evidence, and Wald or a percentile bootstrap would call it proof.

    Args:
        b: pairs gained.
        c: pairs lost.
        n: all pairs, concordant ones included, > 0.
        confidence: two-sided, in (0, 1).

    Returns:
        Estimate in [-1, 1] of value (b - c) / n. Swapping b and c mirrors it exactly.

    Raises:
        ValueError: negative counts, b + c > n, n <= 0, or confidence outside (0, 1).

    Source: Tango 1998, Statistics in Medicine 17:891-908.
    """
    if n <= 0 or min(b, c) < 0 or b + c > n:
        raise ValueError(f"{b} gained and {c} lost of {n} pairs: need counts >= 0 with a sum <= n, and n > 0")
    z = critical_z(confidence)
    return Estimate((b - c) / n, _lower(b, c, n, z), -_lower(c, b, n, z), n, "tango")


def mcnemar_midp(b: int, c: int) -> float:
    """One-sided mid-p of McNemar's test: how surprising b gains against c losses would be if both were as likely.

    Args:
        b: pairs gained, >= 0.
        c: pairs lost, >= 0.

    Returns:
        P(X > b) + P(X = b) / 2 for X ~ Binomial(b + c, 1/2), in (0, 1); 0.5 when b = c, small when b > c.

    Raises:
        ValueError: a negative count.

    Source: Fagerland, Lydersen, Laake 2013, BMC Medical Research Methodology 13:91.
    """
    if min(b, c) < 0:
        raise ValueError(f"{b} gained and {c} lost: counts must not be negative")
    from scipy.stats import binom

    return float(binom.sf(b, b + c, 0.5) + 0.5 * binom.pmf(b, b + c, 0.5))


def _lower(b: int, c: int, n: int, z: float) -> float:
    """The smallest difference that the score test does not reject; the upper bound is its mirror image."""
    from scipy.optimize import brentq

    if c == n:
        return -1.0
    estimate = (b - c) / n

    def excess(difference: float) -> float:
        # At the estimate the numerator is 0, and so may the deviation be; only the sign counts there.
        if difference == estimate:
            return -1.0
        return (b - c - n * difference) - z * sqrt(n * _variance(difference, b, c, n))

    return float(brentq(excess, -1.0, estimate, xtol=1e-13))


def _variance(difference: float, b: int, c: int, n: int) -> float:
    """Variance of one pair's difference when the true difference is `difference`, at the likeliest discordance."""
    linear = (2 * n - b + c) * difference - b - c
    square = linear * linear + 8 * n * c * difference * (1 - difference)
    likeliest_lost = (sqrt(max(square, 0.0)) - linear) / (4 * n)  # rounding alone can make `square` negative
    return max(2 * likeliest_lost + difference * (1 - difference), 0.0)
