"""What a sweep over training seeds says of a configuration: then the trainings are the sample, not the examples.

A verdict on one adapter holds for these weights. Another seed of the same configuration gives others, by more than the
examples tell; so a claim about a configuration needs several of them, and its interval counts seeds.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import fmean, stdev

from harness.compare import Comparison
from harness.errors import Incomparable, NotMeasured
from harness.fingerprint import digest
from harness.sweeps import Point, Ranking
from harness.types import Estimate, SuiteResult

__all__ = ["mean_over_seeds", "seed_claims"]

SEED = "seed"
FEWEST = 3
CONFIDENCE = 0.90
"""Two-sided; one bound of it is a one-sided 95 % bound."""


def mean_over_seeds(gains: Sequence[float]) -> Estimate:
    """Mean gain of a configuration with a t interval over its seeds; `n` counts these.

    Args:
        gains: one for each seed, at least two.

    Raises:
        ValueError: fewer than two.
    """
    from scipy.special import stdtrit

    if len(gains) < 2:  # noqa: PLR2004  # one number has no spread
        raise ValueError("one seed says nothing of another; give at least two")
    reach = float(stdtrit(len(gains) - 1, 0.5 + CONFIDENCE / 2)) * stdev(gains) / sqrt(len(gains))
    return Estimate(fmean(gains), fmean(gains) - reach, fmean(gains) + reach, len(gains), "t over seeds")


def seed_claims(
    points: Sequence[Point], ranking: Ranking, results: Mapping[tuple[str, str], SuiteResult]
) -> tuple[str, ...]:
    """One sentence for each configuration of a sweep of which points differ in the seed alone."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        if SEED in point.settings:
            rest = {key: value for key, value in point.settings.items() if key != SEED}
            groups.setdefault(digest(rest), []).append(point)
    return tuple(_claim(group, ranking, results) for group in groups.values() if len(group) > 1)


def _claim(group: Sequence[Point], ranking: Ranking, results: Mapping[tuple[str, str], SuiteResult]) -> str:
    names = ", ".join(point.name for point in group)
    try:
        base = results[ranking.suite, ranking.base]
        gains = [Comparison(base, results[ranking.suite, p.name]).delta(ranking.metric).value for p in group]
    except (KeyError, NotMeasured, Incomparable):
        return f"{names}: no claim about their configuration, because not all of its seeds were measured"
    if len(gains) < FEWEST:
        return f"{names}: {len(gains)} seeds are too few for a claim about their configuration; train {FEWEST}"
    seen = mean_over_seeds(gains)
    value, low, high = (100 * number + 0.0 for number in (seen.value, seen.low, seen.high))
    return (
        f"{names}: over {seen.n} seeds their configuration gains {value:+.1f} points of {ranking.metric} "
        f"[{low:+.1f}, {high:+.1f}], with the seed as the unit"
    )
