"""From judgements to the scores of a row. The run and `verify` both come through here."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low

from harness.judge.judgement import Judgement, Kind, Status
from harness.judge.rubric import as_rate
from harness.judge.screen import degenerate
from harness.types import Example, FinishReason, Row, Score

__all__ = [
    "HEADLINE",
    "MARK",
    "PREFERENCE",
    "Heard",
    "chosen",
    "metric_names",
    "reference_text",
    "row_scores",
    "straddles",
    "unsent",
]

HEADLINE, PREFERENCE = "judge", "preference"
MARK = 4
"""A grade from here up calls an answer good."""
_SAME, _SPLIT = "same_answer", "order_decides"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a judge said of one row: its grades, further votes on them, and the comparisons with the base's answer."""

    point: Judgement | None = None
    pair: tuple[Judgement, ...] = ()
    votes: tuple[Judgement, ...] = ()

    @classmethod
    def by_item(cls, judgements: Iterable[Judgement]) -> dict[str, "Heard"]:
        """All that bears on a row's scores, by the row's id."""
        found: dict[str, dict[Kind, tuple[Judgement, ...]]] = {}
        for each in judgements:
            own = found.setdefault(each.item, {})
            own[each.kind] = (*own.get(each.kind, ()), each)
        return {
            item: cls(next(iter(own.get(Kind.POINT, ())), None), own.get(Kind.PAIR, ()), own.get(Kind.VOTE, ()))
            for item, own in found.items()
        }


def metric_of(dimension: str) -> str:
    """Name of the metric of one dimension."""
    return f"{HEADLINE}_{dimension}"


def metric_names(dimensions: Sequence[str], *, pairwise: bool) -> tuple[str, ...]:
    """All metrics of a judged suite, in order."""
    return (HEADLINE, *map(metric_of, dimensions), *((PREFERENCE,) if pairwise else ()))


def reference_text(example: Example) -> str:
    """The reference answer as text."""
    return example.target if isinstance(example.target, str) else json.dumps(example.target, ensure_ascii=False)


def unsent(output: str, reference: str, finish_reason: FinishReason) -> str:
    """Why an answer is not worth a judge's time: it gets the lowest grade unheard; empty for one that is sent."""
    if finish_reason is FinishReason.LENGTH:
        return "truncated"
    why = degenerate(output, reference)
    return f"degenerate:{why}" if why else ""


def straddles(point: Judgement) -> bool:
    """Whether the grades of an answer lie on both sides of the mark, so that further votes are worth their price."""
    good = {grade >= MARK for grade in point.scores.values()}
    return point.kind is Kind.POINT and point.status is Status.OK and not point.second and len(good) > 1


def grades(row: Row, dimensions: Sequence[str], heard: Heard, votes: int) -> tuple[Score, ...]:
    """The scores that one answer gets by itself: the mean of its grades first, then each; 1 to 5 are 0 to 1.

    Where the grades lie on both sides of the mark each is the median of all `votes`: a row stays one row.
    """
    names = (HEADLINE, *map(metric_of, dimensions))
    if why := unsent(row.output, row.target, row.finish_reason):
        return tuple(Score(name, 0.0, "1", why) for name in names)
    point = heard.point
    wanted = votes if point is not None and straddles(point) else 1
    asked = [*([point] if point else []), *heard.votes]
    if missing := next((each.status.value for each in asked if each.status is not Status.OK), ""):
        return tuple(Score(name, None, "", f"judge_{missing}") for name in names)
    if point is None or len(asked) != wanted:
        return tuple(Score(name, None, "", "judge_not_asked") for name in names)
    marks = [median_low(each.scores[name] for each in asked) for name in dimensions]
    mean = sum(map(as_rate, marks)) / len(marks)
    return (
        Score(HEADLINE, mean, point.reasons),
        *(Score(name, as_rate(mark), str(mark)) for name, mark in zip(names[1:], marks, strict=True)),
    )


def preference(row: Row, base: Row | None, heard: Heard) -> Score:
    """1 where the judge prefers the row's answer to the base's in both orders, 0 where it prefers the base's, else .5.

    The base itself stands at .5, so that a difference to it is the share of wins above one half.
    """
    if base is None:
        return Score(PREFERENCE, 0.5, "", "base")
    if row.output == base.output and row.finish_reason is base.finish_reason:
        return Score(PREFERENCE, 0.5, "", _SAME)
    own, other = (unsent(each.output, each.target, each.finish_reason) for each in (row, base))
    if own or other:
        value = 0.5 if own and other else 0.0 if own else 1.0
        return Score(PREFERENCE, value, "", own or f"base_{other}")
    return _both_orders(heard.pair)


def _both_orders(pair: Sequence[Judgement]) -> Score:
    """Two comparisons that must agree."""
    if failed := [each for each in pair if each.status is not Status.OK]:
        return Score(PREFERENCE, None, "", f"judge_{failed[0].status.value}")
    if sorted(each.first for each in pair) != ["base", "candidate"]:
        return Score(PREFERENCE, None, "", "judge_not_asked")
    won = [chosen(each) for each in pair]
    agreed = won[0] == won[1]
    value = {"candidate": 1.0, "base": 0.0, "tie": 0.5}[won[0]] if agreed else 0.5
    return Score(PREFERENCE, value, " / ".join(won), "ok" if agreed else _SPLIT)


def chosen(pair: Judgement) -> str:
    """Whose answer a comparison prefers: `candidate`, `base` or `tie`."""
    if pair.winner == "tie":
        return "tie"
    other = {"candidate": "base", "base": "candidate"}
    return pair.first if pair.winner == "A" else other[pair.first]


def row_scores(
    row: Row, base: Row | None, dimensions: Sequence[str], heard: Heard, *, pairwise: bool, votes: int
) -> tuple[Score, ...]:
    """Every score of a row, in the order of `metric_names`."""
    return (*grades(row, dimensions, heard, votes), *((preference(row, base, heard),) if pairwise else ()))
