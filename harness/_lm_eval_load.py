"""Loads a task of lm-eval: one that it ships, by name, or one from a YAML file, which may describe but not compute.

A task file can run code in three ways: `!function`, a metric fetched from the Hub, and templates, which lm-eval
renders without a sandbox. From outside of its package the first two are refused, and the third gets a sandbox.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from inspect import getsource, isfunction
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import BadExamples, BadSpec
from harness.fingerprint import digest
from harness.quiet import quiet

__all__ = ["METRICS", "Loaded", "load", "sandboxed"]

METRICS = ("acc", "acc_norm")
"""What can be gated: 0 or 1 for each row."""
_ID_LENGTH = 16
_NAME = r"[\"']?([\w.+/-]+)[\"']?"
_TASK = re.compile(rf"^[\"']?task[\"']?:[ \t]*{_NAME}[ \t]*$", re.MULTILINE)
_GROUP = re.compile(rf"^[\"']?(?:group|tag)[\"']?:[ \t]*{_NAME}[ \t]*$", re.MULTILINE)
_TAGS = re.compile(r"^[\"']?(?:group|tag)[\"']?:[ \t]*\n((?:[ \t]*-.*\n)+)", re.MULTILINE)
_ITEM = re.compile(rf"-[ \t]*{_NAME}")
_ELSEWHERE = frozenset({"custom_dataset", "dataset_kwargs", "dataset_path", "fewshot_config", "metadata"})
"""Settings that say where rows come from, or repeat others as objects."""
_KINDS = ("multiple_choice", "loglikelihood")
_KEYS = frozenset(
    {
        "dataset_kwargs", "dataset_name", "dataset_path", "description", "doc_to_choice", "doc_to_target",
        "doc_to_text", "fewshot_delimiter", "metadata", "metric_list", "output_type", "tag", "target_delimiter",
        "task", "test_split", "validation_split",
    }
)  # fmt: skip
"""What a task file from outside may say."""


class Asked(NamedTuple):
    """A row as a reader sees it: its question without worked examples, the right answer, and what it is chosen from."""

    id: str
    question: str
    target: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task and its rows.

    Attributes:
        task: lm-eval's object.
        name: what lm-eval calls it.
        rows: to measure, in lm-eval's order; `options` is empty where nothing is chosen.
        metrics: those of `METRICS` that the task scores, in its order, at least one.
        prompt: digest of everything that decides what is asked.
        outside: whether it came from a file, and its templates run in a sandbox.
    """

    task: Any
    name: str
    rows: tuple[Asked, ...]
    metrics: tuple[str, ...]
    prompt: str
    outside: bool


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
        spec |= _local(Path(data))
    with quiet(), sandboxed(outside):
        found = _build(spec, named=not outside, task=task)
        if data is not None and (found.config.num_fewshot or 0) > 0:
            raise BadSpec(f"--lm-eval {task}: shows worked examples of another split, which --data does not have")
        if not found.has_test_docs() and not found.has_validation_docs():
            raise BadSpec(f"--lm-eval {task}: has neither test nor validation rows")
        if hasattr(found, "set_fewshot_seed"):
            found.set_fewshot_seed(seed=1234)
        named = [entry["metric"] for entry in found.config.metric_list or ()]
        loaded = Loaded(
            task=found,
            name=str(found.task_name),
            rows=tuple(_rows(found, task)),
            metrics=tuple(name for name in named if name in METRICS),
            prompt=digest({key: _plain(value) for key, value in vars(found.config).items() if key not in _ELSEWHERE}),
            outside=outside,
        )
    if not loaded.rows:
        raise BadExamples(f"--lm-eval {task}: has no rows; check its data")
    if not loaded.metrics:
        raise BadSpec(f"--lm-eval {task}: scores neither {' nor '.join(METRICS)}, so that no gate can be put on it")
    return loaded


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

    file = _packaged(task) if named else None
    manager = TaskManager(include_defaults=False, include_path=str(file.parent) if file else None)
    factory = manager._factory  # noqa: SLF001  # the one way to give a packaged task other rows
    kind = spec.get("output_type", "generate_until")
    if file:
        entry = manager.task_index[task]
        kind = factory._load_full_config(entry, None).get("output_type", "generate_until")  # noqa: SLF001  # see above
    if kind not in _KINDS:
        raise BadSpec(
            f"--lm-eval {task}: is scored as {kind}, only {' and '.join(_KINDS)} tasks are; for generated answers "
            "write a suite with a metric of harness/metrics"
        )
    try:
        if file:
            return factory.build(entry, overrides=spec, registry=manager.task_index)
        return next(iter(manager.load([spec])["tasks"].values()))
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        first = str(error).strip().partition("\n")[0][:160]
        raise BadExamples(
            f"--lm-eval {task}: cannot be loaded ({type(error).__name__}: {first}); check the network, or give its "
            f"rows with --data {Path(task).stem}=FILE"
        ) from error


def _packaged(task: str) -> Path:
    """The file that defines a task of lm-eval's own."""
    tasks, groups = _names()
    if task in tasks:
        return tasks[task]
    if task in groups:
        raise BadSpec(f"--lm-eval {task}: is a group of tasks; name the tasks themselves")
    near = get_close_matches(task, tasks, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`lm-eval ls tasks` lists them"
    raise BadSpec(f"--lm-eval {task}: lm-eval has no such task; {hint}")


@lru_cache(maxsize=1)
def _names() -> tuple[Mapping[str, Path], frozenset[str]]:
    """lm-eval's own tasks with their files, and its groups and tags; its own index takes many times as long."""
    import lm_eval.tasks

    tasks: dict[str, Path] = {}
    groups: set[str] = set()
    for path in sorted(Path(lm_eval.tasks.__file__).parent.rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        groups.update(_GROUP.findall(text), *(_ITEM.findall(block) for block in _TAGS.findall(text)))
        if found := _TASK.search(text):
            tasks.setdefault(found[1], path)
    return tasks, frozenset(groups)


def _rows(task: Any, name: str) -> Iterator[Asked]:  # noqa: ANN401  # likewise
    for number, doc in enumerate(task.eval_docs, start=1):
        options = tuple(map(str, task.doc_to_choice(doc))) if task.OUTPUT_TYPE == "multiple_choice" else ()
        target = task.doc_to_target(doc)
        if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(options):
            target = options[target]
        if not isinstance(target, str) or not target.strip() or (options and target not in options):
            raise BadExamples(
                f"--lm-eval {name}: the right answer of row {number} is {target!r}, which is none of its options; take "
                "data that has the answers"
            )
        yield Asked(digest(repr(sorted(doc.items())))[:_ID_LENGTH], str(task.doc_to_text(doc)), target.strip(), options)


def _plain(value: object) -> str:
    """A setting as text that is the same in every process: a function is its source."""
    return getsource(value) if isfunction(value) else json.dumps(value, sort_keys=True, default=repr)


def _local(path: Path) -> dict[str, Any]:
    """What makes lm-eval take a task's rows from a file."""
    import datasets

    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadExamples(f"{path}:{number}: not JSON ({error}); write one object a line") from error
        if not isinstance(row, dict):
            raise BadExamples(f"{path}:{number}: is no object; write one object a line")
        rows.append(row)
    if not rows:
        raise BadExamples(f"{path}:1: holds no rows")
    return {
        "custom_dataset": lambda **_options: {"test": datasets.Dataset.from_list(rows)},
        "test_split": "test",
        "validation_split": None,
        "training_split": None,
        "fewshot_split": None,
    }


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
