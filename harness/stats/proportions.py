"""One rate with its interval."""

from harness.stats.normal import critical_z
from harness.types import Estimate

__all__ = ["wilson"]


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
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: need n > 0 and 0 <= successes <= n")
    critical_z(confidence)
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n, "wilson")
