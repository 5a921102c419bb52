"""How hard the rows are for the base: the share of its own answers that a suite's metric takes, row by row."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.answers import Engine, with_dtype
from harness.audit.held_out import HeldOut
from harness.audit.rows import Row
from harness.backends import Backend
from harness.datasets import nested_slice
from harness.errors import NotMeasured, UsageProblem
from harness.store import Store
from harness.suite import Suite
from harness.types import Example, ModelRef

__all__ = ["Asked", "Difficulty", "Graded", "difficulty"]

EASY, HARD = 2 / 3, 1 / 3
"""A row is easy when the base passes more than two thirds of its tries, hard when at most one third."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How difficulty is measured. Several `tries` are sampled at `temperature`; a single one is greedy."""

    model: str = "embedded"
    suite: str = ""
    rows: int = 200
    tries: int = 4
    temperature: float = 0.7


@dataclass(frozen=True, slots=True)
class Graded:
    """The pass rate of some rows: easy, medium and hard ones as shares, and their mean."""

    name: str
    rows: int
    easy: float
    medium: float
    hard: float
    mean: float


@dataclass(frozen=True, slots=True)
class Difficulty:
    """What was measured.

    Attributes:
        model, suite, metric, tries: how.
        rates: row number and pass rate in [0, 1], by number.
        counts: rows by how many of their tries passed, from 0 to `tries`.
        whole: all measured rows together.
        tags: the same for each first tag.
    """

    model: str
    suite: str
    metric: str
    tries: int
    rates: tuple[tuple[int, float], ...]
    counts: tuple[int, ...]
    whole: Graded
    tags: tuple[Graded, ...]


def difficulty(rows: Sequence[Row], held: Sequence[HeldOut], asked: Asked, backend: Backend) -> Difficulty:
    """Let the base answer a seeded sample of the rows, as a suite asks and scores.

    Args:
        rows: at least one.
        held: suites, of which `asked.suite`, or else the one whose targets the labels are like, is taken.
        asked: how.
        backend: that answers.

    Raises:
        UsageProblem: no suite fits.
        NotMeasured: a row has no score.
    """
    suite = _suite(rows, held, asked.suite)
    by_id = {row.id: row for row in rows}
    pool = [Example(own, row.question, row.label, row.tags, own) for own, row in by_id.items()]
    passed = _passed(suite, nested_slice(pool, asked.rows), asked, backend)
    rates = tuple(sorted((by_id[own].number, rate) for own, rate in passed.items()))
    by_tag: dict[str, list[float]] = {}
    for own, rate in passed.items():
        for tag in by_id[own].tags[:1]:
            by_tag.setdefault(tag, []).append(rate)
    counts = [0] * (asked.tries + 1)
    for _, rate in rates:
        counts[round(rate * asked.tries)] += 1
    return Difficulty(
        model=asked.model,
        suite=suite.name,
        metric=suite.metric_names[0],
        tries=asked.tries,
        rates=rates,
        counts=tuple(counts),
        whole=_graded("all", [rate for _, rate in rates]),
        tags=tuple(_graded(tag, of_tag) for tag, of_tag in sorted(by_tag.items())),
    )


def _passed(suite: Suite, planned: Sequence[Example], asked: Asked, backend: Backend) -> dict[str, float]:
    """The pass rate of each example by id, from answers that are kept nowhere."""
    model = backend.identify(with_dtype(backend, ModelRef("base", asked.model)))
    temperature = asked.temperature if asked.tries > 1 else 0.0
    passed = dict.fromkeys((example.id for example in planned), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            for seed in range(asked.tries):
                sampling = replace(suite.sampling, temperature=temperature, seed=seed)
                own = replace(suite, keep=None, prompting=None, sampling=sampling)
                for row in own.measure(model, planned, Engine(backend, store)).rows:
                    value = row.score(suite.metric_names[0]).value
                    if value is None:
                        raise NotMeasured(
                            f"--difficulty: the answer {row.output[:60]!r} has no score; ask another suite"
                        )
                    passed[row.id] += value / asked.tries
        finally:
            store.close()
    return passed


def _suite(rows: Sequence[Row], held: Sequence[HeldOut], wanted: str) -> Suite:
    suites = [each.suite for each in held if isinstance(each.suite, Suite)]
    named = [suite for suite in suites if suite.name == wanted] if wanted else suites
    structured = isinstance(rows[0].label, dict)
    fitting = [suite for suite in named if isinstance(suite.plan()[0].target, dict) == structured]
    exact = [suite for suite in fitting if suite.metric_names[0] == "exact_match"]
    if not fitting:
        known = ", ".join(suite.name for suite in suites) or "none"
        raise UsageProblem(
            f"--difficulty: no suite that generates answers fits these rows ({known}); give one with --against"
        )
    return (exact or fitting)[0]


def _graded(name: str, rates: Sequence[float]) -> Graded:
    easy, hard = sum(rate > EASY for rate in rates), sum(rate <= HARD for rate in rates)
    n = len(rates)
    return Graded(name, n, easy / n, (n - easy - hard) / n, hard / n, sum(rates) / n)
