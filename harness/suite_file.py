"""The suite of a suite file, found as pytest finds it: by running the file."""

import importlib.util
from pathlib import Path

from harness.errors import BadSpec
from harness.suite import Measurable

__all__ = ["load_suite"]


def load_suite(path: Path) -> Measurable:
    """The global `suite` of a Python file.

    Raises:
        BadSpec: there is no such file, or it defines no suite.
    """
    spec = importlib.util.spec_from_file_location(f"suite_file_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BadSpec(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = getattr(module, "suite", None)
    if not isinstance(suite, Measurable):
        raise BadSpec(f"{path}: defines no `suite`")
    return suite
