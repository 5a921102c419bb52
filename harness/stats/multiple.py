"""Several questions at once: p-values that hold for all of them together."""

from collections.abc import Sequence

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values: reject those at or below alpha, and any false rejection has probability <= alpha.

    The k-th smallest of K p-values is multiplied by K - k + 1, raised to the largest before it, and cut at 1. No
    independence is needed, and it rejects whatever Bonferroni's K · p rejects.

    Args:
        p_values: in [0, 1], in any order; may be none.

    Returns:
        One for each, in the same order.

    Raises:
        ValueError: a value outside [0, 1], or NaN.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70.
    """
    if not all(0.0 <= p <= 1.0 for p in p_values):
        raise ValueError("every p-value must be in [0, 1]")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)
