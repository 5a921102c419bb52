"""Rows that say what another row says, or contradict it: exactly, normalised, nearly. And how many are left."""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.audit.findings import Finding
from harness.audit.rows import Row
from harness.audit.side import Side
from harness.audit.signatures import clusters
from harness.audit.texts import normalised
from harness.types import Json

__all__ = ["Distinct", "conflicts", "distinct", "duplicates", "near_duplicates"]


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many different rows there are.

    Attributes:
        rows: all of them.
        exact: different ones.
        normalised: ones that differ in more than case, width and white space.
        effective: clusters of near duplicates: what the rows have to teach.
        largest: rows of the largest cluster.
    """

    rows: int
    exact: int
    normalised: int
    effective: int
    largest: int


def duplicates(rows: Sequence[Row]) -> list[Finding]:
    """Rows whose question and answer are those of another row, exactly or normalised."""
    found, repeated = [], set[int]()
    for group in _groups(rows, _exact):
        repeated.update(row.number for row in group[1:])
        found.append(_finding("duplicate", _numbers(group), "the same question and answer", "exact"))
    for group in _groups([row for row in rows if row.number not in repeated], _plain):
        said = "the same question and answer but for case, width or spaces"
        found.append(_finding("duplicate", _numbers(group), said, "normalised"))
    return found


def conflicts(rows: Sequence[Row]) -> list[Finding]:
    """Groups of rows with the same question, exactly or normalised, and more than one answer.

    Preferences are left out: several answers that are preferred to others do not contradict each other.
    """
    found, told = [], set[tuple[int, ...]]()
    single = [row for row in rows if row.rejected is None]
    for how, key in (("exact", _asked_exact), ("normalised", _asked_plain)):
        for group in _groups(single, key):
            answers = sorted({_value(row) for row in group})
            numbers = _numbers(group)
            if len(answers) > 1 and numbers not in told:
                told.add(numbers)
                shown: list[Json] = [_short(text) for text in answers[:3]]
                said = f"the same question has {len(answers)} answers: {'; '.join(map(str, shown))}"
                found.append(Finding("conflict", numbers, said, how, {"answers": shown}))
    return found


def near_duplicates(rows: Sequence[Row], asked: Side, said: Side) -> tuple[list[Finding], Distinct]:
    """Clusters of rows that are all but the same, and what is left of the rows when each cluster counts once.

    Two rows are near duplicates when the sets of runs of 5 characters of question and answer have a Jaccard similarity
    of .8 or more, as MinHash estimates it.

    Args:
        rows: at least one.
        asked: their questions.
        said: their answers.
    """
    owners: dict[tuple[int, int], list[int]] = {}
    for row, pair in zip(rows, zip(asked.place, said.place, strict=True), strict=True):
        owners.setdefault(pair, []).append(row.number)
    ordered = sorted(owners)
    one, other = np.array(ordered).T
    leader = clusters(np.minimum(asked.signed[one], said.signed[other]))
    members: dict[int, list[int]] = {}
    for pair, lead in zip(ordered, leader.tolist(), strict=True):
        members.setdefault(lead, []).extend(owners[pair])
    alone = np.bincount(leader, minlength=len(ordered))
    found = [
        _finding("near_duplicate", tuple(sorted(group)), "all but the same question and answer", "minhash")
        for lead, group in members.items()
        if alone[lead] > 1
    ]
    exact, plain = distinct(rows)
    return found, Distinct(len(rows), exact, plain, len(members), max(map(len, members.values())))


def distinct(rows: Sequence[Row]) -> tuple[int, int]:
    """Different rows, exactly and normalised."""
    return len({_exact(row) for row in rows}), len({_plain(row) for row in rows})


def _groups(rows: Sequence[Row], key: Callable[[Row], Hashable]) -> Iterator[tuple[Row, ...]]:
    """The rows that share a key, where there are several."""
    groups: dict[Hashable, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    yield from (tuple(group) for group in groups.values() if len(group) > 1)


def _numbers(group: Iterable[Row]) -> tuple[int, ...]:
    return tuple(row.number for row in group)


def _asked_exact(row: Row) -> Hashable:
    return tuple((turn["role"], turn["content"]) for turn in row.prompt)


def _asked_plain(row: Row) -> Hashable:
    return tuple((turn["role"], normalised(turn["content"])) for turn in row.prompt)


def _exact(row: Row) -> Hashable:
    return _asked_exact(row), row.answer, row.rejected


def _plain(row: Row) -> Hashable:
    return _asked_plain(row), normalised(_value(row)), normalised(row.rejected or "")


def _value(row: Row) -> str:
    """The answer as it is compared: JSON by its value, text without regard to white space."""
    if isinstance(row.label, str):
        return " ".join(row.answer.split())
    return json.dumps(row.label, sort_keys=True, ensure_ascii=False)


def _finding(kind: str, group: tuple[int, ...], said: str, how: str) -> Finding:
    details: dict[str, Json] = {"copies": len(group)}
    return Finding(kind, group, f"{len(group)} rows have {said}", how, details)


def _short(text: str, length: int = 80) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
