"""Labelled answers, and a judge's work on them: how `tunegate calibrate-judge` finds out what a judge is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import BadExamples, BadSpec, NotMeasured
from harness.fingerprint import file_digest
from harness.judge.asked import JudgeSettings, make_judge
from harness.judge.calibration import Calibration, fingerprint, keep
from harness.judge.instrument import MOST_FAILED
from harness.judge.judgement import Judge, Kind, Progress, Question, Status
from harness.judge.rubric import LEVELS, Rubric
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.store import Store
from harness.suite_files import load_suite

__all__ = ["FEWEST", "calibrate", "calibrate_from_files", "read_labels", "rubric_of"]

FEWEST = 100
"""Labelled answers below which agreement is not measured."""
REPEAT_SHARE = 0.1

_KEYS = {"id", "question", "reference", "answer", "labels", "by"}


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled answer; `labels` are 1 to 5 by dimension, `by` says whose: `rule`, or people."""

    id: str
    question: str
    reference: str
    answer: str
    labels: Mapping[str, int]
    by: str


def calibrate(judge: Judge, rubric: Rubric, labels: Path, store: Store, progress: Progress) -> Calibration:
    """Let a prepared `judge` grade the labelled answers of a file, and keep in `store` how it did.

    Raises:
        BadExamples: the file is malformed or has fewer than 100 answers.
        NotMeasured: the judge left more than 2 % of them without a grade.
    """
    rows = read_labels(labels, rubric)
    exact = judge.identity().exact
    again = [] if exact else rows[:: round(1 / REPEAT_SHARE)]
    questions = [_question(row, Kind.POINT) for row in rows] + [_question(row, Kind.REPEAT) for row in again]
    made = judge.ask(questions, rubric, store, progress)
    first = {row.id: each for row, each in zip(rows, made, strict=False)}
    graded = [(row, first[row.id]) for row in rows if first[row.id].status is Status.OK]
    if (failed := len(rows) - len(graded)) > MOST_FAILED * len(rows):
        worst = next(each for each in made if each.status is not Status.OK)
        raise NotMeasured(
            f"judge {judge.name}: {failed} of {len(rows)} labelled answers got no grade ({worst.status}: "
            f"{worst.reasons[:120]}); at most {MOST_FAILED:.0%} may"
        )
    twice = [(first[each.item], each) for each in made[len(rows) :]]
    whole = [(a, b) for a, b in twice if a.status is b.status is Status.OK]
    found = Calibration(
        pairs=tuple(tuple((row.labels[name], each.scores[name]) for name in rubric.names) for row, each in graded),
        failed=failed,
        repeated=len(whole),
        agreed=sum(dict(a.scores) == dict(b.scores) for a, b in whole),
        served=judge.identity().served,
        labels=file_digest(labels),
        by=", ".join(sorted({row.by for row in rows})),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    keep(store, fingerprint(judge, rubric), found)
    return found


def calibrate_from_files(
    settings: JudgeSettings, labels: Path, suite_file: Path, store_folder: Path
) -> tuple[Calibration, Rubric]:
    """What `tunegate calibrate-judge` does; see `calibrate`. The files are read before anything is sent."""
    rubric = rubric_of(suite_file)
    read_labels(labels, rubric)
    judge, store = make_judge(settings), Store(store_folder)
    try:
        judge.prepare(rubric)
        return calibrate(judge, rubric, labels, store, lambda _done, _total: None), rubric
    finally:
        store.close()


def read_labels(path: Path, rubric: Rubric) -> list[Label]:
    """Labelled answers, one object a line: `id`, `question`, `reference`, `answer`, `labels` by dimension, `by`.

    Raises:
        BadExamples: with file:line; fewer than 100 answers, keys missing or unknown, or a label that is no grade.
    """
    try:
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadExamples(f"{path}: cannot be read ({error}); give a JSONL file of labelled answers") from error
    rows = [_label(f"{path}:{number}", line, rubric) for number, line in enumerate(lines, start=1)]
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if row.id in seen:
            raise BadExamples(f"{path}:{number}: id {row.id!r} was there before; ids are unique")
        seen.add(row.id)
    if len(rows) < FEWEST:
        raise BadExamples(
            f"{path}:{len(rows)}: {len(rows)} labelled answers; a judge is calibrated on {FEWEST} or more"
        )
    return rows


def _label(where: str, line: str, rubric: Rubric) -> Label:
    try:
        row = parse_strict(line)
    except InvalidJson as error:
        raise BadExamples(f"{where}: not JSON ({error}); write one object a line") from error
    if not isinstance(row, dict) or row.keys() != _KEYS:
        raise BadExamples(f"{where}: a labelled answer has exactly the keys {', '.join(sorted(_KEYS))}")
    for key in sorted(_KEYS - {"labels"}):
        if not isinstance(row[key], str) or (key not in ("answer", "reference") and not row[key].strip()):
            raise BadExamples(f"{where}: {key!r} must be a text, not {row[key]!r}")
    labels = row["labels"]
    if not isinstance(labels, dict) or labels.keys() != set(rubric.names):
        raise BadExamples(f"{where}: 'labels' must grade exactly {', '.join(rubric.names)}, as the suite's rubric does")
    for name, value in labels.items():
        if type(value) is not int or value not in LEVELS:
            raise BadExamples(f"{where}: label {name} is {value!r}; give a whole number from 1 to 5")
    return Label(**row)


def _question(row: Label, kind: Kind) -> Question:
    vote = int(kind is Kind.REPEAT)
    return Question(row.id, kind, row.question, row.reference, (row.answer,), vote=vote)


def rubric_of(suite_file: Path) -> Rubric:
    """The rubric of the judged suite in a suite file.

    Raises:
        BadSpec: it cannot be read, or has no judged suite.
    """
    rubric = getattr(load_suite(suite_file), "rubric", None)
    if not isinstance(rubric, Rubric):
        raise BadSpec(f"--suite {suite_file}: its suite has no rubric; give the file of a JudgeSuite")
    return rubric
