"""A table for spreadsheets: it runs nothing, hides nothing, and reads the same after a program has saved it."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import UsageProblem
from reports.texts import clip, visible

__all__ = ["cell", "label", "read_table", "write_table"]

_RUNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_TRUTHS = frozenset({"true", "false"})
_LONGEST_VALUE = 40
"""Longer texts are no number, date or truth value that a spreadsheet would write in another form."""
_MAX_TEXT = 30_000
"""A cell of a common spreadsheet holds 32,767 characters and silently drops the rest."""


def cell(text: str) -> str:
    """A text as a cell, to be read by people and not by the program.

    Controls and invisible characters are shown, and at most 30,000 characters; an apostrophe in front keeps a program
    from running what begins like a formula, and from rewriting what looks like a number, a date or a truth value.

    Source: CWE-1236 for the characters that begin a formula.
    """
    if not text:
        return "⟨empty⟩"
    kept = clip(text, _MAX_TEXT)
    shown = visible(kept.text).replace("\t", "␉")
    if kept.left_out:
        shown += f" ⟨and {kept.left_out} more characters⟩"
    return f"'{shown}" if _is_taken_for_more(shown) else shown


def label(text: str) -> str:
    """A short text as a cell that programs read, too: it runs nothing and hides nothing, and is else as it was."""
    shown = visible(text).replace("\t", "␉")
    return f"'{shown}" if shown.strip().startswith(_RUNS) else shown


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """CSV of numbers and of what `cell` or `label` made; the mark at its start tells spreadsheets that it is UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode("utf-8-sig")


def read_table(path: Path, header: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The rows of a table, also after a spreadsheet saved it with semicolons, tabs or other line ends.

    Raises:
        UsageProblem: it cannot be read, is not UTF-8 or CSV, or has other columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = next(
            (mark for mark in ";\t" if text.startswith((f"{header[0]}{mark}", f'"{header[0]}"{mark}'))), ","
        )
        table = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)]
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be read ({error.strerror}); give the sheet that was exported") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{path}: is not UTF-8 text; save it as CSV with the encoding UTF-8") from error
    except csv.Error as error:
        raise UsageProblem(f"{path}: is not CSV ({error}); save it as CSV with the encoding UTF-8") from error
    if not table or table[0] != tuple(header):
        raise UsageProblem(f"{path}: its columns are not {', '.join(header)}; give the sheet as it was exported")
    for number, row in enumerate(table[1:], start=1):
        if any(row):
            if len(row) < len(header) or any(row[len(header) :]):
                raise UsageProblem(f"{path}: entry {number} has {len(row)} cells, not {len(header)}; export it again")
            yield tuple(each.replace("\r\n", "\n").replace("\r", "\n") for each in row[: len(header)])


def _is_taken_for_more(text: str) -> bool:
    bare = text.strip()
    if bare.startswith(_RUNS):
        return True
    value = len(bare) <= _LONGEST_VALUE and not bare.startswith(("{", "[", '"', "⟨"))
    return value and (bare.casefold() in _TRUTHS or any(each.isdigit() for each in bare))
