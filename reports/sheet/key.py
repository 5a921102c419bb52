"""The key of a sheet: whose answers stand where, which run they are from, and hashes of what must not be edited."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageProblem
from harness.fingerprint import digest

__all__ = ["COLUMNS", "FIXED", "KeyRow", "SheetKey", "cells_sha256", "key_path", "read_key"]

FIXED = ("row", "question", "reference", "A", "B")
"""Columns that must come back as they were exported."""
COLUMNS = (*FIXED, "better", "note")

Side = Literal["A", "B"]


class KeyRow(BaseModel):
    """One row of the sheet.

    Attributes:
        row: its number in the sheet, from 1.
        id: of the run's row.
        candidate: the column that holds the candidate's answer.
        alike: whether both answers are the same text, so that neither can be better.
        base_score, candidate_score: by the run's metric, in [0, 1]; None when unscored.
        sha256: of the fixed cells.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: int
    id: str
    candidate: Side
    alike: bool
    base_score: float | None
    candidate_score: float | None
    sha256: str


class SheetKey(BaseModel):
    """Everything that the sheet must not tell.

    Attributes:
        run: id of the run.
        suite, base, model: what was asked, and the two who answered; `model` is the candidate.
        metric: of the run, which people are compared with.
        units: rows of the suite that could have been drawn, one of each cluster.
        differ: those of them on which the answers differ.
        rows: in the sheet's order.
        sheet_sha256: of all fixed cells.
        sha256: of this key without it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    run: str
    suite: str
    base: str
    model: str
    metric: str
    units: int
    differ: int
    rows: tuple[KeyRow, ...]
    sheet_sha256: str
    sha256: str = ""

    def sealed(self) -> "SheetKey":
        """This key with its own hash filled in."""
        return self.model_copy(update={"sha256": self.content()})

    def content(self) -> str:
        """Hash of everything but the hash."""
        return digest(self.model_dump(mode="json", exclude={"sha256"}))


def cells_sha256(rows: Sequence[Sequence[str]]) -> str:
    """Hash of fixed cells, row by row."""
    return digest([list(row) for row in rows])


def key_path(sheet: Path) -> Path:
    """Where the key of a sheet lies: `sheet.key.json` beside `sheet.csv`."""
    return sheet.with_suffix(".key.json")


def read_key(path: Path) -> SheetKey:
    """A key as `export` wrote it.

    Raises:
        UsageProblem: it is missing, no key, or was edited.
    """
    try:
        key = SheetKey.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageProblem(
            f"{path}: the key cannot be read ({error.strerror}); it was written with the sheet, see --key"
        ) from error
    except ValidationError as error:
        raise UsageProblem(f"{path}: is not the key of a sheet; give the file that was written with it") from error
    if key.sha256 != key.content():
        raise UsageProblem(f"{path}: the key was edited, it does not match its own hash; export a new sheet")
    return key
