"""What a judge makes of the answers that will be learned: grades of a seeded sample, kept in a store."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.audit.findings import Finding
from harness.audit.rows import Row
from harness.datasets import nested_slice
from harness.errors import NotMeasured
from harness.judge.asked import JudgeSettings, make_judge
from harness.judge.calibration import KAPPA_TO_GATE, fingerprint, load
from harness.judge.instrument import MOST_FAILED
from harness.judge.judgement import Judgement, Kind, Question, Status
from harness.judge.labels import rubric_of
from harness.judge.rubric import LEVELS
from harness.store import Store
from harness.types import Example

__all__ = ["Graders", "Quality", "quality"]

LOW = 2
"""A row whose worst grade is this or lower is a finding."""


@dataclass(frozen=True, slots=True)
class Graders:
    """Who grades, by the rubric of which suite file, how many rows, and where replies are kept."""

    settings: JudgeSettings
    suite: Path
    rows: int = 100
    store: Path = Path(".tunegate")


@dataclass(frozen=True, slots=True)
class Quality:
    """What came of it.

    Attributes:
        judge: who graded.
        trusted: whether labelled answers have shown that this judge may decide.
        rows: that were asked about.
        failed: of them, without a grade.
        levels: for each dimension of the rubric, how many rows got 1, 2, 3, 4 and 5.
        low: numbers of the rows whose worst grade is 1 or 2, ascending.
    """

    judge: str
    trusted: bool
    rows: int
    failed: int
    levels: dict[str, tuple[int, ...]]
    low: tuple[int, ...]


def quality(rows: Sequence[Row], asked: Graders) -> tuple[Quality, list[Finding]]:
    """Let a judge grade a seeded sample of the answers, each by itself and without a reference.

    Args:
        rows: at least one.
        asked: who, and how many.

    Raises:
        NotMeasured: more than 2 % of the rows got no grade.
        BudgetSpent, JudgeProblem: the judge cannot be asked any longer; what it said is kept.
        BadSpec: the suite file has no rubric.
    """
    rubric = rubric_of(asked.suite)
    judge, store = make_judge(asked.settings), Store(asked.store)
    by_id = {row.id: row for row in rows}
    pool = [Example(own, row.question, row.label, row.tags, own) for own, row in by_id.items()]
    drawn = [(each.id, by_id[each.id]) for each in nested_slice(pool, asked.rows)]
    try:
        judge.prepare(rubric)
        questions = [Question(own, Kind.POINT, row.question, "", (row.answer,)) for own, row in drawn]
        made = judge.ask(questions, rubric, store, lambda _done, _total: None)
        calibration = load(store, fingerprint(judge, rubric))
    finally:
        store.close()
    graded = [(row, each) for (_, row), each in zip(drawn, made, strict=True) if each.status is Status.OK]
    if (failed := len(drawn) - len(graded)) > MOST_FAILED * len(drawn):
        worst = next(each for each in made if each.status is not Status.OK)
        raise NotMeasured(
            f"--judge {judge.name}: {failed} of {len(drawn)} rows got no grade ({worst.status}); try again"
        )
    low = sorted((row.number, each) for row, each in graded if min(each.scores.values()) <= LOW)
    found = Quality(
        judge=judge.name,
        trusted=calibration is not None and calibration.agreement.low >= KAPPA_TO_GATE,
        rows=len(drawn),
        failed=failed,
        levels={name: _levels(name, graded) for name in rubric.names},
        low=tuple(number for number, _ in low),
    )
    return found, [_finding(number, each, judge.name) for number, each in low]


def _levels(name: str, graded: Sequence[tuple[Row, Judgement]]) -> tuple[int, ...]:
    return tuple(sum(each.scores[name] == level for _, each in graded) for level in LEVELS)


def _finding(number: int, made: Judgement, judge: str) -> Finding:
    grades = ", ".join(f"{name} {grade}" for name, grade in made.scores.items())
    return Finding("quality", (number,), f"{judge} grades its answer {grades}: {made.reasons[:200]}", "judge")
