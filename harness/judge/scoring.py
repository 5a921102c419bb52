"""From judgements to the scores of a row. The run and `verify` both come through here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.judgement import Judgement, Kind, Status
from harness.judge.rubric import as_rate
from harness.judge.screen import degenerate
from harness.types import Example, FinishReason, Row, Score

__all__ = ["HEADLINE", "PREFERENCE", "Heard", "chosen", "metric_names", "reference_text", "row_scores", "unsent"]

HEADLINE, PREFERENCE = "judge", "preference"
_SAME, _SPLIT = "same_answer", "order_decides"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a judge said of one row: its grades, and the two comparisons with the base's answer, if there were any."""

    point: Judgement | None = None
    pair: tuple[Judgement, ...] = ()

    @classmethod
    def by_item(cls, judgements: Iterable[Judgement]) -> dict[str, "Heard"]:
        """All that bears on a row's scores, by the row's id."""
        points: dict[str, Judgement] = {}
        pairs: dict[str, list[Judgement]] = {}
        for each in judgements:
            if each.kind is Kind.POINT:
                points[each.item] = each
            elif each.kind is Kind.PAIR:
                pairs.setdefault(each.item, []).append(each)
        return {item: cls(points.get(item), tuple(pairs.get(item, ()))) for item in {*points, *pairs}}


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


def grades(row: Row, dimensions: Sequence[str], heard: Heard) -> tuple[Score, ...]:
    """The scores that one answer gets by itself: the mean of its grades first, then each; 1 to 5 are 0 to 1."""
    names = (HEADLINE, *map(metric_of, dimensions))
    if why := unsent(row.output, row.target, row.finish_reason):
        return tuple(Score(name, 0.0, "1", why) for name in names)
    point = heard.point
    if point is None or point.status is not Status.OK:
        reason = f"judge_{point.status.value}" if point else "judge_not_asked"
        return tuple(Score(name, None, "", reason) for name in names)
    marks = [point.scores[name] for name in dimensions]
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
    row: Row, base: Row | None, dimensions: Sequence[str], heard: Mapping[str, Heard], *, pairwise: bool
) -> tuple[Score, ...]:
    """Every score of a row, in the order of `metric_names`."""
    own = heard.get(row.id, Heard())
    return (*grades(row, dimensions, own), *((preference(row, base, own),) if pairwise else ()))
