"""Suites that are a task of lm-eval: ARC, HellaSwag or any other that is scored by likelihood, row by row.

`pytest suites/ --lm-eval arc_easy` makes one for each name; a suite file can hold one of its own:

    suite = LmEvalTask(name="arc", version=1, task="arc_easy", gates=[Gate("acc", max_drop=0.02)], chance=0.25)
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness._lm_eval_model import StoredModel
from harness.answers import Engine
from harness.datasets import nested_slice
from harness.errors import BadSpec, NotMeasured
from harness.fingerprint import digest
from harness.gates import Gate
from harness.lm_eval_suite import evaluate
from harness.suite import data_layer, refuse_bad_spec
from harness.types import Example, FinishReason, ModelRef, Row, Score, SuiteResult

if TYPE_CHECKING:  # its module is heavy
    from harness._lm_eval_load import Loaded

__all__ = ["LmEvalTask", "LmEvalTasks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalTask:
    """One task of lm-eval, with its own prompts and scores, on the model in memory. Implements `Measurable`.

    Attributes:
        name: `[a-z0-9_-]`, at most 64 characters, unique in a run.
        version: raise it when scores stop being comparable.
        task: lm-eval's name for it, or a YAML file without code.
        gates: what is decided, on one of `metrics`; at least one.
        metrics: of `acc` and `acc_norm`, those that the task scores; the first is the headline.
        chance: what guessing scores on the headline metric, in [0, 1).
        data: JSON lines in the task's own columns, in place of what it would download.
    """

    name: str
    version: int
    task: str
    gates: Sequence[Gate]
    metrics: Sequence[str] = ("acc",)
    chance: float = 0.0
    data: str | None = None
    keep: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse a spec that contradicts itself (BadSpec)."""
        object.__setattr__(self, "gates", tuple(self.gates))
        object.__setattr__(self, "metrics", tuple(self.metrics))
        refuse_bad_spec(self)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return tuple(self.metrics)

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`. An example's input is the task's question, without what lm-eval puts before it.

        Raises:
            BadSpec: the task cannot be gated, or does not score one of `metrics`.
        """
        return nested_slice(tuple(self._examples()), limit)

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`."""
        return {
            "data": data_layer(planned),
            "prompt": self._loaded().prompt,
            "decode": digest({"method": "loglikelihood", "lm_eval": version("lm_eval")}),
            "score": digest({"suite": self.name, "version": self.version, "metrics": list(self.metrics)}),
        }

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`. The means that lm-eval reports must equal those of the rows, exactly."""
        from harness._lm_eval_load import sandboxed

        started, loaded = time.perf_counter(), self._loaded()
        places = {example.id: index for index, example in enumerate(self._examples())}
        asked = StoredModel(engine, model, suite=self.name)
        chosen = [places[example.id] for example in planned]
        with sandboxed(loaded.outside):
            found = evaluate(asked, {loaded.name: loaded.task}, samples={loaded.name: sorted(chosen)})
        logged = {entry["doc_id"]: entry for entry in found["samples"][loaded.name]}
        if missing := [example.id for example, place in zip(planned, chosen, strict=True) if place not in logged]:
            raise NotMeasured(
                f"suite {self.name!r}: lm-eval left {len(missing)} of {len(planned)} rows out, first {missing[0]}"
            )
        rows = tuple(self._row(row, logged[place], asked) for row, place in zip(planned, chosen, strict=True))
        self._refuse_other_means(rows, found["results"][loaded.name])
        return SuiteResult(
            suite=self.name,
            fingerprint=self.fingerprint(planned),
            model=model.name,
            rows=rows,
            seconds=time.perf_counter() - started if asked.fresh else 0.0,
            fresh=asked.fresh,
            notes=asked.notes(),
        )

    def _loaded(self) -> "Loaded":
        from harness._lm_eval_load import load

        loaded = load(self.task, self.data)
        if unknown := [name for name in self.metrics if name not in loaded.metrics]:
            raise BadSpec(f"suite {self.name!r}: {self.task} scores {', '.join(loaded.metrics)}, not {unknown[0]!r}")
        return loaded

    def _examples(self) -> list[Example]:
        seen, made = Counter[str](), []
        for row in self._loaded().rows:
            seen[row.id] += 1
            own = row.id if seen[row.id] == 1 else f"{row.id}-{seen[row.id]}"
            made.append(Example(id=own, input=row.question, target=row.target, cluster=row.id))
        return made

    def _row(self, example: Example, entry: Mapping[str, Any], asked: StoredModel) -> Row:
        asked_of = [(str(context), str(said)) for context, said in entry["arguments"]]
        replies = [reply[0] for reply in entry["filtered_resps"]]
        best = max(range(len(replies)), key=replies.__getitem__)
        output = asked_of[best][len({context for context, _ in asked_of}) == 1].strip()  # options, or beginnings
        scores = []
        for name in self.metrics:
            value = float(entry[name])
            if value not in (0.0, 1.0):
                raise NotMeasured(
                    f"suite {self.name!r}: lm-eval gave row {example.id} {name}={value}, it must be 0 or 1"
                )
            scores.append(Score(name, value, output, "ok" if value else "wrong_value"))
        return Row(
            id=example.id,
            cluster=example.cluster,
            tags=example.tags,
            prompt=asked_of[0][0],
            target=str(example.target),
            output=output,
            finish_reason=FinishReason.STOP,
            prompt_tokens=asked.replies[asked_of[0][0]].prompt_tokens,
            new_tokens=0,
            scores=tuple(scores),
        )

    def _refuse_other_means(self, rows: Sequence[Row], said: Mapping[str, Any]) -> None:
        for name in self.metrics:
            ours = sum(row.score(name).value or 0.0 for row in rows) / len(rows)
            theirs = float(said[f"{name},none"])
            if abs(ours - theirs) > 1e-9:  # noqa: PLR2004  # rounding of a mean of thousands
                raise NotMeasured(
                    f"suite {self.name!r}: lm-eval reports {name}={theirs}, its rows give {ours}; report this"
                )


_ELSEWHERE = frozenset({"custom_dataset", "dataset_kwargs", "dataset_path", "metadata"})
"""What says where rows come from, or holds objects whose text is not the same twice."""


@dataclass(frozen=True, slots=True)
class LmEvalTasks:
    """As many suites as `--lm-eval` names tasks. Each must not drop by `max_drop` on its first metric."""

    max_drop: float

    def asked(self, names: Sequence[str], data: Mapping[str, str]) -> tuple[LmEvalTask, ...]:
        """A suite for each task; loads them, for only their rows say what guessing scores.

        Raises:
            UsageProblem: a task is unknown, cannot be gated, or its rows are not to be had.
        """
        return tuple(self._suite(name, data) for name in names)

    def _suite(self, task: str, data: Mapping[str, str]) -> LmEvalTask:
        from harness._lm_eval_load import load

        stem = Path(task).stem if task.endswith((".yaml", ".yml")) else task
        loaded = load(task, data.get(stem))
        counts = [len(row.options) for row in loaded.rows]
        return LmEvalTask(
            name=f"lm_eval-{loaded.name.casefold()}"[:64],
            version=1,
            task=task,
            gates=[Gate(loaded.metrics[0], max_drop=self.max_drop)],
            metrics=loaded.metrics,
            chance=len(counts) / sum(counts) if all(counts) else 0.0,
            data=data.get(stem),
        )
