"""Whether this machine can train and gate: each thing looked at, what was found, and what to do about it.

Looks only; nothing is installed, downloaded or measured. The store is opened as a run would open it, if there is one.
"""

import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from harness.store import NETWORK_FILE_SYSTEMS, file_system

__all__ = ["Look", "look_around"]

PACKAGE = "tunegate"
PYTHON = (3, 11)
ROOM_GIB = 5
"""Free space below which a run with its store, or a small training, may well end with a full disk."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STORE_FILE = "store.sqlite"


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at. `needed` ones that are not `well` stand against working here."""

    name: str
    well: bool
    said: str
    needed: bool = True


def look_around(folder: Path, store: Path) -> Iterator[Look]:
    """Look at everything in turn.

    Args:
        folder: where runs would go.
        store: where answers are kept.
    """
    yield _python(sys.version_info[:2])
    yield from _packages(_requirements())
    yield _torch()
    yield _disk(shutil.disk_usage(folder).free)
    yield _store(store)
    yield _browser()


def _python(found: tuple[int, int]) -> Look:
    wanted = ".".join(map(str, PYTHON))
    said = (
        f"{platform.python_version()}" if found >= PYTHON else f"{platform.python_version()}; install {wanted} or newer"
    )
    return Look("python", found >= PYTHON, said)


def _requirements() -> list[str]:
    try:
        return requires(PACKAGE) or []
    except PackageNotFoundError:
        return []


def _packages(requirements: list[str]) -> Iterator[Look]:
    """One line for each package that is missing or out of bounds, or one for all of them."""
    from packaging.requirements import Requirement

    wrong = []
    asked = [each for each in map(Requirement, requirements) if each.marker is None or each.marker.evaluate()]
    for each in asked:
        try:
            found = version(each.name)
        except PackageNotFoundError:
            wrong.append(Look(each.name, well=False, said=f"is missing; install {each}"))
            continue
        if not each.specifier.contains(found, prereleases=True):
            wrong.append(Look(each.name, well=False, said=f"{found} is out of bounds; install {each}"))
    if not asked:
        wrong.append(Look("packages", well=False, said=f"{PACKAGE} says of none what it needs; install it again"))
    yield from wrong or [Look("packages", well=True, said=f"{len(asked)} within their bounds")]


def _torch() -> Look:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Look("torch", well=False, said=f"cannot be imported ({_short(error)}); install it again")
    cards = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if cards:
        return Look("torch", well=True, said=f"{torch.__version__}, {len(cards)} CUDA device(s): {', '.join(cards)}")
    built = torch.version.cuda
    blind = f"built for CUDA {built}, which sees no device; check the driver" if built else "CPU only"
    return Look("torch", well=True, said=f"{torch.__version__}, {blind}")


def _disk(free: int) -> Look:
    gib = free / 2**30
    said = f"{gib:.1f} GiB free"
    return Look("disk", gib >= ROOM_GIB, said if gib >= ROOM_GIB else f"{said}; make room for {ROOM_GIB} GiB")


def _store(folder: Path) -> Look:
    """Whether the stored answers can be read; a store that is not there yet is made by the first run."""
    file = folder / STORE_FILE
    if folder.exists() and (kind := file_system(folder)) in NETWORK_FILE_SYSTEMS:
        said = f"{folder}: on a network file system ({kind}), where SQLite's locks are unsafe; take a local disk"
        return Look("store", well=False, said=said)
    if not file.exists():
        return Look("store", well=True, said=f"{folder}: none yet; the first run makes it")
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as opened:
            (word,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        word = _short(error)
    size = f"{file.stat().st_size / 2**20:.1f} MiB"
    if word == "ok":
        return Look("store", well=True, said=f"{folder}: readable, {size}")
    return Look("store", well=False, said=f"{folder}: damaged ({word}); remove it, answers are computed again")


def _browser() -> Look:
    found = next((name for name in BROWSERS if shutil.which(name)), "")
    said = found or "none; reports open in any browser, only the browser tests need chromium"
    return Look("browser", well=bool(found), said=said, needed=False)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
