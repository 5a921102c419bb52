"""Answers that are kept from earlier runs, a green one and a red one of `bad`, after something has changed."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.silent_pass.ways import Area, Way, edit, rule

REPLACED = rule("good", right=60)
POOR = ("--adapter", "bad")
EDIT = "UPDATE answers SET value = replace(value, '\"no\"', '\"yes\"')"


def statement(sql: str) -> Callable[[Path], None]:
    """Change the store with SQL."""

    def apply(root: Path) -> None:
        with sqlite3.connect(root / ".tunegate/store.sqlite") as db:
            db.execute(sql)
        db.close()

    return apply


def keys_swapped(root: Path) -> None:
    """Give every answer another question's key."""
    with sqlite3.connect(root / ".tunegate/store.sqlite") as db:
        rows = db.execute("SELECT key, sha256, value FROM answers ORDER BY key").fetchall()
        db.execute("DELETE FROM answers")
        keys = [key for key, _, _ in rows]
        moved = [(key, *row[1:]) for key, row in zip([keys[-1], *keys[:-1]], rows, strict=True)]
        db.executemany("INSERT INTO answers VALUES (?, ?, ?)", moved)
    db.close()


def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change the bytes of the store's file."""

    def apply(root: Path) -> None:
        file = root / ".tunegate/store.sqlite"
        file.write_bytes(change(file.read_bytes()))

    return apply


RAISED = "a drop of 5 points is exceeded"

WAYS = [
    Way("the adapter is replaced in its folder", REPLACED, 1, RAISED),
    Way(
        "the base is replaced in its folder",
        rule("base", right=120),
        10,
        "a drop of 5 points is neither shown nor ruled out",
    ),
    Way(
        "the reference answers are changed",
        lambda root: edit(root / "suites/data/asks.jsonl", '"output": "yes"', '"output": "no"'),
        1,
        "the required 80 % is ruled out",
    ),
    Way("the store's answers are edited", statement(EDIT), 1, RAISED, POOR),
    Way(
        "the store's answers are edited, and their checksums wiped", statement(f"{EDIT}, sha256 = ''"), 1, RAISED, POOR
    ),
    Way("the store's answers are emptied", statement("UPDATE answers SET value = '{}'"), 1, RAISED, POOR),
    Way("the store's answers change places", keys_swapped, 1, RAISED, POOR),
    Way(
        "the store's file is cut in half",
        damaged(lambda data: data[: len(data) // 2]),
        4,
        "database disk image is malformed",
    ),
    Way(
        "the store's pages are overwritten",
        damaged(lambda data: data[:4096] + b"\xff" * (len(data) - 4096)),
        11,
        "the store is damaged",
    ),
    Way("the store's file is something else", damaged(lambda data: b"x" * len(data)), 4, "cannot be opened"),
]

AREA = Area("Stale and damaged answers", "pytest suites --model base --adapter good, a second time", WAYS)
