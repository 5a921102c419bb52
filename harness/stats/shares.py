"""What share of one gain another one reaches: a ratio of two means over the same examples."""

from collections.abc import Callable, Hashable, Sequence

from harness.stats.means import bounded_mean, paired_mean
from harness.types import Estimate

__all__ = ["gain_share"]

FARTHEST = 1000.0
"""A bound beyond this share says that the whole is next to nothing."""


def gain_share(
    part: Sequence[float],
    whole: Sequence[float],
    confidence: float = 0.95,
    *,
    clusters: Sequence[Hashable] | None = None,
) -> Estimate | None:
    """Mean of `part` over mean of `whole`, with the shares that the data do not refute.

    A share s is refuted when the mean of part - s * whole is shown to differ from 0 (see `bounded_mean`). That is an
    interval as long as the mean of `whole` is shown to be above 0, and says nothing otherwise: almost any number is
    almost any share of next to nothing.

    Args:
        part: one difference to the base for each example, in [-1, 1]; at least one.
        whole: of the same examples, in the same order.
        confidence: two-sided, in (0, 1).
        clusters: for each example what it shares a source with; None when all are independent.

    Returns:
        Estimate of any size, also below 0 and above 1; None when the mean of `whole` is not, or all but not,
        shown to be above 0.

    Raises:
        ValueError: no examples, lengths that differ, or a difference outside [-1, 1].

    Source: Fieller 1954, Journal of the Royal Statistical Society B 16:175-185, whose test is inverted here.
    """
    if len(part) != len(whole):
        raise ValueError(f"{len(part)} and {len(whole)} differences: need those of the same examples")
    reached, gains = (paired_mean(values, confidence, clusters=clusters) for values in (part, whole))
    if gains.low <= 0:
        return None
    value = reached.value / gains.value

    def left(share: float) -> Estimate:
        """What remains of `part` without that share of `whole`; its bounds fall as the share grows."""
        reach = 1.0 + abs(share)
        remains = [one - share * other for one, other in zip(part, whole, strict=True)]
        return bounded_mean(remains, (-reach, reach), confidence, clusters=clusters)

    low = _crossing(lambda share: left(share).low, value, -1.0)
    high = _crossing(lambda share: left(share).high, value, 1.0)
    return None if low is None or high is None else Estimate(value, low, high, gains.n, "Fieller")


def _crossing(bound: Callable[[float], float], value: float, step: float) -> float | None:
    """Where a falling function is 0, looked for from `value` in growing strides; None where it is out of sight."""
    from scipy.optimize import brentq

    while bound(value + step) * step > 0:
        step *= 2
        if abs(step) > FARTHEST:
            return None
    return float(brentq(bound, value, value + step, xtol=1e-12))
