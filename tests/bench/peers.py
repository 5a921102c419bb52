"""How other harnesses decide, on the same tables as ours: the columns beside ours in docs/statistics.md.

Every function takes arrays and says where it would pass a difference above `limit`, one-sidedly at 95 %.
"""

from functools import cache

import numpy as np

Z = 1.6448536269514722
RESAMPLES = 2000


def point(b, c, n, limit):
    """The difference itself is compared, as in `assert score >= threshold`."""
    return (b - c) / n >= limit


def wald(b, c, n, limit):
    """Paired, with the standard error of the differences: none at all when nothing differs."""
    difference = (b - c) / n
    error = np.sqrt(np.maximum((b + c) / n - difference**2, 0) / n)
    return difference - Z * error > limit


def unpaired(rates, n, limit):
    """Two independent proportions, although the rows are the same. `rates` are the base's and the candidate's."""
    base, candidate = rates
    error = np.sqrt((base * (1 - base) + candidate * (1 - candidate)) / n)
    return candidate - base - Z * error > limit


def bootstrap(b, c, n, limit):
    """Percentile bootstrap of the paired difference, 2,000 resamples."""
    tables, where = np.unique(np.stack([b, c]), axis=1, return_inverse=True)
    bounds = np.array([_percentile(int(gained), int(lost), n) for gained, lost in tables.T])
    return bounds[where.reshape(-1)] > limit


@cache
def _percentile(b, c, n):
    rng = np.random.default_rng((b, c, n))
    drawn = rng.multinomial(n, [b / n, c / n, 1 - (b + c) / n], size=RESAMPLES)
    return float(np.quantile((drawn[:, 0] - drawn[:, 1]) / n, 0.05))
