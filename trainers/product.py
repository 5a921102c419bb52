"""The folder that training leaves behind: whole, or not there.

Files are written to a hidden folder beside the target, `COMPLETE` last, and then one rename makes them visible.
`COMPLETE` names the job (a digest of configuration, data and base) and every file's size and digest, so that
the same job is not done twice and a damaged folder is not taken for a finished one.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import BadRunDirectory
from harness.fingerprint import file_digest

__all__ = ["COMPLETE", "alone", "failure_of", "fill", "finished_job", "is_made", "make_product", "seal"]

COMPLETE = "COMPLETE"


def make_product(out: Path, job: str, work: Callable[[Path], None]) -> bool:
    """Have `work` fill a folder and show it as `out`, unless the same job is there already.

    A second process with the same `out` waits for the first. What a killed run left is removed.

    Args:
        out: the folder to make; may exist when empty.
        job: digest of all that decides the product.
        work: writes its files into the folder it is given, which is empty.

    Returns:
        True when `work` ran, False when `out` holds the finished job.

    Raises:
        BadRunDirectory: `out` holds something else, or its folder cannot be made.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRunDirectory(f"{out.parent}: cannot be made ({error.strerror}); choose another --out") from error
    with alone(out):
        if is_made(out, job):
            return False
        fill(out, job, work)
    return True


def is_made(out: Path, job: str) -> bool:
    """Whether `out` holds the finished job; False when it is empty or missing.

    Raises:
        BadRunDirectory: it holds something else.
    """
    done = finished_job(out)
    if done is None and not (out.exists() and any(out.iterdir())):
        return False
    if done != job:
        what = "the adapter of another configuration, data or base" if done else "files of no finished training"
        raise BadRunDirectory(f"{out}: holds {what}; choose another --out, or remove it")
    return True


def fill(out: Path, job: str, work: Callable[[Path], None]) -> None:
    """Have `work` fill a folder and show it as `out`; the caller holds `alone(out)`."""
    staging = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    work(staging)
    seal(staging, job)
    staging.replace(out)
    _sync(out.parent)


def failure_of(out: Path) -> Path:
    """The file beside a product's folder that says why there is none: the same training would fail again."""
    return out.with_name(f"{out.name}.failed")


def finished_job(folder: Path) -> str | None:
    """The job of a finished product.

    Returns:
        None when `folder` has no `COMPLETE`: it was not made here, or not finished.

    Raises:
        BadRunDirectory: a file is missing or differs from what `COMPLETE` says.
    """
    try:
        receipt = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        job, files = str(receipt["job"]), dict(receipt["files"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BadRunDirectory(f"{folder / COMPLETE}: damaged; remove {folder} and train again") from error
    for name, expected in files.items():
        path = folder / name
        if not path.is_file() or {"bytes": path.stat().st_size, "sha256": file_digest(path)} != expected:
            raise BadRunDirectory(f"{path}: missing or changed since training; remove {folder} and train again")
    return job


def seal(folder: Path, job: str) -> None:
    """Make every file of `folder` durable, then say so in `COMPLETE`, whose name appears only when it is whole."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in paths:
        _sync(path)
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": file_digest(path)} for path in paths
    }
    unfinished = folder / f"{COMPLETE}.tmp"
    unfinished.write_text(json.dumps({"job": job, "files": files}, indent=2) + "\n", encoding="utf-8")
    _sync(unfinished)
    unfinished.replace(folder / COMPLETE)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the one lock of `out`; the system drops it when the process dies."""
    with out.with_name(f".{out.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
