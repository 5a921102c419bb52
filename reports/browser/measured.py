"""Which examples the browser lists: every candidate beside the base on every suite, and what became of each example."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from harness.types import Row
from reports.browser.rationale import Opinion, read_opinions
from reports.load import Run
from reports.pairs import Change, Pair, pairs, primary_metric, score_of

__all__ = [
    "LETTERS",
    "NAME",
    "Measurement",
    "by_suite",
    "cause",
    "identity",
    "measure",
    "milliseconds",
    "names",
    "written",
]

LETTERS = {
    Change.BROKEN: "b",
    Change.FIXED: "f",
    Change.BOTH_WRONG: "w",
    Change.UNSCORED: "u",
    Change.BOTH_RIGHT: "r",
}
"""One letter for each way an example can go, in the order in which a reader wants to see them."""

NAME = "records.parquet"
"""The file beside a page that holds the texts which the page leaves out."""
_LONE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One candidate beside the base on one suite, in the suite's order; of the base alone both sides are its own.

    Attributes:
        base_opinions, opinions: what a judge said of each side, by example id; empty without a judge.
    """

    suite: str
    model: str
    metric: str
    pairs: tuple[Pair, ...]
    base_opinions: Mapping[str, tuple[Opinion, ...]]
    opinions: Mapping[str, tuple[Opinion, ...]]


def measure(run: Run) -> tuple[Measurement, ...]:
    """Every pair of measurements that the page compares: by candidate in the run's order, then by suite.

    Raises:
        Incomparable: base and candidate hold different examples.
        BadRunDirectory: the judge's words differ from the receipt.
    """
    return tuple(_measure(run))


def _measure(run: Run) -> Iterator[Measurement]:
    said = read_opinions(run.folder, run.receipt)
    for model in run.candidates or (run.base,):
        for suite in dict.fromkeys(each.suite for each in run.results if each.model == model.name):
            metric = primary_metric(run, suite)
            paired = pairs(run, suite, model.name, metric)
            if paired:
                old, new = (said.get((suite, name), {}) for name in (run.base.name, model.name))
                yield Measurement(suite, model.name, metric, paired, old, new)


def cause(pair: Pair, metric: str) -> str:
    """Why the candidate's answer is wrong, else why the base's was, as their metric said; `ok` when both are right."""
    for row in (pair.candidate, pair.base):
        score = score_of(row, metric)
        if score.value is None or score.value < 1:
            return score.reason_code
    return "ok"


def milliseconds(row: Row) -> int:
    """How long its answer took, as a 32-bit integer; -1 where nobody measured, for the page's columns have no nulls."""
    return -1 if row.seconds is None else min(round(1000 * row.seconds), 2**31 - 1)


def identity(run: Run) -> str:
    """Tells the records of this run from those of every other: 16 hex digits of what its receipt lists."""
    listed = json.dumps(run.receipt.get("records", {}), sort_keys=True)
    return sha256(listed.encode()).hexdigest()[:16]


@cache
def names(tags: tuple[str, ...]) -> str:
    """Tags as JSON, which tells two lists of tags apart."""
    return json.dumps(tags)


def written(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate, which it cannot, is named as the page names it."""
    return _LONE.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", text)


def by_suite(measured: Sequence[Measurement]) -> dict[str, list[tuple[int, Measurement]]]:
    """The measurements of each suite with their places in `measured`; suites in order of first appearance."""
    found: dict[str, list[tuple[int, Measurement]]] = {}
    for place, each in enumerate(measured):
        found.setdefault(each.suite, []).append((place, each))
    return found
