"""What is known of the instrument itself: the checks without which no verdict should be believed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reports.document import Document
from reports.load import Key, Result, Run
from reports.numbers import count, percent, points
from reports.pairs import pairs, primary_metric, score_of, transitions

__all__ = ["Check", "checks"]


@dataclass(frozen=True, slots=True)
class Check:
    """One suite as the instrument for one model, in words.

    Attributes:
        planned, read: rows.
        missing_base, missing_own: rows read without a score of the first gated metric, by arm.
        discordance: share of rows on which the two differ; empty for the base alone.
        detectable: smallest true difference that n and discordance find in four of five cases; empty likewise.
        noise: what the base does against itself.
        attempts: runs that computed answers of this model on this suite.
        tried: models ever measured on these rows in this store.
    """

    suite: str
    model: str
    planned: str
    read: str
    missing_base: str
    missing_own: str
    discordance: str
    detectable: str
    noise: str
    attempts: str
    tried: str


def checks(run: Run) -> tuple[Check, ...]:
    """One for each suite and candidate (without candidates, the base), in the order of the run."""
    judged = [model.name for model in run.candidates] or [run.base.name]
    return tuple(check for suite in run.suites for model in judged for check in _check(run, suite.name, model))


def _check(run: Run, suite: str, model: str) -> Iterator[Check]:
    metric = primary_metric(run, suite)
    own, base = (_result(run, suite, name, metric) for name in (model, run.base.name))
    if own is None:
        return  # a gate that was not measured is told by its verdict
    alone = model == run.base.name
    changes = None if alone else transitions(pairs(run, suite, model, metric))
    found = [each.detectable for each in run.verdicts if (each.suite, each.model) == (suite, model) and each.detectable]
    yield Check(
        suite=suite,
        model=model,
        planned=count(own.n + own.unread),
        read=count(own.n),
        missing_base="not measured" if base is None else count(_unscored(run, suite, run.base.name, metric, own.n)),
        missing_own=count(own.unscored),
        discordance="" if changes is None or changes.churn is None else percent(changes.churn),
        detectable=f"{points(max(found)).lstrip('+')} points" if found else "",
        noise=_noise(run.aa.get(suite), metric),
        attempts=count(own.attempts),
        tried=count(own.tried),
    )


def _unscored(run: Run, suite: str, model: str, metric: str, read: int) -> int:
    rows = run.rows.get(Key(suite, model), ())[:read]
    return sum(score_of(row, metric).value is None for row in rows)


def _result(run: Run, suite: str, model: str, metric: str) -> Result | None:
    wanted = (suite, model, metric)
    return next((each for each in run.results if (each.suite, each.model, each.metric) == wanted), None)


def _noise(measured: Any, metric: str) -> str:  # noqa: ANN401  # JSON
    for item in measured or ():
        each = Document("run.json: aa", item)
        if each.text("metric") == metric:
            flips, n = each.integer("flips"), each.integer("n")
            rate = f"{percent(each.number('low'))} to {percent(each.number('high'))}"
            return f"{count(flips)} of {count(n)} ({rate})"
    return "not measured: run tunegate aa"
