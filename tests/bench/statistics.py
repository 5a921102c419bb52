"""How often the gates are wrong: `make bench-stats` prints the tables of docs/statistics.md and puts them there.

"Counted out" sums over all tables with the gate's own rule, so it has no Monte Carlo error. "Simulated" draws 20,000
times with fixed seeds; a share of 5 % then has a standard error of 0.15 points. Ends with 1 when one of our figures is
above what is promised by more than three of these.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from harness.gates import Finding, Gate
from harness.power import _needed, _power
from harness.stats import (
    critical_score,
    gain_log_e,
    log_capital,
    mcnemar_midp,
    paired_mean,
    paired_power,
    score,
    tango,
    wilson,
)
from harness.types import Outcome
from tests.bench import chances, peers
from tests.bench.table import Table

REPETITIONS = 20_000
SIZES = (20, 50, 100, 300, 1000)
SHARES = (0.02, 0.05, 0.10, 0.20, 0.30)
MARGINS = (0.01, 0.02, 0.05, 0.10, 0.15)
ALPHA = 0.05
TOLERANCE = 3 * sqrt(ALPHA * (1 - ALPHA) / REPETITIONS)
DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"
START, END = "<!-- bench-stats -->", "<!-- /bench-stats -->"


@cache
def outcome(gate, b, c, n):
    """What the product's gate says of a table."""
    return gate.outcome(Finding(tango(b, c, n, gate.confidence), b, c))


def passed(gate, b, c, n, what=Outcome.PASS):
    """Where the gate passes, for arrays of tables."""
    tables, where = np.unique(np.stack([b, c]), axis=1, return_inverse=True)
    told = np.array([outcome(gate, int(x), int(y), n) is what for x, y in tables.T])
    return told[where.reshape(-1)]


def failed(gate, b, c, n):
    """Where the gate fails, likewise."""
    return passed(gate, b, c, n, Outcome.FAIL)


def share(gate, n, discordance, difference, what=Outcome.PASS):
    """How often the gate says PASS, or does not say FAIL, counted out."""
    wanted = {Outcome.PASS} if what is Outcome.PASS else {Outcome.PASS, Outcome.INCONCLUSIVE}
    gained, lost = (discordance + difference) / 2, (discordance - difference) / 2
    return paired_power(lambda b, c: outcome(gate, b, c, n) in wanted, n, gained=gained, lost=lost)


def drawn(n, discordance, difference, seed):
    """Simulated tables, and both models' rates when the base is right on 75 % of the rows."""
    rng = np.random.default_rng(seed)
    gained, lost = (discordance + difference) / 2, (discordance - difference) / 2
    right = 0.75 - lost
    b, c, both, _ = rng.multinomial(n, [gained, lost, right, 1 - gained - lost - right], size=REPETITIONS).T
    return b, c, ((both + c) / n, (both + b) / n)


def beside(n, discordance, difference, limit):
    """How often each peer's method passes on simulated tables."""
    b, c, rates = drawn(n, discordance, difference, [n, round(1000 * discordance), round(1000 * -difference) % 997])
    ways = (
        peers.unpaired(rates, n, limit),
        *(way(b, c, n, limit) for way in (peers.wald, peers.bootstrap, peers.point)),
    )
    return tuple(float(np.mean(way)) for way in ways)


PEERS = ("unpaired z", "paired Wald", "percentile bootstrap", "point threshold")


def drops() -> Table:
    """A true loss of exactly the margin."""
    rows = []
    for n in SIZES:
        for discordance in SHARES:
            margins = [margin for margin in MARGINS if margin <= discordance]
            ours = max(share(Gate("m", max_drop=m), n, discordance, -m) for m in margins)
            others = np.max([beside(n, discordance, -m, -m) for m in margins], axis=0)
            rows.append((n, discordance, float(ours), *map(float, others)))
    return Table(
        "A drop of exactly the margin is passed",
        "The worst of the margins 1, 2, 5, 10 and 15 points that do not exceed the discordance. "
        "Ours counted out, the others simulated.",
        ("n", "discordance", "max_drop", *PEERS),
        rows,
        ours=2,
        most=ALPHA + 1e-3,
    )


def gains() -> Table:
    """Equal models, and a gain of exactly the limit."""
    rows = []
    for limit in (0.0, 0.05, 0.20):
        for n in SIZES:
            shares = [each for each in SHARES if each > limit] or [limit, limit + 0.1]
            ours = max(share(Gate("m", min_gain=limit), n, each, limit) for each in shares)
            others = np.max([beside(n, each, limit, limit) for each in shares], axis=0)
            rows.append((f"{100 * limit:g} points", n, float(ours), *map(float, others)))
    return Table(
        "A gain of exactly the limit is passed",
        "The worst discordance of 2 to 30 % above the limit. Ours counted out, the others simulated.",
        ("limit", "n", "min_gain", *PEERS),
        rows,
        ours=2,
        most=ALPHA + 1e-3,
    )


def rates() -> Table:
    """A rate of exactly the limit."""
    from scipy.stats import binom

    rows = []
    for limit in (0.50, 0.80, 0.95, 0.99):
        for n in SIZES:
            right = np.arange(n + 1)
            gate = Gate("m", at_least=limit)
            seen = [wilson(int(k), n, 0.90) for k in right]
            ours = np.array([gate.outcome(Finding(each)) is Outcome.PASS for each in seen])
            others = [np.array([each.low >= limit for each in seen]), right / n >= limit]
            chance = binom.pmf(right, n, limit)
            rows.append((limit, n, *(float(chance[which].sum()) for which in (ours, *others))))
    return Table(
        "A rate of exactly the limit is passed",
        "Counted out.",
        ("limit", "n", "at_least", "Wilson alone", "point threshold"),
        rows,
        ours=2,
        most=ALPHA + 1e-9,
    )


def clusters() -> Table:
    """A loss of exactly the margin in rows of which five share a source."""
    plans = [(12, 0.5, 0.20, 0.10), (40, 0.5, 0.20, 0.10), (100, 0.5, 0.20, 0.10), (100, 1.0, 0.20, 0.10)]
    plans += [(100, 0.5, 0.12, 0.02), (100, 0.5, 0.07, 0.02)]
    return Table(
        "A drop of exactly the margin is passed, in clusters",
        "Five rows a source, with that correlation within a source. Simulated.",
        ("sources", "correlation", "lost and gained", "max_drop", "cluster means and t", "rows as independent"),
        [_clustered(*plan) for plan in plans],
        ours=3,
        most=ALPHA + TOLERANCE,
    )


def _clustered(groups, alike, lost, gained):
    rng = np.random.default_rng([groups, round(10 * alike), round(100 * lost)])
    margin = lost - gained
    gate, labels = Gate("m", max_drop=margin), np.repeat(np.arange(groups), 5).tolist()
    quantile = stdtrit(groups - 1, 0.95)
    counts = np.zeros(3)
    for _ in range(REPETITIONS):
        own, shared = rng.random((groups, 5)), rng.random((groups, 1))
        lot = np.where(rng.random((groups, 5)) < sqrt(alike), shared, own)
        rows = np.where(lot < lost, -1.0, np.where(lot < lost + gained, 1.0, 0.0))
        means, mean = rows.mean(axis=1), rows.mean()
        seen = paired_mean(rows.reshape(-1).tolist(), gate.confidence, clusters=labels)
        counts += (
            gate.outcome(Finding(seen)) is Outcome.PASS,
            mean - quantile * means.std(ddof=1) / sqrt(groups) > -margin,
            mean - peers.Z * rows.std() / sqrt(5 * groups) > -margin,
        )
    return groups, alike, f"{100 * lost:g} and {100 * gained:g} %", *map(float, counts / REPETITIONS)


def configurations() -> Table:
    """The best of K configurations, none of which is better than the base."""
    gate, half, rows = Gate("m", min_gain=0.0), 200, []
    for k in (1, 4, 8, 16, 32):
        rng = np.random.default_rng(k)
        right = rng.binomial(half, 0.5, size=(2, REPETITIONS, 1))  # the base's right answers in each half
        b = rng.binomial(np.broadcast_to(half - right, (2, REPETITIONS, k)), 0.25)
        c = rng.binomial(np.broadcast_to(right, (2, REPETITIONS, k)), 0.25)
        best = np.argmax((b - c)[0], axis=1)
        row = np.arange(REPETITIONS)
        ours = passed(gate, b[1][row, best], c[1][row, best], half)
        every_b, every_c = b.sum(axis=0), c.sum(axis=0)
        winner = np.argmax(every_b - every_c, axis=1)
        naive = passed(gate, every_b[row, winner], every_c[row, winner], 2 * half)
        p = np.array([midp(int(x), int(y)) for x, y in zip(every_b[row, winner], every_c[row, winner], strict=True)])
        rates_ = right.sum(axis=0)[:, 0] / (2 * half)
        candidate = rates_ + (every_b - every_c)[row, winner] / (2 * half)
        z = peers.unpaired((rates_, candidate), 2 * half, 0.0)
        looks = float(np.mean((every_b - every_c)[row, winner])) / (2 * half)
        rows.append(
            (k, *(float(np.mean(each)) for each in (ours, naive, p <= ALPHA / k, z)), f"{100 * looks:+.1f} points")
        )
    return Table(
        "The best of K equal configurations is passed",
        "400 rows, discordance 25 %, min_gain=0. Simulated. Ours ranks on one half and decides on the other; the last "
        "column is what the best seems to gain. Holm's smallest p-value is K times the smallest of all.",
        ("K", "select and confirm", "best of K, same gate", "Holm", "best of K, unpaired z", "seems to gain"),
        rows,
        ours=1,
        most=ALPHA + TOLERANCE,
    )


midp = cache(mcnemar_midp)


def peeking() -> Table:
    """Twenty looks at growing rows, where nothing is to be found."""
    looks = 20
    gain = np.zeros(REPETITIONS, dtype=bool), np.zeros(REPETITIONS, dtype=bool)
    rng = np.random.default_rng(1)
    b = np.cumsum(rng.binomial(200, 0.05, size=(REPETITIONS, looks)), axis=1)
    c = np.cumsum(rng.binomial(200, 0.05, size=(REPETITIONS, looks)), axis=1)
    gain = (
        np.any(gain_log_e(b, c) >= np.log(1 / ALPHA), axis=1),
        np.any(np.stack([score(b[:, i], c[:, i], 200 * (i + 1), 0.0) > peers.Z for i in range(looks)]), axis=0),
    )
    rows = [("any gain, 4,000 rows", *(float(each.mean()) for each in gain))]
    for margin, discordance in ((0.05, 0.10), (0.02, 0.05)):
        ours, fixed = drop_paths(margin, discordance, -margin)
        rows.append(
            (f"drop of {100 * margin:g} points, 1,000 rows", float(ours.any(1).mean()), float(fixed.any(1).mean()))
        )
    return Table(
        "Twenty looks, nothing to find, and it is passed",
        "Discordance 10 %, and 5 % in the last row. Simulated.",
        ("gate", "sequential=True", "a fixed test at each look"),
        rows,
        ours=1,
        most=ALPHA + TOLERANCE,
    )


def drop_paths(margin, discordance, difference, n=1000, looks=20):
    """Where betting, and Tango's score, pass at each look of simulated rows."""
    at = np.arange(n // looks, n + 1, n // looks)
    ours, fixed = [], []
    for part in range(10):
        rng = np.random.default_rng([part, round(1000 * margin), round(1000 * difference) % 997])
        lot = rng.random((REPETITIONS // 10, n), dtype=np.float32)
        lost, gained = (discordance - difference) / 2, (discordance + difference) / 2
        rows = np.where(lot < lost, -1.0, np.where(lot < lost + gained, 1.0, 0.0))
        ours.append(log_capital((rows + 1) / 2, (1 - margin) / 2, ALPHA)[:, at - 1] >= np.log(1 / ALPHA))
        b, c = (np.cumsum(rows == sign, axis=1)[:, at - 1] for sign in (1, -1))
        told = [score(b[:, i], c[:, i], int(k), -margin) > critical_score(int(k), -margin) for i, k in enumerate(at)]
        fixed.append(np.stack(told, axis=1))
    return np.concatenate(ours), np.concatenate(fixed)


def early() -> Table:
    """What looking early saves and costs when there is no loss."""
    rows = []
    for margin, discordance in ((0.05, 0.10), (0.05, 0.05), (0.02, 0.05)):
        ours, fixed = drop_paths(margin, discordance, 0.0)
        first = np.where(ours.any(1), (np.argmax(ours, axis=1) + 1) * 50, 1000)
        rows.append(
            (
                f"{100 * margin:g} points",
                discordance,
                float(ours.any(1).mean()),
                f"{first.mean():.0f}",
                float(fixed[:, -1].mean()),
            )
        )
    return Table(
        "No loss at all, 1,000 rows planned, and it is passed",
        "Power of twenty looks, the rows they read on average, and the power of one look at all rows. Simulated.",
        ("max_drop", "discordance", "sequential=True", "rows read", "fixed"),
        rows,
        ours=2,
    )


def itself() -> Table:
    """The base against itself, where flips are the only difference."""
    rows = []
    for margin, n in ((0.01, 300), (0.01, 1000), (0.02, 150), (0.02, 1000), (0.05, 60), (0.05, 300)):
        for flips in (0.01, 0.02, 0.03):
            ours = 1 - share(Gate("m", max_drop=margin), n, flips, 0.0, Outcome.FAIL)
            b, c, rates_ = drawn(n, flips, 0.0, [n, round(1000 * flips)])
            others = peers.unpaired(rates_[::-1], n, margin), peers.wald(c, b, n, margin), (c - b) / n > margin
            rows.append((f"{100 * margin:g} points", n, flips, float(ours), *(float(np.mean(each)) for each in others)))
    return Table(
        "The base is failed against itself",
        "Rows flip by noise alone. Ours counted out, the others simulated.",
        ("max_drop", "n", "flips", "gate", "unpaired z", "paired Wald", "point threshold"),
        rows,
        ours=3,
        most=0.01,
    )


def recommended() -> Table:
    """Power at the number of rows that `tunegate power` asks for."""
    rows = []
    plans = [(Gate("m", max_drop=m), 0.0, each) for m in (0.02, 0.05) for each in (0.02, 0.05, 0.10, 0.20)]
    plans += [(Gate("m", min_gain=0.0), 0.05, each) for each in (0.05, 0.10, 0.20, 0.30)]
    for gate, truth, discordance in plans:
        n = _needed(gate, truth, discordance, 0.80)
        others = beside(n, discordance, truth, gate.required)
        rows.append(
            (
                str(gate),
                f"{100 * truth:g} points",
                discordance,
                n,
                float(_power(gate, n, truth, discordance)),
                others[0],
            )
        )
    return Table(
        "A candidate that should pass does, at the rows that `tunegate power` asks for",
        "80 % are wanted; numbers above 2,000 are a normal formula's. Counted out; the unpaired test simulated.",
        ("gate", "truth", "discordance", "rows for 80 %", "passes", "unpaired z"),
        rows,
        ours=4,
        least=0.79,
    )


def looks() -> Table:
    """See `chances.two_looks`."""
    return chances.two_looks(passed, failed, REPETITIONS, TOLERANCE)


def attempts() -> Table:
    """See `chances.candidates`."""
    return chances.candidates(passed, REPETITIONS, TOLERANCE)


def tables() -> Iterator[Table]:
    """All of them."""
    makers = (drops, gains, rates, clusters, configurations, peeking, early, looks, attempts, itself, recommended)
    for make in makers:
        yield make()


def main() -> None:
    """Print the tables, write them where asked to, and end with 1 when a promise is broken."""
    made = list(tables())
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    text = "\n\n".join(table.markdown() for table in made)
    sys.stdout.write(text + "\n")
    if "--write" in sys.argv[1:]:
        page = DOCUMENT.read_text(encoding="utf-8")
        head, _, rest = page.partition(START)
        said = f"`make bench-stats` on {when}, {REPETITIONS:,} repetitions where simulated."
        DOCUMENT.write_text(f"{head}{START}\n{said}\n\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    if faults := [fault for table in made for fault in table.faults]:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
