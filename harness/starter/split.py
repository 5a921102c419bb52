"""Which rows teach and which ones test: rows that say the same are never on both sides.

Rows form one group when the file says so (`cluster`), when they ask the same question, or when they are near
duplicates. Groups are ordered by a hash of their contents, so that the order of the file decides nothing, and the first
ones are held out. Training rows that the audit would still take for a leak are left out of both sides.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.audit.duplicates import conflicts, duplicates, near_duplicates
from harness.audit.held_out import HeldOut
from harness.audit.leakage import leaks
from harness.audit.rows import Row
from harness.audit.side import Side
from harness.audit.texts import normalised
from harness.errors import BadExamples
from harness.fingerprint import digest
from harness.types import Example

__all__ = ["LEAST", "Split", "split"]

LEAST = 50
"""Rows that each side needs: with fewer examples no gate passes."""
USUAL, SHARE = 100, 0.2
"""Held out unless told: a fifth of the rows, at least 100, at most half of them."""
LARGEST = 10
"""A group larger than a tenth of what is held out teaches: in a test it would count as one example."""
SALT = "tunegate init 1"


@dataclass(frozen=True, slots=True)
class Split:
    """Where the rows went.

    Attributes:
        train, test: in the order of the file.
        groups: of the test rows, by number: which of them are of one group; rows alone in theirs are left out.
        repeated: rows that say what an earlier one says, on neither side.
        alike: rows that resemble a test row too much to learn from, on neither side.
    """

    train: tuple[Row, ...]
    test: tuple[Row, ...]
    groups: dict[int, str]
    repeated: int
    alike: int

    @property
    def units(self) -> int:
        """Independent rows among the test rows: the effective number of their groups."""
        sizes = Counter(self.groups.get(row.number, str(row.number)) for row in self.test).values()
        return len(self.test) ** 2 // sum(size * size for size in sizes) if sizes else 0


def split(data: Path, rows: Sequence[Row], wanted: int | None) -> Split:
    """Divide rows into those that train and those that test.

    Args:
        data: their file, for messages.
        rows: at least one.
        wanted: rows to hold out, or None for the usual number.

    Raises:
        BadExamples: two rows contradict each other, or there are too few to decide anything; says how many more.
    """
    if found := conflicts(rows):
        numbers = ", ".join(map(str, found[0].rows[:5]))
        raise BadExamples(f"{data}:{found[0].rows[0]}: rows {numbers}: {found[0].message}; keep one of them")
    repeats = {number for finding in duplicates(rows) for number in finding.rows[1:]}
    distinct = [row for row in rows if row.number not in repeats]
    if len(distinct) < 2 * LEAST:
        raise BadExamples(
            f"{data}: {len(distinct)} different rows; a project needs {2 * LEAST}, {LEAST} to learn from and {LEAST} "
            f"to test with: add {2 * LEAST - len(distinct)} more"
        )
    half = len(distinct) // 2
    usual = min(half, max(USUAL, round(SHARE * len(distinct))))
    if wanted is not None and not LEAST <= wanted <= len(distinct) - LEAST:
        raise BadExamples(
            f"--test-rows {wanted}: of {len(distinct)} different rows, hold out {LEAST} to {len(distinct) - LEAST}"
        )
    made = _divided(distinct, wanted or usual, len(repeats))
    if wanted is None and made.units < LEAST:  # groups: more rows for as many independent ones
        made = _divided(distinct, half, len(repeats))
    _refuse_few(data, made)
    return made


def _divided(rows: Sequence[Row], size: int, repeated: int) -> Split:
    held, named = _hold_out(rows, size)
    test = tuple(row for row in rows if row.number in held)
    train, alike = _without_leaks([row for row in rows if row.number not in held], test)
    return Split(train, test, {number: named[number] for number in held if number in named}, repeated, alike)


def _hold_out(rows: Sequence[Row], size: int) -> tuple[set[int], dict[int, str]]:
    """Numbers of at most `size` rows to test with, and the group of each row that is not alone in its own."""
    groups: dict[int, list[Row]] = {}
    for row, label in zip(rows, _grouped(rows), strict=True):
        groups.setdefault(label, []).append(row)
    keyed = {digest([SALT, min(row.id for row in group)])[:16]: group for group in groups.values()}
    held: set[int] = set()
    for _, group in sorted(keyed.items()):
        if len(group) <= max(1, size // LARGEST) and len(held) + len(group) <= size:
            held.update(row.number for row in group)
    named = {row.number: key for key, group in keyed.items() if len(group) > 1 for row in group}
    return held, named


def _grouped(rows: Sequence[Row]) -> list[int]:
    """For each row the number of its group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    place = {row.number: index for index, row in enumerate(rows)}
    asked, said = Side.of([row.question for row in rows]), Side.of([row.answer for row in rows])
    near, _ = near_duplicates(rows, asked, said)
    same = [*_same([normalised(row.question) for row in rows]), *_same([row.cluster for row in rows])]
    same += [[place[number] for number in finding.rows] for finding in near]
    pairs = np.array([(group[0], other) for group in same for other in group[1:]], dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(rows), len(rows)))
    labels: list[int] = connected_components(links, directed=False)[1].tolist()
    return labels


def _same(keys: Sequence[str]) -> list[list[int]]:
    """Indices that share a key which is not empty."""
    found: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key:
            found.setdefault(key, []).append(index)
    return [indices for indices in found.values() if len(indices) > 1]


def _without_leaks(train: Sequence[Row], test: Sequence[Row]) -> tuple[tuple[Row, ...], int]:
    """The training rows that share more than a template with no test row, and how many others there were."""
    if not train or not test:
        return tuple(train), 0
    examples = tuple(Example(str(row.number), row.question, row.label) for row in test)
    asked, said = Side.of([row.question for row in train]), Side.of([row.answer for row in train])
    found = leaks(train, asked, said, [HeldOut("test rows", examples)])
    leaking = {number for each in found for finding in each.findings for number in finding.rows}
    return tuple(row for row in train if row.number not in leaking), len(leaking)


def _refuse_few(data: Path, made: Split) -> None:
    for side, count in (("to test with", made.units), ("to learn from", len(made.train))):
        if count < LEAST:
            raise BadExamples(
                f"{data}: rows that resemble each other stay on one side, which leaves {count} independent ones "
                f"{side}; {LEAST} are needed: add {LEAST - count} more that are unlike these"
            )
