"""Four-choice questions in MMLU's form: where they come from, and the prompt that lm-eval's `mmlu` gives them.

    The following are multiple choice questions (with answers) about astronomy.

    Which planet is nearest to the Sun?
    A. Venus
    B. Mercury
    C. Mars
    D. Earth
    Answer:

The model is scored on which of ` A`, ` B`, ` C`, ` D` it finds most likely to follow.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.errors import BadExamples, BadSpec
from harness.fingerprint import digest
from harness.paths import beside_caller
from harness.types import Example

__all__ = [
    "LETTERS",
    "HubMmlu",
    "MmluFolder",
    "Question",
    "QuestionFile",
    "QuestionSource",
    "Questions",
    "examples",
    "mc_csv",
    "mmlu_dir",
    "mmlu_hub",
]

LETTERS = ("A", "B", "C", "D")

_COLUMNS = ["question", "choice0", "choice1", "choice2", "choice3", "answer"]
_ID_LENGTH = 16
_HUB_ID = "cais/mmlu"


@dataclass(frozen=True, slots=True)
class Question:
    """One question with four options. `answer` is the index of the right one, 0 to 3."""

    subject: str
    text: str
    options: tuple[str, ...]
    answer: int

    def ask(self) -> str:
        """The question as lm-eval writes it, up to `Answer:`."""
        lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, self.options, strict=True)]
        return "\n".join([self.text.strip(), *lines, "Answer:"])


@dataclass(frozen=True, slots=True)
class Questions:
    """What a source holds: `test` rows to measure, and worked examples (`shots`) by subject, in order."""

    test: tuple[Question, ...]
    shots: Mapping[str, Sequence[Question]] = field(default_factory=dict)


class QuestionSource(Protocol):
    """Anything that can read questions."""

    def read(self) -> Questions:
        """All of them, checked. Raises BadExamples, its message starting with `file:line`."""


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """One CSV file with the header `subject,question,choice0,...,choice3,answer`; `shots` is another, or None."""

    path: Path
    shots: Path | None = None

    def read(self) -> Questions:
        """See `QuestionSource.read`."""
        shots: dict[str, list[Question]] = {}
        for question in _read(self.shots) if self.shots else ():
            shots.setdefault(question.subject, []).append(question)
        return Questions(tuple(_read(self.path)), shots)


@dataclass(frozen=True, slots=True)
class MmluFolder:
    """A folder with `test/SUBJECT_test.csv` and, for worked examples, `dev/SUBJECT_dev.csv`.

    The files have the header `question,choice0,...,choice3,answer` with answers 0 to 3, or are in the original form:
    no header, the answer a letter.
    """

    path: Path

    def read(self) -> Questions:
        """See `QuestionSource.read`."""
        files = sorted((self.path / "test").glob("*.csv"))
        if not files:
            raise BadExamples(f"{self.path}/test: holds no *.csv; give the folder that has dev/ and test/ in it")
        test = [question for file in files for question in _read(file, _subject(file, "_test"))]
        dev = sorted((self.path / "dev").glob("*.csv"))
        return Questions(
            tuple(test), {_subject(file, "_dev"): list(_read(file, _subject(file, "_dev"))) for file in dev}
        )


@dataclass(frozen=True, slots=True)
class HubMmlu:
    """The test and dev rows of `cais/mmlu`, the data of lm-eval's `mmlu`, at one commit."""

    revision: str

    def read(self) -> Questions:
        """See `QuestionSource.read`; downloads the rows unless they are cached."""
        import datasets

        datasets.disable_progress_bars()
        try:
            splits = [
                datasets.load_dataset(_HUB_ID, "all", split=split, revision=self.revision) for split in ("test", "dev")
            ]
        except (OSError, ValueError, RuntimeError) as error:
            raise BadExamples(
                f"{_HUB_ID}@{self.revision[:12]}: not to be had from the Hub ({type(error).__name__}); check the "
                "network and the revision, or give the CSV files with --mmlu-dir"
            ) from error
        test, dev = (
            [Question(row["subject"], row["question"], tuple(row["choices"]), row["answer"]) for row in split]
            for split in splits
        )
        shots: dict[str, list[Question]] = {}
        for question in dev:
            shots.setdefault(question.subject, []).append(question)
        return Questions(tuple(test), shots)


def mc_csv(path: str | Path, *, shots: str | Path | None = None) -> QuestionFile:
    """Own questions from a CSV file with subjects; relative paths are taken from the folder of the calling file."""
    return QuestionFile(beside_caller(path), beside_caller(shots) if shots is not None else None)


def mmlu_dir(folder: str | Path) -> MmluFolder:
    """MMLU's CSV files in `folder`/dev and `folder`/test; a relative path is taken from the working directory."""
    return MmluFolder(Path(folder).expanduser().resolve())


def mmlu_hub(revision: str) -> HubMmlu:
    """The real MMLU from the Hub at a commit of 40 hex digits, so that the data cannot change.

    Raises:
        BadSpec: `revision` is a branch, a tag or a shortened commit.
    """
    if len(revision) != 40 or set(revision) - set("0123456789abcdef"):  # noqa: PLR2004  # length of a Git commit
        raise BadSpec(f"mmlu_hub({revision!r}): give a full commit, 40 hex digits; branches and tags can move")
    return HubMmlu(revision)


def examples(questions: Questions, fewshot: int) -> tuple[Example, ...]:
    """Each test question as an example: its input is the whole prompt, its target the letter.

    A repeated row gets an ordinal after its id, and shares its cluster with the first.

    Raises:
        BadSpec: a subject has fewer than `fewshot` worked examples.
    """
    seen: Counter[str] = Counter()
    made = []
    heads = {
        subject: _head(subject, questions, fewshot) for subject in {question.subject for question in questions.test}
    }
    for question in questions.test:
        cluster = digest([question.subject, question.text, list(question.options), question.answer])[:_ID_LENGTH]
        seen[cluster] += 1
        made.append(
            Example(
                id=cluster if seen[cluster] == 1 else f"{cluster}-{seen[cluster]}",
                input=heads[question.subject] + question.ask(),
                target=LETTERS[question.answer],
                tags=(question.subject,),
                cluster=cluster,
            )
        )
    return tuple(made)


def _head(subject: str, questions: Questions, fewshot: int) -> str:
    """What precedes the question: the subject's description, then `fewshot` worked examples."""
    shots = questions.shots.get(subject, ())
    if len(shots) < fewshot:
        raise BadSpec(
            f"subject {subject!r} has {len(shots)} worked examples, {fewshot} are asked for; lower --mmlu-fewshot"
        )
    worked = [f"{shot.ask()} {LETTERS[shot.answer]}\n\n" for shot in shots[:fewshot]]
    about = subject.replace("_", " ")
    return f"The following are multiple choice questions (with answers) about {about}.\n\n" + "".join(worked)


def _subject(file: Path, suffix: str) -> str:
    return file.stem.removesuffix(suffix)


def _read(path: Path, subject: str | None = None) -> Iterator[Question]:
    """The questions of one file. With `subject` the file has no such column, and may have no header either."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadExamples(f"{path}: cannot be read ({error}); check the path, and save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = _COLUMNS if subject else ["subject", *_COLUMNS]
    count = 0
    try:
        for number, cells in enumerate(reader):
            if number == 0 and cells == columns:
                continue
            if number == 0 and subject is None:
                raise BadExamples(f"{path}:1: the header must be {','.join(columns)}")
            yield _question(f"{path}:{reader.line_num}", cells if subject is None else [subject, *cells])
            count += 1
    except csv.Error as error:
        raise BadExamples(f"{path}:{reader.line_num}: not CSV ({error})") from error
    if not count:
        raise BadExamples(f"{path}:1: holds no questions")


def _question(where: str, cells: Sequence[str]) -> Question:
    if len(cells) != len(_COLUMNS) + 1:
        raise BadExamples(f"{where}: {len(cells) - 1} cells, expected question, four options and the answer")
    subject, text, *options, answer = cells
    if not all(cell.strip() for cell in (subject, text, *options)):
        raise BadExamples(f"{where}: subject, question and options must not be blank")
    index = "ABCD".find(answer) if answer in LETTERS else "0123".find(answer)
    if index < 0 or len(answer) != 1:
        raise BadExamples(f"{where}: the answer is {answer!r}, it must be 0 to 3 or A to D")
    return Question(subject, text, tuple(options), index)
