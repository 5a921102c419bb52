"""Measures a suite on the model that is being trained, in memory: the score that early stopping looks at.

Only the composition root imports this file; nothing else that trains knows suites.
"""

import tempfile
from pathlib import Path

from harness.answers import Engine
from harness.backends.hf import HfBackend
from harness.chat import Tokenizer, load_tokenizer
from harness.errors import BadSpec, NotMeasured
from harness.fingerprint import digest
from harness.store import Store
from harness.suite import Measurable
from harness.suite_file import load_suite
from harness.types import ModelRef
from trainers.bases import Model
from trainers.sections import EarlyStopping
from trainers.stopping import Scoring

__all__ = ["suite_scoring"]

BATCH_SIZE = 32


def suite_scoring(settings: EarlyStopping, base: Path) -> Scoring:
    """A scorer of the suite that `settings` names.

    Args:
        settings: suite, metric and slice.
        base: folder of the base, whose tokenizer and end tokens the model has.

    Raises:
        BadSpec: the file defines no suite, or the suite has no such metric.
        BadExamples: the suite's data is missing or malformed.
    """
    suite = _load(settings.suite)
    metric = settings.metric or suite.metric_names[0]
    if metric not in suite.metric_names:
        known = ", ".join(suite.metric_names)
        raise BadSpec(f"early_stopping.metric = {metric!r}: suite {suite.name!r} scores {known}")
    planned = suite.plan(settings.limit)
    tokenizer = load_tokenizer(base)

    def score(model: Model) -> float:
        ref = ModelRef(name="in training", base=str(base), fingerprint="in memory")  # the store lives for one score
        was_training = model.training
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            try:
                backend = HfBackend(batch_size=BATCH_SIZE, resident=_Trainee(model, tokenizer))
                result = suite.measure(ref, planned, Engine(backend, store))
            finally:
                store.close()
                model.train(was_training)
        values = [row.score(metric).value for row in result.rows]
        scored = [value for value in values if value is not None]
        if len(scored) != len(values):
            raise NotMeasured(f"early_stopping: {len(values) - len(scored)} of {len(values)} rows have no {metric}")
        return sum(scored) / len(scored)

    return Scoring(score, digest({"suite": dict(suite.fingerprint(planned)), "metric": metric}))


def _load(path: Path) -> Measurable:
    """The `suite` of a suite file."""
    try:
        return load_suite(path)
    except BadSpec as error:
        raise BadSpec(f"early_stopping.suite = {error}") from error


class _Trainee:
    """The model in training as what a backend holds in memory: already there, and never switched."""

    def __init__(self, model: Model, tokenizer: Tokenizer) -> None:
        self.device = str(model.device)
        self._model, self._tokenizer = model, tokenizer

    def tokenizer(self, ref: ModelRef) -> Tokenizer:  # noqa: ARG002
        """See `Resident.tokenizer`."""
        return self._tokenizer

    def switch(self, ref: ModelRef) -> Model:  # noqa: ARG002
        """See `Resident.switch`."""
        return self._model.eval()
