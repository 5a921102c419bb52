"""Suites in more/ are measured when their path is named: `pytest suites/ suites/more/test_wording.py`."""

from pathlib import Path

import pytest

MORE = Path(__file__).parent / "more"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what nobody named. Asked here, because pytest takes a path inside of another one for named twice."""
    if not collection_path.is_relative_to(MORE):
        return None
    start = config.invocation_params.dir
    named = [(start / str(argument).partition("::")[0]).resolve() for argument in config.args]
    inside = [path for path in named if path.is_relative_to(MORE)]
    wanted = any(path.is_relative_to(collection_path) or collection_path.is_relative_to(path) for path in inside)
    return None if wanted else True
