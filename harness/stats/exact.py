"""How often a paired test is wrong, counted out over all tables: the check behind a PASS, and the power of a plan.

Notation as in `paired`: b pairs gained, c lost, n in all. Functions of this file take and give numpy arrays.

Tango's bound rests on a normal approximation, which is too kind where few pairs can differ: with a true loss of
2 points, 300 pairs and no gain, it lies clear of -2 points in 6.2 % of all cases and not in 5 %. So a gate asks for a
score above `critical_score`, which is raised until no discordance makes a false PASS more frequent than promised.
"""

from collections.abc import Callable
from functools import lru_cache
from math import sqrt
from typing import Any, NamedTuple

from harness.stats.normal import critical_z

__all__ = ["critical_score", "exact_p", "paired_power", "score"]

_SPREAD = 6.0
"""Standard deviations of a count, and so many more, that are looked at; what lies beyond has a chance below 1e-8."""
_SHARES = 64
"""Shares of discordant pairs at which the size of a test is computed, evenly spaced; half as many lie close to 0."""
_STEP = 1e-3
_ENDLESS, _HAIR = 1e6, 1e-9
"""Beyond any finite score, and what makes `exceed` into `reach`."""
_HIGHEST = 6.0


def score(b: Any, c: Any, n: int, difference: float) -> Any:  # noqa: ANN401  # numpy arrays or whole numbers
    """Tango's score statistic: how many standard errors the table lies above a true difference.

    Args:
        b: pairs gained, of any shape.
        c: pairs lost, of the same shape.
        n: all pairs, > 0.
        difference: the true difference that is tested, in (-1, 1).

    Returns:
        Of that shape; rises with b, falls with c, and exceeds z where Tango's lower bound exceeds `difference`.

    Source: Tango 1998, Statistics in Medicine 17:891-908.
    """
    import numpy as np

    b, c = np.asarray(b, dtype=float), np.asarray(c, dtype=float)
    linear = (2 * n - b + c) * difference - b - c
    square = linear * linear + 8 * n * c * difference * (1 - difference)
    lost = (np.sqrt(np.maximum(square, 0.0)) - linear) / (4 * n)
    variance = n * np.maximum(2 * lost + difference * (1 - difference), 0.0)
    above = b - c - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        found = above / np.sqrt(variance)
    return np.where(variance > 0, found, np.where(above > 0, np.inf, np.where(above < 0, -np.inf, 0.0)))


@lru_cache(maxsize=256)
def critical_score(n: int, difference: float, confidence: float = 0.90) -> float:
    """The score that proves a difference above `difference`, however many pairs are discordant.

    The smallest t >= `critical_z(confidence)`, in steps of 0.001, at which P(score > t) is at most
    (1 - confidence) / 2 for a true difference of exactly `difference` and every share of discordant pairs.

    Args:
        n: pairs, > 0.
        difference: in (-1, 1); `-max_drop` or `min_gain` of a gate.
        confidence: two-sided, in (0, 1).

    Returns:
        At most 6; infinity when no table of n pairs proves it.

    Source: Chan 1998, Statistics in Medicine 17:1403-1413 and Sidik 2003, Journal of Applied Statistics 30:43-49,
    which maximise a p-value over the same nuisance parameter.
    """
    allowed = (1 - confidence) / 2
    low = critical_z(confidence)
    cases = _cases(n, difference)

    def honest(t: float) -> bool:
        return bool(cases.exceed(t, n, difference) <= allowed)

    if honest(low):
        return low
    high = low + 0.05
    while not honest(high):
        low, high = high, high + 0.25
        if high > _HIGHEST:
            return float("inf")
    while high - low > _STEP:
        middle = (low + high) / 2
        low, high = (low, middle) if honest(middle) else (middle, high)
    return high


def exact_p(b: int, c: int, n: int, difference: float) -> float:
    """How likely a score this high or higher is at most, for a true difference of `difference`, whoever is discordant.

    Args:
        b: pairs gained, in [0, n].
        c: pairs lost, in [0, n - b].
        n: pairs, > 0.
        difference: in (-1, 1).

    Returns:
        In [0, 1], exact but for the grid of shares; at most alpha where the score exceeds `critical_score`.

    Source: as `critical_score`.
    """
    seen = min(float(score(b, c, n, difference)), _ENDLESS)
    return min(1.0, _cases(n, difference).exceed(seen - _HAIR, n, difference))


def paired_power(passes: Callable[[int, int], bool], n: int, *, gained: float, lost: float) -> float:
    """How often a rule says PASS, summed over all tables of n pairs.

    Args:
        passes: the rule, by pairs gained and lost; more gained never turns PASS into something else, more lost never
            turns something else into PASS.
        n: pairs, > 0.
        gained: true share of pairs gained, in [0, 1].
        lost: true share of pairs lost, in [0, 1 - gained].

    Returns:
        In [0, 1], exact but for 1e-8.
    """
    import numpy as np
    from scipy.stats import binom

    losses = _window(n, lost)
    least = np.empty(len(losses))
    start = _fewest(lambda b: passes(b, int(losses[0])), n - int(losses[0]))
    for index, c in enumerate(losses.tolist()):
        while start <= n - c and not passes(start, c):
            start += 1
        least[index] = start if start <= n - c else np.inf
    given = gained / (1 - lost) if lost < 1 else 0.0
    finite = np.isfinite(least)
    losses, least = losses[finite], least[finite]
    return float(np.sum(binom.pmf(losses, n, lost) * _at_least(least, n - losses, min(1.0, given))))


def _fewest(passes: Callable[[int], bool], most: int) -> int:
    """The least count that passes; `most` + 1 when none does."""
    low, high = 0, most + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle + 1, high)
    return low


def _shares(difference: float) -> list[float]:
    """Shares of discordant pairs from the smallest possible one to 1, close together where tests are worst.

    Few pairs make large steps at small shares; equal chances make them, through the evenness of b - c, at large ones.
    """
    least = abs(difference)
    close = (10 ** (-4 + 2 * step / (_SHARES // 2)) for step in range(_SHARES // 2))
    even = ((step + 1) / _SHARES for step in range(_SHARES))
    return [least or 1e-4, *(least + (1 - least) * share for share in (*close, *even))]


class _Cases(NamedTuple):
    """All counts of losses worth looking at, for one share of discordant pairs after the other.

    Attributes:
        losses: counts.
        chance: of that many, at its share.
        given: chance of a gain where there is no loss.
        starts: where each share begins.
    """

    losses: Any
    chance: Any
    given: Any
    starts: list[int]

    @classmethod
    def of(cls, n: int, difference: float) -> "_Cases":
        import numpy as np
        from scipy.stats import binom

        losses, chance, given, starts = [], [], [], [0]
        for share in _shares(difference):
            lost, gained = max((share - difference) / 2, 0.0), max((share + difference) / 2, 0.0)
            counts = _window(n, lost)
            losses.append(counts)
            chance.append(binom.pmf(counts, n, lost))
            given.append(np.full(len(counts), min(1.0, gained / (1 - lost)) if lost < 1 else 0.0))
            starts.append(starts[-1] + len(counts))
        return cls(np.concatenate(losses), np.concatenate(chance), np.concatenate(given), starts[:-1])

    def exceed(self, t: float, n: int, difference: float) -> float:
        """P(score > t), at the share where that is likeliest."""
        import numpy as np

        low, high = np.zeros_like(self.losses), n - self.losses + 1  # the fewest gains that exceed t lie in between
        while np.any(low < high):
            middle = (low + high) // 2
            enough = score(middle, self.losses, n, difference) > t
            low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
        return float(np.max(np.add.reduceat(self.chance * _at_least(low, n - self.losses, self.given), self.starts)))


@lru_cache(maxsize=16)
def _cases(n: int, difference: float) -> _Cases:
    """The same for every table of a suite, and costly."""
    return _Cases.of(n, difference)


def _at_least(count: Any, n: Any, share: Any) -> Any:  # noqa: ANN401  # numpy arrays
    """P(X >= count) for a binomial X, without the checks of `scipy.stats` that cost more than the numbers."""
    import numpy as np
    from scipy.special import betainc

    inside = (count > 0) & (count <= n)
    some = betainc(np.where(inside, count, 1), np.where(inside, n - count + 1, 1), share)
    return np.where(inside, some, count <= 0)


def _window(n: int, share: float) -> Any:  # noqa: ANN401  # a numpy array
    import numpy as np

    mean, reach = n * share, _SPREAD * sqrt(n * share * (1 - share)) + _SPREAD
    return np.arange(max(0, int(mean - reach)), min(n, int(mean + reach)) + 1)
