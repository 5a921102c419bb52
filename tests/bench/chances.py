"""Gates that get several chances, simulated: a second look at more rows, and candidate after candidate."""

from collections.abc import Callable

import numpy as np

from harness.gates import Gate
from harness.spending import share_of, shared
from tests.bench.table import Table

__all__ = ["candidates", "two_looks"]

Asked = Callable[[Gate, np.ndarray, np.ndarray, int], np.ndarray]
"""Where a gate says something of arrays of tables (gained, lost) of n rows."""
ALPHA = 0.05


def two_looks(passed: Asked, failed: Asked, repetitions: int, tolerance: float) -> Table:
    """A first look at a slice, and a second one at all rows where it did not decide."""
    rows = []
    for margin, discordance, first, n in ((0.05, 0.10, 150, 400), (0.05, 0.30, 200, 400), (0.02, 0.05, 500, 1000)):
        gate = Gate("m", max_drop=margin)
        figures = []
        for difference in (-margin, 0.0):
            at = _tables(first, n, discordance, difference, repetitions)
            for asked in (shared(gate, 0.5), gate):
                now, never = (say(asked, *at[0], first) for say in (passed, failed))
                figures += [float(np.mean(now | (~never & passed(asked, *at[1], n)))), float(np.mean(now | never))]
            figures.append(float(np.mean(passed(gate, *at[1], n))))
        wrong, _, naive, _, _, right, early, _, _, once = figures
        read = f"{first + (1 - early) * (n - first):.0f} of {n:,}"
        rows.append((f"{100 * margin:g} points", discordance, f"{first}, {n:,}", wrong, naive, right, read, once))
    return Table(
        "A slice, and all rows where it does not decide, and a drop of exactly the margin is passed",
        "`--on-inconclusive extend`, with half the error at each look; beside it two looks at the whole error. Then "
        "what passes when there is no loss at all, the rows read for that, and the power of one look at all rows. "
        "Simulated.",
        ("max_drop", "discordance", "rows", "half the error", "whole error", "power", "rows read", "one look"),
        rows,
        ours=3,
        most=ALPHA + tolerance,
    )


def _tables(first, n, discordance, difference, repetitions):
    """(gained, lost) in the first rows, and in all of them."""
    rng = np.random.default_rng([n, round(1000 * discordance), round(-1000 * difference)])
    shares = [(discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance]
    early, late = (rng.multinomial(count, shares, size=repetitions).T[:2] for count in (first, n - first))
    return early, early + late


def candidates(passed: Asked, repetitions: int, tolerance: float) -> Table:
    """Candidates that are no better than the base, one after another on the same rows, until one passes."""
    n, gate, rows = 400, Gate("m", min_gain=0.0), []
    for k in (1, 2, 4, 8, 16, 32):
        rng = np.random.default_rng(k)
        right = rng.binomial(n, 0.5, size=(repetitions, 1))  # the base's right answers, the same for all of them
        b = rng.binomial(np.broadcast_to(n - right, (repetitions, k)), 0.25)
        c = rng.binomial(np.broadcast_to(right, (repetitions, k)), 0.25)
        told = [
            np.stack([passed(asked(m), b[:, m - 1], c[:, m - 1], n) for m in range(1, k + 1)])
            for asked in (lambda m: shared(gate, share_of(m)), lambda _: gate)
        ]
        rows.append((k, *(float(each.any(axis=0).mean()) for each in told)))
    return Table(
        "One candidate after another, none of them better, and any is passed",
        "400 rows, discordance 25 %, min_gain=0. Simulated.",
        ("candidates", "--attempts spend", "--attempts count"),
        rows,
        ours=1,
        most=ALPHA + tolerance,
    )
