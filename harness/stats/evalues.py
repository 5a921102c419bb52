"""Evidence that may be looked at after every pair: the decision stays valid whenever one stops.

An e-value is a bet against a hypothesis: its mean is at most 1 while the hypothesis holds, at every moment of stopping.
So it exceeds 1 / alpha at any time with probability at most alpha (Ville 1939).
"""

from math import log
from typing import Any

__all__ = ["gain_log_e"]


def gain_log_e(b: Any, c: Any) -> Any:  # noqa: ANN401  # numpy arrays or whole numbers
    """Log e-value against "a discordant pair is at most as often a gain as a loss".

    E = 2^m · 2 ∫ p^b (1 - p)^c dp over p from 1/2 to 1, with m = b + c: the mean, over all p above one half, of the
    likelihood ratio to one half. Over the pairs read so far it is a test martingale at the edge of the hypothesis.

    Args:
        b: pairs gained so far, >= 0, of any shape.
        c: pairs lost so far, >= 0, of the same shape.

    Returns:
        log E of that shape; 0 without discordant pairs, -inf where the losses outweigh the gains beyond counting.

    Raises:
        ValueError: a negative count.

    Source: Ville 1939; the mixture is that of Robbins 1970, Annals of Mathematical Statistics 41:1397-1409.
    """
    import numpy as np
    from scipy.special import betainc, betaln

    b, c = np.asarray(b, dtype=float), np.asarray(c, dtype=float)
    if np.any(b < 0) or np.any(c < 0):
        raise ValueError("gained and lost: counts must not be negative")
    with np.errstate(divide="ignore"):  # so little evidence that its logarithm is -inf
        upper = np.log(betainc(c + 1, b + 1, 0.5))
    return (b + c + 1) * log(2) + betaln(b + 1, c + 1) + upper
