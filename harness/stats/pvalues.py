"""p values that say what the gates' bounds say: at most the error just where a gate of that error passes.

A gate asks for several things at once, so its p is the largest of theirs. All are one-sided, of "the limit is not
kept": the true difference, or the true rate, is just at the limit or worse.
"""

from math import sqrt

from harness.stats.exact import exact_p, score
from harness.stats.paired import mcnemar_midp

__all__ = ["paired_p", "rate_p"]


def paired_p(b: int, c: int, n: int, difference: float, *, gain: bool) -> float:
    """Of a paired difference above `difference`: the larger of Tango's score test and its exact version.

    Args:
        b: pairs gained, in [0, n].
        c: pairs lost, in [0, n - b].
        n: pairs, > 0.
        difference: in (-1, 1); `-max_drop` or `min_gain` of a gate.
        gain: whether McNemar's mid-p must be small besides, as for a gate on a gain.

    Returns:
        In [0, 1].

    Source: `score`, `exact_p` and `mcnemar_midp`.
    """
    from scipy.stats import norm

    asymptotic = float(norm.sf(float(score(b, c, n, difference))))
    return max(asymptotic, exact_p(b, c, n, difference), mcnemar_midp(b, c) if gain else 0.0)


def rate_p(successes: int, n: int, rate: float) -> float:
    """Of a rate of at least `rate`: the larger of the score test, as Wilson's bound, and the exact binomial test.

    Args:
        successes: in [0, n].
        n: examples, > 0.
        rate: in (0, 1]; a rate of 1 can be shown by no data, and gives 1.

    Returns:
        In [0, 1].

    Source: Wilson 1927, and Clopper and Pearson 1934, each as the test that its interval inverts.
    """
    from scipy.stats import binomtest, norm

    if rate >= 1:
        return 1.0
    above = (successes - n * rate) / sqrt(n * rate * (1 - rate))
    return max(float(norm.sf(above)), float(binomtest(successes, n, rate, alternative="greater").pvalue))
