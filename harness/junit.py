"""What readers of JUnit files get to see of a gate: its numbers as properties of the test case."""

from collections.abc import Mapping

from harness.compare import estimate
from harness.errors import NotMeasured
from harness.fingerprint import digest
from harness.plan import Plan
from harness.stats import mcnemar_midp
from harness.types import SuiteResult, Verdict

__all__ = ["properties"]


def properties(
    verdict: Verdict, plan: Plan | None, results: Mapping[tuple[str, str], SuiteResult]
) -> list[tuple[str, object]]:
    """Name and text of each property; what was not measured is an empty text, never 0.

    `delta` and `p` are there for gates on a difference; `p` is the one-sided mid-p of McNemar's test: how surprising so
    many gains against losses would be by chance. `low` and `high` are the bounds that the gate decided on, of the
    difference or of the rate. `fingerprint` is one hash of the layers of the suite, and `report` the section of the
    run's page.
    """
    seen, base = verdict.observed, plan.models[0].name if plan else ""
    planned = results.get((verdict.suite, base))
    values: dict[str, object] = {
        "suite": verdict.suite,
        "metric": verdict.metric,
        "gate": verdict.gate,
        "base": base,
        "candidate": verdict.model,
        "n": verdict.n,
        "base_score": _mean(planned, verdict.metric),
        "candidate_score": _mean(results.get((verdict.suite, verdict.model)), verdict.metric),
        "delta": seen.value if seen and verdict.gained is not None else None,
        "observed": seen.value if seen else None,
        "low": seen.low if seen else None,
        "high": seen.high if seen else None,
        "required": verdict.required,
        "gained": verdict.gained,
        "lost": verdict.lost,
        "p": None if verdict.gained is None or verdict.lost is None else mcnemar_midp(verdict.gained, verdict.lost),
        "outcome": verdict.outcome.value,
        "advisory": verdict.advisory,
        "fingerprint": digest(dict(planned.fingerprint)) if planned else None,
        "report": "report.html#suites",
    }
    return [(name, "" if value is None else str(value)) for name, value in values.items()]


def _mean(result: SuiteResult | None, metric: str) -> float | None:
    """Over all rows; None when any of them is unscored, or the suite was not measured."""
    if result is None or any(
        score.value is None for row in result.rows for score in row.scores if score.metric == metric
    ):
        return None
    try:
        return estimate(result, metric).value
    except NotMeasured:
        return None
