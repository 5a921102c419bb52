"""Suites that run through lm-eval: four-choice questions, scored by log-likelihood on the model already in memory.

lm-eval builds the requests and decides which rows are right; the answers pass through our store on the way,
a chunk at a time, so that a killed run resumes and a known model is never asked again.
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from harness._lm_eval_model import StoredModel
from harness._lm_eval_writer import StoredWriter
from harness.answers import Engine
from harness.datasets import nested_slice
from harness.errors import NotMeasured, UsageProblem
from harness.fingerprint import digest
from harness.gates import Gate
from harness.questions import LETTERS, QuestionSource, examples, mmlu_hub
from harness.questions import mmlu_dir as folder_source
from harness.quiet import quiet
from harness.suite import data_layer, refuse_bad_spec
from harness.types import Example, FinishReason, ModelRef, Row, Score, SuiteResult

__all__ = ["LmEvalSuite", "evaluate"]

_METRIC = "acc"


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalSuite:
    """Accuracy on four-choice questions, as lm-eval's `mmlu` measures it. Implements `Measurable`.

    Attributes:
        name: `[a-z0-9_-]`, at most 64 characters, unique in a run.
        version: raise it when scores stop being comparable.
        source: where the questions come from: `mc_csv("data/x.csv")`, `mmlu_dir(...)` or `mmlu_hub(...)`.
        gates: what is decided, on the metric `acc`; at least one.
        fewshot: worked examples before each question, at least 0; the source must have them.
    """

    name: str
    version: int
    source: QuestionSource
    gates: Sequence[Gate]
    fewshot: int = 0
    keep: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse a spec that contradicts itself (BadSpec)."""
        object.__setattr__(self, "gates", tuple(self.gates))
        refuse_bad_spec(self)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return (_METRIC,)

    @property
    def chance(self) -> float:
        """See `Measurable.chance`."""
        return 1 / len(LETTERS)

    def configured(
        self, *, mmlu_dir: str | None = None, mmlu_revision: str | None = None, fewshot: int = 0
    ) -> "LmEvalSuite":
        """This suite on MMLU itself: from a folder, or from the Hub at a commit; and with worked examples.

        Raises:
            UsageProblem: both sources are given.
        """
        if mmlu_dir and mmlu_revision:
            raise UsageProblem("--mmlu-dir beside --mmlu-revision: give one source of MMLU")
        source = self.source
        if mmlu_dir:
            source = folder_source(mmlu_dir)
        elif mmlu_revision:
            source = mmlu_hub(mmlu_revision)
        return replace(self, source=source, fewshot=fewshot or self.fewshot)

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`; the subject is the stratum."""
        return nested_slice(examples(self.source.read(), self.fewshot), limit)

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`."""
        return {
            "data": data_layer(planned),
            "prompt": digest({"format": "mmlu", "fewshot": self.fewshot}),
            "decode": digest({"method": "loglikelihood", "options": list(LETTERS), "lm_eval": version("lm_eval")}),
            "score": digest({"suite": self.name, "version": self.version, "metrics": [_METRIC]}),
        }

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`. The accuracy that lm-eval reports must equal that of the rows, exactly."""
        started = time.perf_counter()
        asked = StoredModel(engine, model, suite=self.name)
        verdicts, accuracy = _evaluate(self.name, planned, asked)
        rows = tuple(self._row(example, asked, right) for example, right in zip(planned, verdicts, strict=True))
        ours = sum(row.scores[0].value or 0.0 for row in rows) / len(rows)
        if abs(ours - accuracy) > 1e-9:  # noqa: PLR2004  # rounding of a mean of thousands
            raise NotMeasured(f"suite {self.name!r}: lm-eval reports acc={accuracy}, its rows give {ours}; report this")
        return SuiteResult(
            suite=self.name,
            fingerprint=self.fingerprint(planned),
            model=model.name,
            rows=rows,
            seconds=time.perf_counter() - started if asked.fresh else 0.0,
            fresh=asked.fresh,
            notes=_notes(asked, rows),
        )

    def _row(self, example: Example, asked: "StoredModel", right: float) -> Row:
        reply = asked.replies[example.input]
        chosen = LETTERS[reply.best]
        if right != float(chosen == example.target):
            raise NotMeasured(f"suite {self.name!r}: lm-eval gave row {example.id} acc={right}, but it chose {chosen}")
        return Row(
            id=example.id,
            cluster=example.cluster,
            tags=example.tags,
            prompt=example.input,
            target=str(example.target),
            output=chosen,
            finish_reason=FinishReason.STOP,
            prompt_tokens=reply.prompt_tokens,
            new_tokens=0,
            scores=(Score(_METRIC, right, chosen, "ok" if right else "wrong_value"),),
        )


def evaluate(
    asked: StoredModel | StoredWriter,
    tasks: Mapping[str, Any],
    samples: Mapping[str, Sequence[int]] | None = None,
    *,
    whole: bool = False,
) -> dict[str, Any]:
    """What lm-eval makes of these tasks, by name, each on all of its rows or those with the indices of `samples`.

    With `whole` a row is asked as it is when all rows are: worked examples are drawn from one row to the next.
    """
    with quiet():
        from lm_eval.evaluator import evaluate as run

        given = {"tasks": dict(tasks), "groups": {}, "group_map": {}}
        for task in tasks.values():
            build = type(task).build_all_requests.__get__(task)
            task.build_all_requests = _without_bar(_from_whole(task, build) if whole else build)
        indices = {name: list(chosen) for name, chosen in samples.items()} if samples else None
        found: dict[str, Any] = run(lm=asked, task_dict=given, samples=indices, bootstrap_iters=0, log_samples=True)
    return found


def _evaluate(name: str, planned: Sequence[Example], asked: StoredModel) -> tuple[list[float], float]:
    """Whether each planned row is right (1.0 or 0.0), in order, and the accuracy, both as lm-eval says."""
    with quiet():
        from lm_eval.tasks import TaskManager

        tasks = TaskManager(include_defaults=False).load([_task(name, planned)])["tasks"]
    found = evaluate(asked, tasks)
    logged = {entry["doc_id"]: float(entry[_METRIC]) for entry in found["samples"][name]}
    if missing := [example.id for index, example in enumerate(planned) if index not in logged]:
        raise NotMeasured(f"suite {name!r}: lm-eval left {len(missing)} of {len(planned)} rows out, first {missing[0]}")
    return [logged[index] for index in range(len(planned))], float(found["results"][name][f"{_METRIC},none"])


def _task(name: str, planned: Sequence[Example]) -> dict[str, Any]:
    """The suite as a task of lm-eval: rows from memory, prompts rendered already, letters as continuations."""
    import datasets

    rows = {
        "prompt": [example.input for example in planned],
        "answer": [LETTERS.index(str(example.target)) for example in planned],
    }
    return {
        "task": name,
        "custom_dataset": lambda **_options: {"test": datasets.Dataset.from_dict(rows)},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "prompt",
        "doc_to_choice": list(LETTERS),
        "doc_to_target": "answer",
        "num_fewshot": 0,
        "metric_list": [{"metric": _METRIC, "aggregation": "mean", "higher_is_better": True}],
    }


def _from_whole(task: Any, build: Callable[..., None]) -> Callable[..., None]:  # noqa: ANN401  # lm-eval's own
    """Make the requests of all rows, then leave those of the rows that are asked for."""

    def chosen(*, samples: Sequence[int], **options: Any) -> None:  # noqa: ANN401  # passed through
        build(samples=None, **options)
        places = {index: place for place, index in enumerate(samples)}
        kept = [request for request in task.instances if request.doc_id in places]
        for request in kept:
            request.doc_id = places[request.doc_id]
        task._instances = kept  # noqa: SLF001  # where lm-eval looks for them

    return chosen


def _without_bar(build: Callable[..., None]) -> Callable[..., None]:
    """lm-eval draws a progress bar while it makes requests, which takes no time; ours shows the measuring."""

    def silently(**options: Any) -> None:  # noqa: ANN401  # passed through
        with redirect_stderr(io.StringIO()):
            build(**options)

    return silently


def _notes(asked: StoredModel, rows: Sequence[Row]) -> tuple[str, ...]:
    repeated = len(rows) - len({row.cluster for row in rows})
    return (
        *asked.notes(),
        *([f"{repeated} of {len(rows)} rows repeat another one and share its cluster"] if repeated else []),
    )
