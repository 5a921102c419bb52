"""The server that runs pytest for tests of tests: fresh each time, in the folder it is told, and able to fail."""

import pytest

from tests.forked import Forked

pytestmark = pytest.mark.slow  # it loads the large libraries

TEST = """
import os, sys
from pathlib import Path
import module
def test_it():
    assert module.VALUE == 1
    assert not hasattr(sys, "seen")
    sys.seen = True
    assert Path.cwd() == Path(__file__).parent
    assert "torch" in sys.modules
"""


def test_each_call_is_fresh_and_tells_how_it_ended(tmp_path):
    """A module that changed between calls is loaded anew, nothing is left of the call before, and failures are told."""
    (tmp_path / "test_it.py").write_text(TEST)
    module = tmp_path / "module.py"
    found = []
    with Forked() as forked:
        for value in (1, 2, 1):
            module.write_text(f"VALUE = {value}\n")
            found.append(forked.pytest(tmp_path, "-q", "-p", "no:cacheprovider", "test_it.py"))
        nothing = forked.pytest(tmp_path, "-q", "test_none.py")
    assert [each.returncode for each in found] == [0, 1, 0]
    assert "module.VALUE == 1" in found[1].stdout
    assert nothing.returncode == 4
