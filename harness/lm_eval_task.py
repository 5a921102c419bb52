"""Suites that are a task of lm-eval, scored row by row: ARC by likelihood, GSM8K by answers that are written.

`pytest suites/ --lm-eval arc_easy` makes one for each name; a suite file can hold one of its own:

    suite = LmEvalTask(name="arc", version=1, task="arc_easy", gates=[Gate("acc", max_drop=0.02)], chance=0.25)
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness._lm_eval_model import StoredModel
from harness._lm_eval_records import Log, chosen_row, logged, parts, written_row
from harness._lm_eval_rows import numbered
from harness._lm_eval_writer import StoredWriter
from harness._lm_eval_written import rescored
from harness.answers import Engine
from harness.datasets import nested_slice
from harness.errors import BadSpec, NotMeasured
from harness.fingerprint import digest
from harness.gates import Gate
from harness.lm_eval_rolling import LmEvalRolling
from harness.lm_eval_suite import evaluate
from harness.suite import data_layer, refuse_bad_spec
from harness.types import Example, Json, ModelRef, Row, SuiteResult

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
        metrics: of those that the task scores and that can be gated; the first is the headline. Of tasks scored by
            likelihood `acc` and `acc_norm`; of others with the filter's name, such as `exact_match,strict-match`.
        chance: what guessing scores on the headline metric, in [0, 1).
        data: JSON lines in the task's own columns, in place of what it would download; a folder with a file for
            each split where worked examples come from another one.
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
        loaded = self._loaded()
        how = asdict(loaded.decoding) if loaded.decoding else {}
        method = {"method": "generate_until" if loaded.decoding else "loglikelihood", "lm_eval": version("lm_eval")}
        return {
            "data": data_layer(planned),
            "prompt": loaded.prompt,
            "decode": digest({**method, **how}),
            "score": digest({"suite": self.name, "version": self.version, "metrics": list(self.metrics)}),
        }

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`. The means that lm-eval reports must equal those of the rows, exactly."""
        from harness._lm_eval_load import sandboxed

        started, loaded = time.perf_counter(), self._loaded()
        places = {example.id: index for index, example in enumerate(self._examples())}
        chosen = [places[example.id] for example in planned]
        if loaded.decoding:
            asked: StoredModel | StoredWriter = StoredWriter(engine, model, self.name, loaded.decoding)
        else:
            asked = StoredModel(engine, model, suite=self.name)
        loaded.reseed()
        with sandboxed(loaded.outside):
            samples = {loaded.name: sorted(chosen)}
            found = evaluate(asked, {loaded.name: loaded.task}, samples, whole=loaded.shots > 0)
        log = {(entry["doc_id"], entry["filter"]): entry for entry in found["samples"][loaded.name]}
        try:
            rows = tuple(self._row(row, place, log, asked) for row, place in zip(planned, chosen, strict=True))
        except NotMeasured as error:
            raise NotMeasured(f"suite {self.name!r}: {error}") from error
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

    def _row(self, example: Example, place: int, log: Log, asked: StoredModel | StoredWriter) -> Row:
        scores = logged(example.id, place, self.metrics, log)
        if isinstance(asked, StoredWriter):
            return written_row(example, scores, asked.answers)
        return chosen_row(example, scores, asked.replies)

    @property
    def lm_eval_spec(self) -> Mapping[str, Json] | None:
        """What scores written answers again; None where likelihoods are compared, which records do not hold."""
        return {"task": self.task, "data": self.data} if self._loaded().decoding else None

    def rescored(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """What the task's own filters and metrics say of the recorded answers, by metric."""
        loaded = self._loaded()
        docs = dict(zip((example.id for example in self._examples()), loaded.task.eval_docs, strict=True))
        return rescored(loaded.task, [(docs[row.id], row.output) for row in rows])

    def _loaded(self) -> "Loaded":
        from harness._lm_eval_load import load

        loaded = load(self.task, self.data)
        if unknown := [name for name in self.metrics if name not in loaded.metrics]:
            raise BadSpec(f"suite {self.name!r}: {self.task} scores {', '.join(loaded.metrics)}, not {unknown[0]!r}")
        return loaded

    def _examples(self) -> list[Example]:
        return [Example(own, row.question, row.target, cluster=row.id) for own, row in numbered(self._loaded().rows)]

    def _refuse_other_means(self, rows: Sequence[Row], said: Mapping[str, Any]) -> None:
        for name in self.metrics:
            ours = sum(row.score(name).value or 0.0 for row in rows) / len(rows)
            theirs = float(said[",".join(parts(name))])
            if abs(ours - theirs) > 1e-9:  # noqa: PLR2004  # rounding of a mean of thousands
                raise NotMeasured(
                    f"suite {self.name!r}: lm-eval reports {name}={theirs}, its rows give {ours}; report this"
                )


@dataclass(frozen=True, slots=True)
class LmEvalTasks:
    """As many suites as `--lm-eval` names tasks. Each must not drop by `max_drop` on its first metric.

    Tasks that roll over documents have no rate to gate: they are reported.
    """

    max_drop: float

    def asked(self, names: Sequence[str], data: Mapping[str, str]) -> tuple[LmEvalTask | LmEvalRolling, ...]:
        """A suite for each task; loads them, for only their rows say what guessing scores.

        Raises:
            UsageProblem: a task is unknown, cannot be gated, or its rows are not to be had.
        """
        return tuple(self._suite(name, data) for name in names)

    def _suite(self, task: str, data: Mapping[str, str]) -> LmEvalTask | LmEvalRolling:
        from harness._lm_eval_load import load

        stem = Path(task).stem if task.endswith((".yaml", ".yml")) else task
        loaded = load(task, data.get(stem))
        name = f"lm_eval-{loaded.name.casefold()}"[:64]
        if loaded.rolling:
            return LmEvalRolling(name=name, version=1, task=task, data=data.get(stem))
        counts = [len(row.options) for row in loaded.rows]
        return LmEvalTask(
            name=name,
            version=1,
            task=task,
            gates=[Gate(loaded.metrics[0], max_drop=self.max_drop)],
            metrics=loaded.metrics,
            chance=len(counts) / sum(counts) if all(counts) else 0.0,
            data=data.get(stem),
        )
