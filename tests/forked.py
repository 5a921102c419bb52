"""Pytest in a process of its own, again and again, without loading the large libraries each time.

A server that has loaded them, and nothing of this project, forks for each call: the child is as fresh as an interpreter
that was started for it, but for these modules. What it runs is the project of the folder that it is told;
the server of forks of multiprocessing would bring the modules of the caller.
"""

import json
import os
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

LARGE = (
    *("pytest", "numpy", "scipy.stats", "statsmodels.api", "altair", "vl_convert", "datasets", "lm_eval"),
    *("torch", "transformers", "peft", "trl.trainer.sft_trainer"),
)

LOADED = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
"""What pytest says of libraries of its own that others have loaded."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a call of pytest ended, and what it said."""

    returncode: int
    stdout: str


class Forked:
    """The server, as long as the context lasts; one call at a time."""

    def __enter__(self) -> Self:  # noqa: D105
        words = [sys.executable, "-B", __file__]
        self._server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(  # noqa: D105
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()

    def pytest(self, folder: Path, *words: str) -> Told:
        """Run pytest with these words in `folder`, which stands first on the path."""
        self._server.stdin.write(json.dumps([str(folder), *words]) + "\n")
        self._server.stdin.flush()
        return Told(**json.loads(self._server.stdout.readline()))


def serve() -> None:
    """Answer each line of standard input, a folder and pytest's words, with a line: return code and output."""
    import tempfile
    from importlib import import_module

    sys.path = [each for each in sys.path if Path(each) != Path(__file__).parent]
    for name in LARGE:
        import_module(name)
    for line in sys.stdin:
        folder, *words = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if not child:
                _run(folder, words, output.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            said = output.read().decode(errors="replace")
        sys.stdout.write(json.dumps({"returncode": code, "stdout": said}) + "\n")
        sys.stdout.flush()


def _run(folder: str, words: list[str], output: int) -> None:
    """In the child: never returns."""
    code = 70
    try:
        import pytest

        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(folder)
        os.environ["PYTHONPATH"] = folder
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        code = int(pytest.main(["-W", LOADED, *words]))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
