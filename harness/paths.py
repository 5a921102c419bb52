"""Where a relative path in a suite file points to: beside that file, whatever the working directory is."""

import sys
from pathlib import Path

__all__ = ["beside_caller"]


def beside_caller(path: str | Path, depth: int = 2) -> Path:
    """Resolve `path` against the folder of the file that called the caller.

    Args:
        path: absolute, or relative to the file of that frame.
        depth: frames to go up; 2 is the caller of the function that calls `beside_caller`.

    Returns:
        An absolute path; it need not exist. Code without a file (an interactive prompt) means the working directory.
    """
    caller = sys._getframe(depth).f_code.co_filename  # noqa: SLF001  # inspect.stack() reads every source file on the way
    folder = Path(caller).parent if Path(caller).is_file() else Path.cwd()
    return (folder / path).resolve()
