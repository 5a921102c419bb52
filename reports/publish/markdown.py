"""Markdown in which text of others is only ever text: code spans that nothing can end, rows that cannot break."""

from collections.abc import Iterable

from reports.texts import clip, visible

__all__ = ["capped", "code", "row", "table"]

_LONGEST = 160
"""Characters shown of one text."""


def code(text: str, limit: int = _LONGEST) -> str:
    """One line of `text` as a code span: no mention, link, markup or table cell begins or ends in it.

    Backticks and pipes become look-alikes, because a backslash protects neither in every reader.
    """
    line = visible(text).replace("\n", "␊").replace("\t", " ").replace("`", "ˋ").replace("|", "¦")
    shown = clip(line, limit)
    return f"`{shown.text.strip() or '–'}{'…' if shown.left_out else ''}`"


def row(cells: Iterable[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(cells)} |"


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table of GitHub's Markdown, a line each."""
    heads = list(titles)
    return [row(heads), row("---" for _ in heads), *map(row, rows)]


def capped(lines: Iterable[str], most: int, tail: str) -> str:
    """The lines as text of at most `most` bytes of UTF-8; whole lines are left out at the end, and `tail` says so.

    Raises:
        ValueError: not even the first line and the tail fit.
    """
    everything = list(lines)
    whole = "\n".join(everything) + "\n"
    if len(whole.encode()) <= most:
        return whole
    left, kept = most - len(tail.encode()) - 2, list[str]()
    for line in everything:
        left -= len(line.encode()) + 1
        if left < 0:
            break
        kept.append(line)
    if not kept:
        raise ValueError(f"{most} bytes hold not even the first line")
    return "\n".join([*kept, "", tail]) + "\n"
