"""Where in a schema answers fail: counted by place on both sides, the numbers of list items aside."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.types import Row, Score
from reports.load import Key, Run
from reports.pairs import score_of
from reports.sections import Cause

__all__ = ["Violations", "because", "violations"]

_MOST = 25
_ITEM = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Violations:
    """Places of all suites, each suite's most frequent first. `more` counts the places that are left out."""

    places: tuple[Cause, ...]
    more: int


def because(score: Score) -> str:
    """The reason code, with the place where there is one: `schema_error:type at $.remote type`."""
    return f"{score.reason_code} at {score.where}" if score.where else score.reason_code


def violations(run: Run, model: str) -> Violations:
    """How often answers of the base and of `model` fail at each place of a schema; for the base alone its own."""
    found: list[Cause] = []
    for result in (each for each in run.results if each.model == model):
        base = _places(run.rows.get(Key(result.suite, run.base.name)), result.metric)
        own = _places(run.rows.get(Key(result.suite, model)), result.metric) if model != run.base.name else None
        counts = (own or Counter()) + (base or Counter())
        order = sorted(counts, key=lambda place: (-(own or Counter())[place], -counts[place], place))
        sides = ((None if side is None else side[place] for side in (base, own)) for place in order)
        found += [Cause(result.suite, result.metric, place, *side) for place, side in zip(order, sides, strict=True)]
    return Violations(tuple(found[:_MOST]), max(0, len(found) - _MOST))


def _places(rows: Sequence[Row] | None, metric: str) -> Counter[str] | None:
    if rows is None:
        return None
    return Counter(_ITEM.sub("[*]", where) for row in rows if (where := score_of(row, metric).where))
