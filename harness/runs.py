"""The run directory: plan first, records while measuring, receipt last. Without a receipt nothing is green."""

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.atomic import write_atomically
from harness.errors import BadRunDirectory, CannotWrite
from harness.plan import Plan
from harness.records import write_rows
from harness.types import Json, Row

__all__ = [
    "JUDGEMENTS",
    "PLAN_FILE",
    "RECORDS",
    "REPORT_FILE",
    "RUNGS",
    "RUN_FILE",
    "RunDirectory",
    "new_run_path",
    "record_name",
    "redacted",
    "rung_name",
]

PLAN_FILE, RUN_FILE, REPORT_FILE, LOCK_FILE = "plan.json", "run.json", "report.html", ".lock"
RECORDS, JUDGEMENTS, RUNGS = "records", "judgements", "rungs"
SECRET = re.compile(r"(?i)(key|token|secret|password|passwd|credential)")


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A locked run directory with a plan in it, made by `RunDirectory.open`.

    Attributes:
        path: the directory.
        plan: plan.json as written.
        resumed: whether an unfinished run of the same plan was found here.
    """

    path: Path
    plan: Mapping[str, Any]
    resumed: bool
    _lock: int

    @classmethod
    def open(
        cls, path: Path, plan: Plan, command: Sequence[str], git: Mapping[str, Json] | None = None
    ) -> "RunDirectory":
        """Make the directory and write the plan, or take up an unfinished run of an equal plan.

        Args:
            path: must not exist, or hold an unfinished run of the same plan.
            plan: what is going to be measured.
            command: the command line, for people; secrets are left out.
            git: of which commit suites and adapters are; None when nobody looked.

        Raises:
            BadRunDirectory: it is finished, another plan's, no run directory, in use, or cannot be made.
        """
        spec = plan.spec()
        try:
            resumed = path.exists()
            if resumed:
                _refuse_foreign(path, spec)
            else:
                head: dict[str, Json] = {"id": secrets.token_hex(6), "created_at": _now(), "command": redacted(command)}
                _make(path, {**spec, **head, "git": dict(git) if git else None})
            lock = _lock(path)
            if (path / RUN_FILE).exists():
                os.close(lock)
                raise BadRunDirectory(f"--run-dir {path}: another process just finished this run; give a new directory")
            written = json.loads((path / PLAN_FILE).read_bytes())
        except OSError as error:
            raise BadRunDirectory(f"--run-dir {path}: cannot be used ({error.strerror}); give another one") from error
        return cls(path, written, resumed=resumed, _lock=lock)

    @property
    def created(self) -> float:
        """When the directory was made, seconds since the epoch, at most a second early.

        Raises:
            BadRunDirectory: its plan does not say.
        """
        try:
            return datetime.fromisoformat(str(self.plan["created_at"])).timestamp()
        except (KeyError, ValueError) as error:
            raise BadRunDirectory(f"--run-dir {self.path}: plan.json names no time; give a new directory") from error

    def write_records(self, name: str, rows: Sequence[Row]) -> str:
        """Write one file of records, whole or not at all; return its sha256. A file of an earlier try is replaced.

        Raises:
            CannotWrite: the disk is full, or the file cannot be written.
        """
        data = write_rows(rows)
        self._write(self.path / RECORDS / name, data)
        return sha256(data)

    def write_rung(self, name: str, rows: Sequence[Row]) -> str:
        """Write the rows of a point on the way; return the file's sha256."""
        data = write_rows(rows)
        (self.path / RUNGS).mkdir(exist_ok=True)
        self._write(self.path / RUNGS / name, data)
        return sha256(data)

    def write_judgements(self, name: str, lines: Sequence[Mapping[str, Json]]) -> str:
        """Write what a judge was asked and said, one JSON object a line; return the file's sha256."""
        data = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
        (self.path / JUDGEMENTS).mkdir(exist_ok=True)
        self._write(self.path / JUDGEMENTS / name, data)
        return sha256(data)

    def finish(self, run: Mapping[str, Json]) -> None:
        """Write run.json, the last file that decides anything, and give up the lock.

        Raises:
            CannotWrite: as above; the lock is still held then.
        """
        self._write(self.path / RUN_FILE, json_bytes(run))
        self.close()

    def close(self) -> None:
        """Give up the lock; without run.json the run stays unfinished and can be continued."""
        os.close(self._lock)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomically(path, data)
        except OSError as error:
            raise CannotWrite(f"{path}: cannot be written ({error.strerror}); free some space") from error


def new_run_path(parent: Path) -> Path:
    """`<time>-<id>` in `parent`: sorts by time, and two runs of one second do not meet."""
    return parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def record_name(suite: str, model: str, pool: int | None = None) -> str:
    """File name of one measurement; suite and model names are safe in file names by construction."""
    return f"{suite}--{model}{'' if pool is None else f'.pool{pool}'}.jsonl"


def rung_name(suite: str, model: str, rung: int) -> str:
    """File name of the measurement of a point on the way, at a rung counted from 1."""
    return f"{suite}--{model}.rung{rung}.jsonl"


def redacted(command: Sequence[str]) -> list[Json]:
    """A command line with the values of options and variables that look like secrets replaced by `***`."""
    shown: list[Json] = []
    hide_next = False
    for word in command:
        name, equals, _ = word.partition("=")
        if hide_next and not word.startswith("-"):
            shown.append("***")
        else:
            shown.append(f"{name}=***" if equals and SECRET.search(name) else word)
        hide_next = word.startswith("-") and not equals and bool(SECRET.search(word))
    return shown


def json_bytes(value: Mapping[str, Json]) -> bytes:
    """Readable JSON; NaN and Infinity are refused, because they are not JSON."""
    return (json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode()


def sha256(data: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def _make(path: Path, plan: Mapping[str, Json]) -> None:
    """Make the directory with the plan inside it in one step, so that no crash leaves one without a plan."""
    staging = path.with_name(f".{path.name}.{secrets.token_hex(3)}")
    (staging / RECORDS).mkdir(parents=True)
    write_atomically(staging / PLAN_FILE, json_bytes(plan))
    staging.rename(path)


def _refuse_foreign(path: Path, spec: Mapping[str, Json]) -> None:
    if (path / RUN_FILE).exists():
        raise BadRunDirectory(f"--run-dir {path}: holds a finished run; give a new directory")
    try:
        found = json.loads((path / PLAN_FILE).read_bytes())["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRunDirectory(
            f"--run-dir {path}: exists and holds no readable plan.json; give a new directory"
        ) from error
    if found != spec["digest"]:
        raise BadRunDirectory(
            f"--run-dir {path}: holds an unfinished run of another plan; repeat its command (see plan.json), "
            "or give a new directory"
        )


def _lock(path: Path) -> int:
    """Hold the directory for this process; the kernel gives it up when the process ends, however it ends."""
    file = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(file, 32).decode(errors="replace").strip() or "unknown"
        os.close(file)
        raise BadRunDirectory(
            f"--run-dir {path}: process {owner} is running in it; wait, or give another one"
        ) from error
    os.truncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    return file


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
