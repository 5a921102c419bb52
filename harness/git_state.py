"""Of which commit something is: what git says of a folder, and of the files in it that a verdict rests on.

Told are the commit, whether the work tree differs from it, and which of the files do, by their path in the repository:
no remote, branch, author or host, and nothing of the environment. Where git cannot tell, it says why instead.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.types import Json

__all__ = ["GitState", "git_json", "git_state"]

_PATIENCE_S = 20.0
_MOST = 50
_QUIET = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.quotepath=false")
"""Take no lock, run no program that a repository names, and write paths as they are."""
_ROOT_FILES = ("pyproject.toml", "pytest.ini", "conftest.py", "constraints.txt", "uv.lock")
"""Files at the top of a repository that change what suites do."""
_LEFT = "__pycache__"


@dataclass(frozen=True, slots=True)
class GitState:
    """What git says.

    Attributes:
        commit: HEAD, or None where git cannot tell.
        dirty: whether any tracked file differs from it; None likewise.
        differs: of the watched files those that are not the commit's, as `path (changed)` or `path (not tracked)`.
        more: how many of those are left out of the list.
        unknown: why git cannot tell; empty when it can.
    """

    commit: str | None
    dirty: bool | None
    differs: tuple[str, ...] = ()
    more: int = 0
    unknown: str = ""


class _Silent(Exception):  # no error: git has nothing to say, and this is why
    """Why git does not answer."""


def git_json(suites: Sequence[Path], adapters: Iterable[tuple[str, Path]]) -> dict[str, Json]:
    """The entry `git` of plan.json: the state of the suite files, and of each adapter's folder by its name."""
    return {
        "suites": _plain(git_state(suites, sorted({path.parent for path in suites}))),
        "adapters": {name: _plain(_of_adapter(place)) for name, place in adapters},
    }


def git_state(files: Sequence[Path], folders: Sequence[Path]) -> GitState:
    """The state of the repository that `folders` lie in; never raises for want of git or of a repository.

    Args:
        files: must be tracked to be the commit's.
        folders: of one repository, the first one decides which; tracked files below them that changed are told,
            and files that are neither tracked nor ignored.
    """
    if not folders:
        return GitState(None, None, unknown="no files to ask about")
    try:
        root = Path(_git(folders[0], "rev-parse", "--show-toplevel").rstrip("\n"))
        commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip()
        changed = [entry[3:] for entry in _entries(root, "status", "--porcelain=v1", "--no-renames", "-uno")]
        loose = list(_entries(root, "ls-files", "--others", "--exclude-standard", "--", *_named(root, folders)))
        tracked = set(_entries(root, "ls-files", "--", *_named(root, files)))
    except _Silent as reason:
        return GitState(None, None, unknown=str(reason))
    watched = tuple(f"{place}/" for place in _inside(root, folders) if place != ".")
    near = [name for name in changed if len(watched) < len(folders) or name.startswith(watched) or name in _ROOT_FILES]
    missing = [name for name in _inside(root, files) if name not in tracked]
    outside = dict.fromkeys(name for name in [*missing, *loose] if _LEFT not in name)
    told = [*(f"{name} (changed)" for name in near), *(f"{name} (not tracked)" for name in outside)]
    return GitState(commit, bool(changed), tuple(told[:_MOST]), max(0, len(told) - _MOST))


def _of_adapter(place: Path) -> GitState:
    """A folder with all files at its top, or a single file."""
    if not place.is_dir():
        return git_state([place], [place.parent])
    return git_state(sorted(path for path in place.iterdir() if path.is_file()), [place])


def _inside(root: Path, places: Iterable[Path]) -> list[str]:
    """Paths in the repository, with `/`; what lies outside of it is left out."""
    found = [path.resolve() for path in places]
    return [path.relative_to(root).as_posix() for path in found if path.is_relative_to(root)]


def _named(root: Path, places: Iterable[Path]) -> list[str]:
    """As arguments of git that mean these paths and no pattern."""
    return [f":(top,literal){place}" for place in _inside(root, places)]


def _entries(root: Path, *words: str) -> Iterator[str]:
    first, *rest = words
    return (entry for entry in _git(root, first, "-z", *rest).split("\0") if entry)


def _git(folder: Path, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook's are of its own
    try:
        done = subprocess.run(  # noqa: S603  # fixed words, and paths
            ["git", "-C", str(folder), *_QUIET, *words],  # noqa: S607  # whichever git the machine has
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
            env={**kept, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise _Silent("git is not installed") from None
    except (OSError, subprocess.TimeoutExpired):
        raise _Silent("git gave no answer") from None
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    said = done.stderr.decode(errors="replace")
    if "not a git repository" in said:
        raise _Silent("not in a git repository")
    if "dubious ownership" in said:
        raise _Silent("git does not trust the repository, because another user owns it")
    raise _Silent("the repository has no commit" if "--verify" in words else f"git {words[0]} failed")


def _plain(state: GitState) -> dict[str, Json]:
    return {**asdict(state), "differs": list(state.differs)}
