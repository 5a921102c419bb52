"""Scores made again: the metrics of a suite file, on the answers that a run's records hold.

`verify` believes the scores in the records and makes the verdicts again. This makes the scores again, so that a record
whose answer is wrong and whose score says right is found. Scores of likelihoods and of judges have no answer that could
be read again; they are named, not passed over.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.compare import scores
from harness.errors import HarnessError
from harness.metrics import Metric
from harness.records import read_rows
from harness.suite import Measurable
from harness.types import Example, Generation, Row, SuiteResult

__all__ = ["readable", "score_faults"]

_TOLERANCE = 1e-9


def readable(suite: Measurable) -> tuple[Metric, ...]:
    """The metrics that read answers; empty for a suite whose scores lm-eval, likelihoods or a judge give."""
    metrics: Sequence[Metric | str] = getattr(suite, "metrics", ())
    return tuple(metric for metric in metrics if not isinstance(metric, str))  # a task of lm-eval only names its own


def score_faults(run_dir: Path, run: Mapping[str, Any], suite: Measurable, planned: Sequence[Example]) -> Iterator[str]:
    """One line for each record file of the suite whose rows are not the suite's, or are not scored as the suite does.

    Args:
        run_dir: a run that verifies, so that its records are those of the receipt.
        run: run.json.
        suite: of the checkout, whose metrics are `readable`.
        planned: its examples.
    """
    examples = {example.id: example for example in planned}
    for name, entry in run["receipt"]["records"].items():
        if entry["suite"] != suite.name:
            continue
        rows = read_rows((run_dir / name).read_bytes())
        if unknown := [row.id for row in rows if row.id not in examples]:
            yield f"{name}: row {unknown[0]} is none of the suite here"
            continue
        try:
            wrong = _wrong(suite, [examples[row.id] for row in rows], rows)
        except HarnessError as error:
            yield f"{name}: cannot be scored again: {error}"
            continue
        if wrong:
            some = ", ".join(wrong[:3])
            yield f"{name}: {len(wrong)} of {len(rows)} rows are scored otherwise by the suite here (ids {some})"


def _wrong(suite: Measurable, examples: Sequence[Example], rows: Sequence[Row]) -> list[str]:
    """Ids of the rows whose recorded scores are not what the metrics make of their answers."""
    given = [Generation(row.output, (), row.finish_reason, row.prompt_tokens, row.new_tokens) for row in rows]
    result = SuiteResult(suite.name, {}, "", tuple(rows), 0.0)
    wrong: set[str] = set()
    for metric in readable(suite):
        again = [score.value for score in metric(examples, given)]
        for row, said, value in zip(rows, scores(result, metric.name), again, strict=True):
            same = said == value if said is None or value is None else abs(said - value) <= _TOLERANCE
            wrong |= set() if same else {row.id}
    return [row.id for row in rows if row.id in wrong]
