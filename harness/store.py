"""The store: every answer ever computed, by the hash of everything that could change it.

It is cache and resume point at once. SQLite in WAL mode: a value is committed before it counts as computed,
several processes may share one store, and a killed one loses at most the batch it was working on.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep, time

from harness.errors import CannotWrite, UsageProblem
from harness.types import Json

__all__ = ["Reads", "Store"]

BUSY_TIMEOUT_S = 30.0
KEYS_A_QUERY = 500
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf"}
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ages (key TEXT PRIMARY KEY, stored_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
    model TEXT NOT NULL, suite TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (model, suite, run)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS candidates (
    data TEXT NOT NULL, model TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (data, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (day TEXT PRIMARY KEY, calls INTEGER NOT NULL, money REAL NOT NULL) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Reads:
    """What was read meanwhile.

    Attributes:
        since: answers stored earlier, or at an unknown time, are not there; seconds since the epoch, None for all.
        answers: that were found.
        oldest: when the oldest of them was stored; None when there is none, or one's time is not known.
        damaged: keys whose value does not match its checksum.
    """

    since: float | None = None
    answers: int = 0
    oldest: float | None = None
    damaged: set[str] = field(default_factory=set)
    _dated: bool = True

    def take(self, stored_at: float | None) -> bool:
        """Whether an answer of that time is there; counts it if so."""
        if self.since is not None and (stored_at is None or stored_at < self.since):
            return False
        self.answers += 1
        self._dated = self._dated and stored_at is not None
        known = [at for at in (self.oldest, stored_at) if at is not None]
        self.oldest = min(known) if self._dated and known else None
        return True


class Store:
    """Answers by content key, when each was stored, and the ledger of attempts. Not to be shared between threads."""

    def __init__(self, folder: Path) -> None:
        """Open or make the store in `folder`.

        Raises:
            UsageProblem: the folder cannot be written, is on a network file system, or holds another kind of file.
        """
        self.path = folder / "store.sqlite"
        self.damaged: set[str] = set()
        self._reads = Reads()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kind = file_system(folder)
            if kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse.sshfs"):
                raise UsageProblem(
                    f"--store {folder}: SQLite's locks are unsafe on a network file system ({kind}); "
                    "give a folder on a local disk"
                )
            self._db = _opened(self.path)
        except (OSError, sqlite3.Error) as error:
            raise UsageProblem(f"--store {folder}: cannot be opened ({error}); give another folder") from error

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._db.close()

    def get_many(self, keys: Sequence[str]) -> dict[str, Json]:
        """The stored values of those `keys` that are there. A value that does not match its checksum is not there."""
        found: dict[str, Json] = {}
        for some in _chunks(keys, KEYS_A_QUERY):
            marks = ",".join("?" * len(some))
            columns = "key, sha256, value, stored_at"
            query = f"SELECT {columns} FROM answers LEFT JOIN ages USING (key) WHERE key IN ({marks})"  # noqa: S608  # `?` alone
            with self._guarded(), closing(self._db.execute(query, some)) as rows:
                for key, digest, value, stored_at in rows:
                    if _sha256(key, value) != digest:
                        self._reads.damaged.add(key)
                        self.damaged.add(key)
                    elif self._reads.take(stored_at):
                        found[key] = json.loads(value)
        return found

    @contextmanager
    def reading(self, since: float | None = None) -> Iterator[Reads]:
        """Count what is read meanwhile; with `since`, only what was stored from then on is there."""
        before, self._reads = self._reads, Reads(since)
        try:
            yield self._reads
        finally:
            self._reads = before

    def put_many(self, items: Mapping[str, Json]) -> None:
        """Keep `items`; they are committed when this returns. A later value of one key replaces an earlier one."""
        texts = {key: json.dumps(value, allow_nan=False) for key, value in items.items()}
        now = time()
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO ages VALUES (?, ?)", [(key, now) for key in texts])
            db.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)",
                [(key, _sha256(key, text), text) for key, text in texts.items()],
            )

    def record_attempt(self, model: str, suite: str, run: str) -> None:
        """Note that `run` computed answers of `model` on `suite` (fingerprints); once a run, however often called."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO attempts VALUES (?, ?, ?)", (model, suite, run))

    def attempts(self, model: str, suite: str) -> int:
        """How many runs computed answers of `model` on `suite`; a run answered wholly from the store is none."""
        query = "SELECT count(*) FROM attempts WHERE model = ? AND suite = ?"
        with self._guarded(), closing(self._db.execute(query, (model, suite))) as rows:
            return int(rows.fetchone()[0])

    def tried(self, suite: str) -> int:
        """How many models were ever measured on `suite`, a base among them."""
        with closing(self._db.execute("SELECT count(DISTINCT model) FROM attempts WHERE suite = ?", (suite,))) as rows:
            return int(rows.fetchone()[0])

    def number(self, model: str, data: str) -> int:
        """Which candidate `model` is on the rows of the hash `data`: 1 for the first that asks; kept, so always so."""
        query = "INSERT OR IGNORE INTO candidates SELECT ?, ?, 1 + count(*) FROM candidates WHERE data = ?"
        with self._transaction() as db:
            db.execute(query, (data, model, data))
            rows = db.execute("SELECT number FROM candidates WHERE data = ? AND model = ?", (data, model))
            return int(rows.fetchone()[0])

    def spend(self, day: str, calls: int, money: float, allow: Callable[[int, float], None] | None = None) -> None:
        """Add to what judges cost on a day, unless `allow`, told what that is so far, raises."""
        with self._transaction() as db:
            row = db.execute("SELECT calls, money FROM spending WHERE day = ?", (day,)).fetchone() or (0, 0.0)
            if allow is not None:
                allow(*row)
            db.execute("INSERT OR REPLACE INTO spending VALUES (?, ?, ?)", (day, row[0] + calls, row[1] + money))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # IMMEDIATE waits for other writers up front; a deferred transaction may fail half-way instead.
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield self._db

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One line for what SQLite says while it reads or writes.

        Raises:
            UsageProblem: the file is damaged.
            CannotWrite: the disk is full, the file grew too large, or it cannot be reached.
        """
        try:
            yield
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname.startswith(DAMAGED):
                raise UsageProblem(
                    f"{self.path}: the store is damaged ({error}); remove it, and its answers are computed again"
                ) from error
            raise CannotWrite(f"{self.path}: cannot be written ({error}); free some space") from error


def file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Type of the file system that holds `folder` (`ext4`, `nfs4`, ...), or `unknown` where /proc does not tell."""
    if not mounts.exists():
        return "unknown"
    best, kind = 0, "unknown"
    where = folder.resolve()
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        fields, _, source = line.partition(" - ")
        point = Path(fields.split()[4].encode("latin-1", "replace").decode("unicode_escape"))
        if where.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), source.split()[0]
    return kind


def _opened(path: Path) -> sqlite3.Connection:
    """A connection in WAL mode. SQLite's own time-out does not cover the change of mode, so it is tried again here."""
    end = monotonic() + BUSY_TIMEOUT_S
    while True:
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(SCHEMA)
        except sqlite3.Error as error:
            db.close()
            # the module itself raises errors that carry no code
            if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY") or monotonic() > end:
                raise
            sleep(0.01)
        else:
            return db


def _chunks(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(keys[start : start + size]) for start in range(0, len(keys), size))


def _sha256(key: str, value: str) -> str:
    return hashlib.sha256(f"{key}\n{value}".encode()).hexdigest()
