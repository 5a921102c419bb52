"""The critical value that all intervals share."""

from statistics import NormalDist

__all__ = ["critical_z"]


def critical_z(confidence: float) -> float:
    """Half-width, in standard errors, of a two-sided normal interval: 1.645 at 0.90, 1.960 at 0.95.

    Raises:
        ValueError: confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence {confidence} is outside (0, 1)")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
