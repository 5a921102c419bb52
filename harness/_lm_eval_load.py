"""Loads a task of lm-eval: one that it ships, by name, or one from a YAML file, which may describe but not compute.

A task file can run code in three ways: `!function`, a metric fetched from the Hub, and templates, which lm-eval
renders without a sandbox. From outside of its package the first two are refused, and the third gets a sandbox.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from inspect import getsource, isfunction
from pathlib import Path
from typing import Any

from harness._lm_eval_names import packaged
from harness._lm_eval_rows import Asked, asked_rows, local_rows
from harness._lm_eval_written import Decoding, decoding, written_metrics
from harness.errors import BadExamples, BadSpec
from harness.fingerprint import digest
from harness.quiet import quiet

__all__ = ["METRICS", "Loaded", "load", "sandboxed"]

METRICS = ("acc", "acc_norm")
"""What can be gated where likelihoods are compared: 0 or 1 for each row."""
_SEED = 1234
"""lm-eval's own for drawing worked examples."""
_ELSEWHERE = frozenset({"custom_dataset", "dataset_kwargs", "dataset_path", "fewshot_config", "metadata"})
"""Settings that say where rows come from, or repeat others as objects."""
_CHOSEN = ("multiple_choice", "loglikelihood")
_WRITTEN = "generate_until"
_ROLLING = "loglikelihood_rolling"
_LIKELIHOODS = ("word_perplexity", "byte_perplexity", "bits_per_byte")
"""What is reported of documents."""
_KEYS = frozenset(
    {
        "dataset_kwargs", "dataset_name", "dataset_path", "description", "doc_to_choice", "doc_to_target",
        "doc_to_text", "fewshot_delimiter", "metadata", "metric_list", "output_type", "tag", "target_delimiter",
        "task", "test_split", "validation_split",
    }
)  # fmt: skip
"""What a task file from outside may say."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task and its rows.

    Attributes:
        task: lm-eval's object.
        name: what lm-eval calls it.
        rows: to measure, in lm-eval's order; `options` is empty where nothing is chosen.
        metrics: what can be gated, in the task's order, at least one; with its filter where answers are filtered. Of
            documents what lm-eval reports, none of which is a rate.
        decoding: of answers that are written; None where likelihoods are compared.
        rolling: whether nothing is asked, and the likelihood of whole documents is taken.
        shots: worked examples before each question.
        prompt: digest of everything that decides what is asked.
        outside: whether it came from a file, and its templates run in a sandbox.
    """

    task: Any
    name: str
    rows: tuple[Asked, ...]
    metrics: tuple[str, ...]
    decoding: Decoding | None
    rolling: bool
    shots: int
    prompt: str
    outside: bool

    def reseed(self) -> None:
        """Have worked examples drawn as at the start, so that every model is shown the same."""
        if hasattr(self.task, "set_fewshot_seed"):
            self.task.set_fewshot_seed(seed=_SEED)


@lru_cache(maxsize=32)
def load(task: str, data: str | None = None) -> Loaded:
    """Load a task, and its rows from the file `data` (JSON lines in the task's own columns) or whence it says.

    Raises:
        BadSpec: there is no such task, or it is of a kind that cannot be gated row by row; or its file holds code.
        BadExamples: its rows are not to be had, or malformed.
    """
    path = Path(task)
    outside = path.suffix in (".yaml", ".yml")
    spec: dict[str, Any] = _read(path) if outside else {}
    if data is not None:
        spec |= local_rows(Path(data))
    with quiet(), sandboxed(outside):
        found = _build(spec, named=not outside, task=task)
        _refuse_without_rows(found, task, data)
        rows = tuple(asked_rows(found, task))
        if not rows:
            raise BadExamples(f"--lm-eval {task}: has no rows; check its data")
        decoded = decoding(found, task) if found.OUTPUT_TYPE == _WRITTEN else None
        loaded = Loaded(
            task=found,
            name=str(found.task_name),
            rows=rows,
            metrics=written_metrics(found, task, [row.target for row in rows]) if decoded else _compared(found, task),
            decoding=decoded,
            rolling=found.OUTPUT_TYPE == _ROLLING,
            shots=found.config.num_fewshot or 0,
            prompt=_prompt(found),
            outside=outside,
        )
        loaded.reseed()
    return loaded


def _refuse_without_rows(task: Any, name: str, data: str | None) -> None:  # noqa: ANN401  # lm-eval declares no types
    if not task.has_test_docs() and not task.has_validation_docs():
        raise BadSpec(f"--lm-eval {name}: has neither test nor validation rows")
    shown = (task.config.num_fewshot or 0) > 0 and not getattr(task.config.fewshot_config, "samples", None)
    if data is not None and Path(data).is_file() and shown:
        raise BadSpec(
            f"--lm-eval {name}: shows worked examples of another split, which one file does not have; give a folder "
            "with a .jsonl file for each split"
        )


def _compared(task: Any, name: str) -> tuple[str, ...]:  # noqa: ANN401  # likewise
    """What can be gated of a task that compares likelihoods, and what is reported of one that rolls over documents."""
    known = _LIKELIHOODS if task.OUTPUT_TYPE == _ROLLING else METRICS
    named = tuple(entry["metric"] for entry in task.config.metric_list or () if entry["metric"] in known)
    if not named or named == ("word_perplexity",):
        raise BadSpec(f"--lm-eval {name}: scores none of {', '.join(known)}, so that nothing can be said of its rows")
    return named


def _prompt(task: Any) -> str:  # noqa: ANN401  # likewise
    """Digest of what decides what is asked: the settings, and the rows that worked examples are drawn from."""
    settings = {key: _plain(value) for key, value in vars(task.config).items() if key not in _ELSEWHERE}
    if not task.config.num_fewshot:
        return digest(settings)
    return digest({**settings, "shown": [repr(sorted(doc.items())) for doc in task.fewshot_docs()]})


@contextmanager
def sandboxed(outside: bool) -> Iterator[None]:  # noqa: FBT001  # what it depends on
    """Have lm-eval render the templates of a task from outside in a sandbox, like that of chat templates."""
    if not outside:
        yield
        return
    import lm_eval.utils
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    before = lm_eval.utils.env
    lm_eval.utils.env = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    lm_eval.utils.env.filters.update(before.filters)
    try:
        yield
    except SecurityError as error:
        raise BadSpec(f"a template of an lm-eval task tries what is not allowed: {error}; remove it") from error
    finally:
        lm_eval.utils.env = before


def _build(spec: dict[str, Any], *, named: bool, task: str) -> Any:  # noqa: ANN401  # lm-eval declares no types
    from lm_eval.tasks import TaskManager

    file = packaged(task) if named else None
    manager = TaskManager(include_defaults=False, include_path=str(file.parent) if file else None)
    factory = manager._factory  # noqa: SLF001  # the one way to give a packaged task other rows
    try:
        if not file:
            _refuse_kind(spec, task, (*_CHOSEN,))
            return next(iter(manager.load([spec])["tasks"].values()))
        entry = manager.task_index[task]
        own = factory._load_full_config(entry, None)  # noqa: SLF001  # see above
        _refuse_kind(own, task, (*_CHOSEN, _WRITTEN, _ROLLING))
        if "class" in own and spec:
            raise BadSpec(f"--lm-eval {task}: is code of lm-eval that fetches its own rows; leave --data out")
        return factory.build(entry, overrides=spec, registry=manager.task_index)
    except ImportError as error:
        raise BadSpec(f"--lm-eval {task}: needs a package that is not installed ({error})") from error
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        first = str(error).strip().partition("\n")[0][:160]
        raise BadExamples(
            f"--lm-eval {task}: cannot be loaded ({type(error).__name__}: {first}); check the network, or give its "
            f"rows with --data {Path(task).stem}=FILE"
        ) from error


def _refuse_kind(spec: dict[str, Any], task: str, known: tuple[str, ...]) -> None:
    if (kind := spec.get("output_type", _WRITTEN)) in known:
        return
    instead = "for others write a suite with a metric of harness/metrics"
    raise BadSpec(f"--lm-eval {task}: is scored as {kind}, only {', '.join(known)} tasks are; {instead}")


def _plain(value: object) -> str:
    """A setting as text that is the same in every process: a function is its source."""
    return getsource(value) if isfunction(value) else json.dumps(value, sort_keys=True, default=repr)


def _read(path: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]  # it ships no types

    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSpec(f"--lm-eval {path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())[:160]
        raise BadSpec(f"--lm-eval {path}: holds code or is no YAML ({what}); a task file may only describe") from error
    if not isinstance(spec, dict) or not isinstance(spec.get("task"), str):
        raise BadSpec(f"--lm-eval {path}: names no `task`; see lm-eval's guide to tasks")
    if unknown := sorted(map(str, set(spec) - _KEYS)):
        raise BadSpec(
            f"--lm-eval {path}: {unknown[0]!r} is not taken from a task file; taken are {', '.join(sorted(_KEYS))}"
        )
    for entry in spec.get("metric_list") or ():
        if not isinstance(entry, dict) or entry.get("metric") not in METRICS or entry.get("hf_evaluate"):
            raise BadSpec(f"--lm-eval {path}: metrics of a task file are {' and '.join(METRICS)}, not {entry}")
    return spec
