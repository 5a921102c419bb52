"""Which questions judges are asked about one model's answers: grades, comparisons with the base, repeats, votes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.fingerprint import digest
from harness.judge.interview import Answered
from harness.judge.judgement import Judgement, Kind, Question
from harness.judge.scoring import straddles, unsent
from harness.judge.screen import gives_orders
from harness.judge.sitting import Sitting
from harness.types import Example, ModelRef, Row, SuiteResult

__all__ = ["REPEAT_SHARE", "Beside", "questions_of", "refers", "repeats_of", "votes_of"]

REPEAT_SHARE = 0.1
"""Of the base's answers that are graded once more, to see whether the judge agrees with itself."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What the base answered to the same rows, and said on the way; empty when the base itself is measured.

    Attributes:
        rows: the base's rows, by id.
        said: of rows with earlier turns, the base's conversation up to the last question.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, base: SuiteResult | None) -> "Beside":
        """From a judged measurement of the base."""
        sitting = Sitting.read(base.evidence) if base else None
        return cls({row.id: row for row in base.rows}, sitting.said) if base and sitting else cls()

    @classmethod
    def beside(cls, base: Answered) -> "Beside":
        """From answers that are going to be judged with the candidate's."""
        return cls({row.id: row for row in base.rows}, base.said)


def questions_of(
    planned: Sequence[Example], rows: Sequence[Row], said: Mapping[str, str], beside: Beside
) -> list[Question]:
    """What to ask of every answer that is worth it; answers that equal the base's are not compared."""
    examples = {example.id: example for example in planned}
    worth = [row for row in rows if _worth(row)]
    made = [_point(examples[row.id], row, said) for row in worth]
    for row in worth:
        other = beside.rows.get(row.id)
        if other is None or other.output == row.output or not _worth(other):
            continue
        example = examples[row.id]
        # each model answered its own conversation, so that where there is one it is compared whole
        asked = (
            "\n".join(f"User: {turn}" for turn in (*example.earlier, example.input))
            if example.earlier
            else example.input
        )
        own, theirs = _whole(row, said), _whole(other, beside.said)
        pairs = {"candidate": (own, theirs), "base": (theirs, own)}
        made += [Question(row.id, Kind.PAIR, asked, row.target, pair, first=first) for first, pair in pairs.items()]
    return made


def repeats_of(
    planned: Sequence[Example], questions: Sequence[Question], beside: Beside, model: ModelRef
) -> list[Question]:
    """A tenth of the single answers once more: the base's, also while a candidate is judged, so that drift shows."""
    again = [question for question in questions if question.kind is Kind.POINT]
    vote = 1
    if beside.rows:
        examples = {example.id: example for example in planned}
        again = [_point(examples[row.id], row, beside.said) for row in beside.rows.values() if _worth(row)]
        vote += int(digest(model.fingerprint)[:8], 16)  # another candidate is another time
    return [replace(question, kind=Kind.REPEAT, vote=vote) for question in again[:: round(1 / REPEAT_SHARE)]]


def votes_of(questions: Sequence[Question], judgements: Sequence[Judgement], votes: int) -> list[Question]:
    """Single answers again, up to `votes` times in all, whose grades lie on both sides of the mark."""
    split = [question for question, made in zip(questions, judgements, strict=True) if straddles(made)]
    return [replace(each, kind=Kind.VOTE, vote=-number) for each in split for number in range(1, votes)]


def refers(kind: Kind, row: Row, base: Row | None) -> bool:
    """Whether a question is for the second judge, where there is one: an answer in it seems to give orders."""
    shown = [row, *([base] if base is not None and kind is Kind.PAIR else [])]
    return kind in (Kind.POINT, Kind.PAIR) and any(gives_orders(each.output) for each in shown)


def _worth(row: Row) -> bool:
    return not unsent(row.output, row.target, row.finish_reason)


def _point(example: Example, row: Row, said: Mapping[str, str]) -> Question:
    return Question(row.id, Kind.POINT, said.get(row.id, example.input), row.target, (row.output,))


def _whole(row: Row, said: Mapping[str, str]) -> str:
    return f"{said[row.id]}\nModel: {row.output}" if row.id in said else row.output
