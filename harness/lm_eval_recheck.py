"""Written answers of lm-eval tasks are scored once more, from the records, by the task's own filters and metrics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import HarnessError, NotMeasured
from harness.lm_eval_task import LmEvalTask
from harness.plan import gate_from
from harness.types import Row, SuiteResult

__all__ = ["score_faults"]

Document = Mapping[str, Any]
_TOLERANCE = 1e-9  # another numpy may differ in the last digits


def score_faults(plan: Document, results: Mapping[tuple[str, str], SuiteResult]) -> tuple[list[str], list[str]]:
    """What the answers of lm-eval tasks score today, beside what the records say.

    Returns:
        One line for each record that scores otherwise, and one for each suite that could not be scored again because
        its rows, or this version of lm-eval, are not those of the run.
    """
    faults: list[str] = []
    unchecked: list[str] = []
    for suite in plan["suites"]:
        if not suite.get("lm_eval"):
            continue
        try:
            task = _task(suite)
            for (name, model), result in results.items():
                if name == suite["name"]:
                    faults += _other_scores(task, model, result.rows)
        except HarnessError as error:
            unchecked.append(f"suite {suite['name']}: its answers were not scored again: {error}")
    return faults, unchecked


def _task(suite: Document) -> LmEvalTask:
    """The planned task, loaded again.

    Raises:
        HarnessError: it cannot be, or it is not what was measured.
    """
    spec = suite["lm_eval"]
    if spec["data"] is None:
        raise NotMeasured("its rows come from the Hub, which is not asked here; measure with --data TASK=FILE")
    gates = [gate_from(gate) for gate in suite["gates"]]
    name, metrics = suite["name"], tuple(suite["metrics"])
    task = LmEvalTask(
        name=name, version=suite["version"], task=spec["task"], gates=gates, metrics=metrics, data=spec["data"]
    )
    known = {example.id: example for example in task.plan()}
    planned = [known[name] for name, _ in suite["examples"] if name in known]
    again = task.fingerprint(planned)
    if wrong := [layer for layer, said in suite["fingerprint"].items() if again[layer] != said]:
        raise NotMeasured(f"{', '.join(wrong)} of {spec['data']} or of lm-eval here are not those of the run")
    return task


def _other_scores(task: LmEvalTask, model: str, rows: Sequence[Row]) -> Iterator[str]:
    for row, scores in zip(rows, task.rescored(rows), strict=True):
        for score in row.scores:
            value = scores.get(score.metric)
            if score.value is None or value is None or abs(float(value) - score.value) > _TOLERANCE:
                yield (
                    f"{task.name} on {model}: row {row.id} is recorded with {score.metric}={score.value}, "
                    f"its answer scores {value}"
                )
                return
