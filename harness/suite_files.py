"""Suites found outside of pytest: in the files that pytest would collect, by running them."""

import importlib.util
import sys
from pathlib import Path

from harness.errors import BadSpec
from harness.suite import Measurable

__all__ = ["load_suite", "load_suites"]


def load_suite(path: Path) -> Measurable:
    """The `suite` of a suite file.

    Raises:
        BadSpec: there is no such file, it fails while it runs, or it defines no suite.
    """
    suite = _suite_in(path)
    if suite is None:
        raise BadSpec(f"{path}: defines no `suite`; give a suite file")
    return suite


def load_suites(place: Path) -> tuple[Measurable, ...]:
    """The suites of a folder's `test_*.py`, by file name, or the suite of one file.

    Raises:
        BadSpec: nothing is there, a file fails while it runs, two suites have one name, or none defines a suite.
    """
    if not place.is_dir():
        return (load_suite(place),)
    found = [suite for path in sorted(place.glob("test_*.py")) if (suite := _suite_in(path)) is not None]
    if not found:
        raise BadSpec(f"{place}: no test_*.py in it defines a `suite`; give the folder of the suite files")
    names = [suite.name for suite in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadSpec(f"{place}: two suites are named {min(twice)!r}; names are unique in a folder")
    return tuple(found)


def _suite_in(path: Path) -> Measurable | None:
    """None for a file without a `suite`, which is an ordinary test."""
    spec = importlib.util.spec_from_file_location(f"tunegate_suite_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BadSpec(f"{path}: no such Python file; give a suite file, or the folder of several")
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # looking at suites leaves no files behind
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, OSError) as error:
        raise BadSpec(f"{path}: cannot be read as a suite ({type(error).__name__}: {error}); mend it") from error
    finally:
        sys.dont_write_bytecode = writes
    suite = getattr(module, "suite", None)
    return suite if isinstance(suite, Measurable) else None
