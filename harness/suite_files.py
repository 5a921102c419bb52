"""Suites found outside of pytest: in the files that pytest would collect, by running them."""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import BadSpec, HarnessError
from harness.lm_eval_task import LmEvalTasks
from harness.outside import Outside
from harness.suite import Measurable, Suite

__all__ = ["configured", "load_suite", "load_suites", "read_suites"]


def configured(suite: Measurable, options: Mapping[str, Any]) -> Measurable:
    """Suites that run through lm-eval, or on data from outside, take their rows from where the options say.

    Args:
        suite: of a suite file.
        options: as `Options.spec` writes them into the plan.
    """
    told = options["data"]
    if isinstance(suite, Suite) and isinstance(suite.examples, Outside) and suite.examples.name in told:
        return replace(suite, examples=replace(suite.examples, path=Path(told[suite.examples.name])))
    mmlu: Callable[..., Measurable] | None = getattr(suite, "configured", None)
    if mmlu is None:
        return suite
    return mmlu(mmlu_dir=options["mmlu_dir"], mmlu_revision=options["mmlu_revision"], fewshot=options["mmlu_fewshot"])


def load_suite(path: Path) -> Measurable:
    """The `suite` of a suite file.

    Raises:
        BadSpec: there is no such file, it fails while it runs, or it defines no suite.
    """
    suite = _suite(_module(path))
    if suite is None:
        raise BadSpec(f"{path}: defines no `suite`; give a suite file")
    return suite


def load_suites(place: Path) -> tuple[Measurable, ...]:
    """The suites of a folder's `test_*.py`, by file name, or the suite of one file. Folders inside are left alone.

    Raises:
        BadSpec: nothing is there, a file fails while it runs, two suites have one name, or none defines a suite.
    """
    if not place.is_dir():
        return (load_suite(place),)
    found = [suite for module in _modules(place) if (suite := _suite(module)) is not None]
    if not found:
        raise BadSpec(f"{place}: no test_*.py in it defines a `suite`; give the folder of the suite files")
    _refuse_twins(place, found)
    return tuple(found)


def read_suites(
    places: Sequence[Path], tasks: Sequence[str] = (), data: Mapping[str, str] | None = None
) -> tuple[Measurable, ...]:
    """The suites of several files and folders, in their order, then those of lm-eval's tasks.

    Args:
        places: suite files and folders of them.
        tasks: as `--lm-eval` names them; a file among the places must make suites of them.
        data: by name, the file or folder that a task's rows come from, as `--data` says.

    Raises:
        BadSpec: as `load_suites`, two places hold suites of one name, or no file makes suites of the tasks.
    """
    if not tasks:
        found = [suite for place in places for suite in load_suites(place)]
    else:
        modules = [module for place in places for module in _modules(place)]
        makers = [each for module in modules if isinstance(each := getattr(module, "suites", None), LmEvalTasks)]
        if not makers:
            raise BadSpec(f"--lm-eval {tasks[0]}: no file here takes it; add one such as suites/test_lm_eval.py")
        found = [suite for module in modules if (suite := _suite(module)) is not None]
        found += [suite for maker in makers for suite in maker.asked(tasks, data or {})]
    _refuse_twins(places[-1], found)
    return tuple(found)


def _refuse_twins(place: Path, suites: Sequence[Measurable]) -> None:
    names = [suite.name for suite in suites]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadSpec(f"{place}: two suites are named {min(twice)!r}; names are unique")


def _modules(place: Path) -> list[ModuleType]:
    """The file, or a folder's `test_*.py` by name, each run."""
    return [_module(path) for path in (sorted(place.glob("test_*.py")) if place.is_dir() else [place])]


def _suite(module: ModuleType) -> Measurable | None:
    """None for a file without a `suite`, which is an ordinary test."""
    suite = getattr(module, "suite", None)
    return suite if isinstance(suite, Measurable) else None


def _module(path: Path) -> ModuleType:
    name = f"tunegate_suite_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None or not path.is_file():
        raise BadSpec(f"{path}: no such Python file; give a suite file, or the folder of several")
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # looking at suites leaves no files behind
    sys.modules[name] = module  # dataclasses in the file look themselves up there
    try:
        spec.loader.exec_module(module)
    except HarnessError:
        raise
    except Exception as error:
        raise BadSpec(f"{path}: cannot be read as a suite ({type(error).__name__}: {error}); mend it first") from error
    finally:
        sys.dont_write_bytecode = writes
        sys.modules.pop(name, None)
    return module
