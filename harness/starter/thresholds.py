"""How strict a gate may be with so many rows: as strict as a good candidate can be expected to be shown to keep."""

from harness.gates import Gate
from harness.power import DISCORDANCE, chance_to_pass
from harness.stats import detectable_difference

__all__ = ["RATES", "findable_gain", "likely", "rate_for"]

RATES = (0.95, 0.90, 0.85, 0.80, 0.70, 0.60)
"""Rates that are tried, the strictest first."""
POWER = 0.80
"""How likely a candidate half way between the limit and 1 must be to pass."""


def rate_for(metric: str, n: int) -> float:
    """The strictest of `RATES` that `n` independent rows can be expected to show; the last one when none can."""
    return next((rate for rate in RATES if likely(metric, rate, n) >= POWER), RATES[-1])


def likely(metric: str, rate: float, n: int) -> float:
    """Chance in [0, 1] that a candidate whose true rate lies half way between `rate` and 1 passes with `n` rows."""
    return chance_to_pass(Gate(metric, at_least=rate), n)


def findable_gain(n: int) -> float:
    """The true gain in (0, 1] that `n` independent rows find with 80 % power, if models differ on a tenth of them."""
    return detectable_difference(n, round(DISCORDANCE * n), Gate("any", min_gain=0.0).confidence)
