"""A table of figures, and what was promised of one of its columns."""

from typing import NamedTuple

__all__ = ["Table"]


class Table(NamedTuple):
    """One table: the first column named `ours` must not exceed `most` (or fall below `least`)."""

    title: str
    said: str
    head: tuple[str, ...]
    rows: list[tuple[object, ...]]
    ours: int
    most: float = 1.0
    least: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Figures of ours that break the promise."""
        bad = [row for row in self.rows if not self.least <= row[self.ours] <= self.most]
        return [f"{self.title}: {row}" for row in bad]

    def markdown(self) -> str:
        """As Markdown."""
        lines = [
            f"**{self.title}.** {self.said}",
            "",
            "| " + " | ".join(self.head) + " |",
            "|---" * len(self.head) + "|",
        ]
        lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in self.rows]
        return "\n".join(lines)


def _cell(cell):
    return f"{100 * cell:.1f} %" if isinstance(cell, float) else str(cell)
