"""Suites that are a task of lm-eval on whole documents, such as wikitext: how likely a model finds every byte of them.

Its numbers are for reading: a text that a model finds likelier is no better answer. So such a suite has no gate unless
its author gives it one, and its verdict only says whether it was measured.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from harness._lm_eval_model import StoredModel
from harness._lm_eval_rows import numbered
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

__all__ = ["LmEvalRolling"]

_METRIC = "byte_likelihood"
_BYTES = ("byte_perplexity", "bits_per_byte")
"""Metrics of lm-eval beside which it logs a row's log-likelihood and its bytes; one of them must be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalRolling:
    """One task of lm-eval that is scored as `loglikelihood_rolling`. Implements `Measurable`.

    Each row scores `byte_likelihood` = exp(log-likelihood / bytes), in [0, 1]: one over the row's perplexity by byte.
    What lm-eval reports, which weights bytes and not rows, stands in the result's notes.

    Attributes:
        name: `[a-z0-9_-]`, at most 64 characters, unique in a run.
        version: raise it when scores stop being comparable.
        task: lm-eval's name for it.
        gates: none by default; a gate on `byte_likelihood` is possible, and better advisory.
        data: JSON lines in the task's own columns, or a folder of splits, in place of what it would download.
    """

    name: str
    version: int
    task: str
    gates: Sequence[Gate] = ()
    data: str | None = None
    keep: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse a spec that contradicts itself (BadSpec)."""
        object.__setattr__(self, "gates", tuple(self.gates))
        refuse_bad_spec(self, reported=True)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return (_METRIC,)

    @property
    def chance(self) -> float:
        """See `Measurable.chance`."""
        return 0.0

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`. An example's input is the document."""
        return nested_slice(tuple(self._examples()), limit)

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`."""
        return {
            "data": data_layer(planned),
            "prompt": self._loaded().prompt,
            "decode": digest({"method": "loglikelihood_rolling", "lm_eval": version("lm_eval")}),
            "score": digest({"suite": self.name, "version": self.version, "metrics": [_METRIC]}),
        }

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`. The bits a byte that lm-eval reports must follow from the rows, exactly."""
        started, loaded = time.perf_counter(), self._loaded()
        places = {example.id: index for index, example in enumerate(self._examples())}
        chosen = [places[example.id] for example in planned]
        asked = StoredModel(engine, model, suite=self.name)
        found = evaluate(asked, {loaded.name: loaded.task}, {loaded.name: sorted(chosen)})
        log = {entry["doc_id"]: entry for entry in found["samples"][loaded.name]}
        if missing := [row.id for row, place in zip(planned, chosen, strict=True) if place not in log]:
            raise NotMeasured(f"suite {self.name!r}: lm-eval left row {missing[0]} out; report this")
        counted = [_counted(log[place]) for place in chosen]
        tokens = [asked.tokens[log[place]["arguments"][0][0]] for place in chosen]
        rows = tuple(_row(*parts) for parts in zip(planned, counted, tokens, strict=True))
        said = {name.removesuffix(",none"): each for name, each in found["results"][loaded.name].items()}
        self._refuse_other_bits(counted, said)
        shown = ", ".join(f"{name} {said[name]:.4g}" for name in loaded.metrics)
        return SuiteResult(
            suite=self.name,
            fingerprint=self.fingerprint(planned),
            model=model.name,
            rows=rows,
            seconds=time.perf_counter() - started if asked.fresh else 0.0,
            fresh=asked.fresh,
            notes=(f"over all bytes, as lm-eval reports it: {shown}",),
        )

    def _loaded(self) -> "Loaded":
        from harness._lm_eval_load import load

        loaded = load(self.task, self.data)
        if not loaded.rolling:
            raise BadSpec(f"suite {self.name!r}: {self.task} does not roll over documents; use LmEvalTask")
        return loaded

    def _examples(self) -> list[Example]:
        return [Example(own, row.target, "", cluster=row.id) for own, row in numbered(self._loaded().rows)]

    def _refuse_other_bits(self, counted: Sequence[tuple[float, int]], said: Mapping[str, Any]) -> None:
        nats, size = sum(nats for nats, _ in counted), sum(size for _, size in counted)
        ours = {"bits_per_byte": -nats / size / math.log(2), "byte_perplexity": math.exp(-nats / size)}
        for name in (name for name in _BYTES if name in said):
            if not math.isclose(ours[name], float(said[name]), rel_tol=1e-9):
                raise NotMeasured(
                    f"suite {self.name!r}: lm-eval reports {name}={said[name]}, its rows give {ours[name]}; report this"
                )


def _counted(entry: Mapping[str, Any]) -> tuple[float, int]:
    """Log-likelihood of a row's document in nats, and its bytes, as lm-eval counts them."""
    nats, size = next(entry[name] for name in _BYTES if name in entry)
    return float(nats), int(size)


def _row(example: Example, counted: tuple[float, int], tokens: int) -> Row:
    nats, size = counted
    likelihood = math.exp(nats / size)
    said = f"{-nats / size / math.log(2):.4g} bits a byte, {size:,} bytes"
    return Row(
        id=example.id,
        cluster=example.cluster,
        tags=example.tags,
        prompt=example.input,
        target="",
        output=f"({said})",
        finish_reason=FinishReason.STOP,
        prompt_tokens=0,
        new_tokens=tokens,
        scores=(Score(_METRIC, likelihood, said),),
    )
