"""The mean of the weights over the later half of the steps so far: what a training that is stopped would decay to.

On the way rates are still high, so the last weights are noisy, those of the highest rates most; at the end rates have
decayed. The mean of weights along a constant rate comes close to what decaying it gives, and foretells the end better
(docs/halving.md has the figures).
"""

from torch import Tensor, zeros_like

__all__ = ["Mean"]


class Mean:
    """A running mean of `weights`.

    Attributes:
        value: of the shape of the weights; 0 until it begins.
    """

    def __init__(self, weights: Tensor, first: int, last: int) -> None:
        """Over the weights after the steps (`last` / 2, `last`], of which a stretch has those after `first`."""
        self._weights, self._begin = weights, max(first, last // 2)
        self.value = zeros_like(weights)

    def add(self, step: int) -> None:
        """Take in the weights after so many steps."""
        if step > self._begin:
            self.value.lerp_(self._weights, 1 / (step - self._begin))
