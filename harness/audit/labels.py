"""What the answers are: fields and how often each is filled, how many values, how evenly they are spread."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.audit.findings import Finding
from harness.audit.rows import Row
from harness.audit.texts import normalised
from harness.types import Json

__all__ = ["Field", "answers_that_say_nothing", "fields", "imbalance", "tags", "unusual_answers"]

FEW_VALUES = 20
"""A field with at most so many values is a class."""
DOMINATES = 0.9
"""Share of the rows of one value from which on a class is called unbalanced."""
_RARE, _USUAL = 0.1, 0.9
_SENTENCE = 4
_ENDS = tuple(".!?…。！？\"'”’»)]}`*:")
_PLACEHOLDERS = frozenset(
    {"nan", "none", "null", "n/a", "#n/a", "undefined", "<na>", "nat", "-nan", "todo", "tbd", "xxx"}
)
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the answers; `answer` for answers that are no objects.

    Attributes:
        name: the key.
        present, null, blank: rows that have it; of those, rows where it is null, and where it is a blank text.
        values: different values.
        entropy: of their distribution, in bits.
        top: the most frequent values with their counts, most frequent first.
    """

    name: str
    present: int
    null: int
    blank: int
    values: int
    entropy: float
    top: tuple[tuple[str, int], ...]


def fields(rows: Sequence[Row]) -> tuple[Field, ...]:
    """Every field of the answers, in order of first use; answers that are no objects are one field, `answer`."""
    columns: dict[str, list[Json]] = {}
    for row in rows:
        own = row.label if isinstance(row.label, dict) else {"answer": row.label}
        for name, value in own.items():
            columns.setdefault(name, []).append(value)
    return tuple(_field(name, values) for name, values in columns.items())


def tags(rows: Sequence[Row]) -> Field | None:
    """How the rows are spread over their first tags; None when no row has one."""
    named = [row.tags[0] for row in rows if row.tags]
    return _field("tags", list(named)) if named else None


def imbalance(columns: Iterable[Field], rows: int) -> list[Finding]:
    """Classes (2 to 20 values) of which one value has nine tenths of the rows."""
    found = []
    for column in columns:
        value, count = column.top[0]
        if 1 < column.values <= FEW_VALUES and count >= DOMINATES * column.present and rows > FEW_VALUES:
            said = f"{column.name} is {value} in {count} of {column.present} rows ({column.entropy:.2f} bits)"
            found.append(Finding("imbalance", (), said, column.name, {"value": value, "count": count}))
    return found


def answers_that_say_nothing(rows: Sequence[Row]) -> list[Finding]:
    """Blank questions and answers; and answers that an export wrote where there was nothing."""
    found = []
    for side in ("question", "answer"):
        blank = tuple(row.number for row in rows if not normalised(getattr(row, side)))
        if blank:
            found.append(Finding("empty", blank, f"{len(blank)} rows have an {side} that says nothing", side))
    hollow = tuple(row.number for row in rows if row.label in ({}, []))
    if hollow:
        found.append(Finding("empty", hollow, f"{len(hollow)} rows have an answer without any value", "value"))
    stand_ins: dict[str, list[int]] = {}
    for row in rows:
        values = row.label.values() if isinstance(row.label, dict) else (row.label,)
        for text in {value for value in values if isinstance(value, str) and normalised(value) in _PLACEHOLDERS}:
            stand_ins.setdefault(text, []).append(row.number)
    for text, numbers in stand_ins.items():
        said = f"{len(numbers)} rows answer {text!r}, as exports write where nothing was"
        found.append(Finding("placeholder", tuple(numbers), said, details={"value": text}))
    return found


def unusual_answers(rows: Sequence[Row]) -> list[Finding]:
    """Answers of one word where most have several, and answers that stop in the middle where the others end."""
    texts = [row for row in rows if isinstance(row.label, str) and row.answer.strip()]
    found = []
    if single := tuple(row.number for row in texts if len(row.answer.split()) == 1):
        share = len(single) / len(rows)
        if share < _RARE:
            said = f"{len(single)} of {len(rows)} rows have an answer of one word"
            found.append(Finding("one_word", single, said, details={"share": share}))
    sentences = [row for row in texts if len(row.answer.split()) >= _SENTENCE]
    cut = tuple(row.number for row in sentences if not row.answer.rstrip().endswith(_ENDS))
    if cut and len(cut) <= (1 - _USUAL) * len(sentences):
        said = f"{len(cut)} of {len(sentences)} answers stop without the punctuation that the others end with"
        found.append(Finding("cut_off", cut, said))
    return found


def _field(name: str, values: Sequence[Json]) -> Field:
    spelled = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    counts = Counter(spelled)
    total = len(values)
    return Field(
        name=name,
        present=total,
        null=sum(value is None for value in values),
        blank=sum(isinstance(value, str) and not value.strip() for value in values),
        values=len(counts),
        entropy=max(0.0, -sum(n / total * math.log2(n / total) for n in counts.values())),
        top=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]),
    )
