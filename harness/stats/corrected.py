"""A rate as an imperfect judge saw it, corrected by what is known of the judge."""

from math import sqrt
from typing import NamedTuple

from harness.stats.normal import critical_z
from harness.types import Estimate

__all__ = ["Count", "rogan_gladen"]

LEAST_SKILL = 0.2
"""Least q0 + q1 - 1 of a judge whose word is worth correcting; 0 is a judge that guesses."""


class Count(NamedTuple):
    """`hits` of `n` examples."""

    hits: int
    n: int

    @property
    def rate(self) -> float:
        """In [0, 1]."""
        return self.hits / self.n


def rogan_gladen(judged: Count, right: Count, wrong: Count, confidence: float = 0.95) -> Estimate | None:
    """True rate of right answers behind a judge's word, with the noise of its calibration in the interval.

    θ = (p + q0 - 1) / (q0 + q1 - 1), where p is the share that the judge calls right, q1 the share of truly right
    answers that it calls right, and q0 the share of truly wrong ones that it calls wrong.

    Args:
        judged: answers that the judge calls right, of all it was asked about.
        right: truly right answers of the calibration set that the judge calls right.
        wrong: truly wrong ones that it calls wrong.
        confidence: two-sided, in (0, 1).

    Returns:
        Estimate in [0, 1]; None when q0 + q1 <= 1.2, because such a judge all but guesses and nothing can be corrected.

    Raises:
        ValueError: no examples in one of the three, or hits outside [0, n].

    Source: Rogan and Gladen 1978, American Journal of Epidemiology 107:71-76; interval of Lang and Reiczigel 2014,
    Preventive Veterinary Medicine 113:13-22, which Lee et al. 2025 (arXiv 2511.21140) use for judges.
    """
    for count in (judged, right, wrong):
        if count.n <= 0 or not 0 <= count.hits <= count.n:
            raise ValueError(f"{count.hits} of {count.n}: need n > 0 and 0 <= hits <= n")
    if right.rate + wrong.rate - 1 <= LEAST_SKILL:
        return None
    z = critical_z(confidence)
    value = (judged.rate + wrong.rate - 1) / (right.rate + wrong.rate - 1)
    asked = judged.n + z * z
    p = (judged.hits + z * z / 2) / asked
    q1, q0 = ((count.hits + 1) / (count.n + 2) for count in (right, wrong))
    noise_1, noise_0 = q1 * (1 - q1) / (right.n + 2), q0 * (1 - q0) / (wrong.n + 2)
    skill = q0 + q1 - 1
    center = (p + q0 - 1) / skill
    shift = 2 * z * z * (center * noise_1 - (1 - center) * noise_0)
    spread = p * (1 - p) / asked + (1 - center) ** 2 * noise_0 + center**2 * noise_1
    reach = z * sqrt(spread) / skill
    low, high = (min(1.0, max(0.0, center + shift + sign * reach)) for sign in (-1, 1))
    shown = min(1.0, max(0.0, value))
    return Estimate(shown, min(low, shown), max(high, shown), judged.n, "rogan-gladen")
