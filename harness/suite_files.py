"""Suites from their files, for commands that work without pytest."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import BadSpec, HarnessError, UsageProblem
from harness.suite import Measurable

__all__ = ["read_suites"]


def read_suites(paths: Sequence[Path]) -> tuple[Measurable, ...]:
    """The `suite` of every file, in the order of their paths; of folders every `test_*.py` that has one.

    Raises:
        UsageProblem: a path does not exist, a file cannot be imported, two suites have one name, or there is none.
    """
    suites: dict[str, Measurable] = {}
    for path in paths:
        if not path.exists():
            raise UsageProblem(f"{path}: does not exist; give suite files or their folder, such as suites/")
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            suite = _suite(file)
            if suite is None and file == path:
                raise UsageProblem(
                    f"{file}: has no global `suite`; give a suite file, such as suites/test_valid_json.py"
                )
            if suite is not None and suites.setdefault(suite.name, suite) is not suite:
                raise BadSpec(f"{file}: another suite is named {suite.name!r} too; names are unique")
    if not suites:
        raise UsageProblem(f"{', '.join(map(str, paths))}: holds no suite; a suite file has a global `suite`")
    return tuple(suites.values())


def _suite(file: Path) -> Measurable | None:
    name = f"_suite_file_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise UsageProblem(f"{file}: is no Python file; give a suite file, such as suites/test_valid_json.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look themselves up there
    try:
        spec.loader.exec_module(module)
    except HarnessError:
        raise
    except Exception as error:
        raise UsageProblem(f"{file}: cannot be imported ({type(error).__name__}: {error}); mend it first") from error
    finally:
        sys.modules.pop(name, None)
    suite = getattr(module, "suite", None)
    return suite if isinstance(suite, Measurable) else None
