"""The audit: a file of training rows in, everything that is known and wrong of it out. Nothing is changed or deleted.

rows --questions, answers--> Side --+--> duplicates, conflicts, clusters
suites --------------> HeldOut -----+--> leaks, groups, schemas, prompts
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness.audit import duplicates as same
from harness.audit import labels, lengths, schemas, templates
from harness.audit.difficulty import Asked, Difficulty, difficulty
from harness.audit.findings import LIMITS, Finding, broken, in_order, rows_by_kind
from harness.audit.groups import crossing, one_source
from harness.audit.held_out import HeldOut, held_out, provenance_of, schemas_of
from harness.audit.leakage import Leaks, leaks
from harness.audit.quality import Graders, Quality, quality
from harness.audit.rows import Row, read_rows
from harness.audit.side import Side
from harness.audit.texts import Array
from harness.backends import Backend
from harness.chat import load_tokenizer
from harness.errors import UsageProblem
from harness.fingerprint import digest, file_digest
from harness.metrics.schemas import load_schema
from harness.models import licence, locate
from harness.types import Json
from harness.uncollected import uncollected

__all__ = ["MAX_LENGTH", "VERSION", "Audit", "Request", "audit", "contents_digest", "system_text", "within"]

VERSION = 1
"""Of the checks and of the JSON; raised when the same rows would give another result."""

MAX_LENGTH = 1024
"""Tokens; what training takes unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to audit, and against what.

    Attributes:
        data: the file of training rows.
        against: folders of suites, suite files, or data files of other splits.
        schema: a JSON schema that every answer must fit, besides those of the suites.
        production: questions as they come in practice, in any form of rows, to compare lengths with.
        model: base whose tokenizer and template count and render.
        max_length: tokens that training cuts at.
        system: system turn of rows that have none.
        limits: rows of each kind that are tolerated.
        asked: how difficulty is measured; None where it is not.
        graders: who grades the answers; None where nobody does.
    """

    data: Path
    against: tuple[Path, ...] = ()
    schema: Path | None = None
    production: Path | None = None
    model: str = "embedded"
    max_length: int = MAX_LENGTH
    system: str = ""
    limits: Mapping[str, int] = field(default_factory=lambda: dict(LIMITS))
    asked: Asked | None = None
    graders: Graders | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit knows.

    Attributes:
        request: what was asked for.
        rows: that could be read.
        lines: rows of the file, malformed ones included.
        data_sha256: of the file.
        distinct: how many different rows there are.
        characters: lengths of question and answer.
        tokens: lengths of question, answer and of the whole row as training sees it.
        token_counts: how tokens were counted.
        beyond: share of rows that are longer than `max_length`.
        fields, tags: what the answers hold, and how the rows are tagged.
        answers: how many answers are there, of one word, and JSON.
        leaks: for each suite.
        schemas: for each schema.
        parity: what was rendered.
        licence: of the base, as its card says; empty when it does not.
        provenance: where this file's rows and those of each suite are said to come from.
        production: how lengths compare, when a sample was given.
        difficulty: when it was asked for.
        quality: what a judge makes of the answers, when one was asked.
        review: rows that were drawn for a person to read.
        findings: all of them, in the order of `KINDS`, then of rows.
    """

    request: Request
    rows: tuple[Row, ...]
    lines: int
    data_sha256: str
    distinct: same.Distinct
    characters: Mapping[str, lengths.Lengths]
    tokens: Mapping[str, lengths.Lengths]
    token_counts: lengths.TokenLengths
    beyond: float
    fields: tuple[labels.Field, ...]
    tags: labels.Field | None
    leaks: tuple[Leaks, ...]
    schemas: tuple[schemas.Judged, ...]
    parity: templates.Parity
    licence: str
    provenance: Mapping[str, tuple[str, ...]]
    production: Mapping[str, Json] | None
    difficulty: Difficulty | None
    quality: Quality | None
    review: tuple[templates.Reviewed, ...]
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Rows at fault, by kind."""
        return rows_by_kind(self.findings)

    @property
    def broken(self) -> dict[str, tuple[int, int]]:
        """Kinds beyond their limit: rows, and the limit."""
        return broken(self.findings, self.request.limits)

    @property
    def digest(self) -> str:
        """Of the data, what it was compared with, the limits and what was found."""
        found: list[Json] = [[each.kind, list(each.rows), each.how, each.message] for each in self.findings]
        compared: list[Json] = [each.digest for each in self.leaks]
        judged: list[Json] = [each.digest for each in self.schemas]
        return contents_digest(self.data_sha256, [*compared, *judged], self.request.limits, found)


def audit(request: Request, backend: Backend | None = None) -> Audit:
    """Read the rows and look at them in every way.

    Args:
        request: what to audit.
        backend: answers when difficulty is asked for; made for this machine unless given.

    Raises:
        HarnessError: a file cannot be read or holds no rows, a suite is unfit, or the base's tokenizer is.
    """
    with uncollected():  # millions of objects stay, and walking over them takes a fifth of the time
        return _audit(request, backend)


def _audit(request: Request, backend: Backend | None) -> Audit:
    rows, malformed = read_rows(request.data)
    held = tuple(each for place in request.against for each in held_out(place))
    with ThreadPoolExecutor(1) as beside:  # tokenizers let go of the interpreter while they count
        rendering = beside.submit(_render, request, rows, held)
        compared = _compare(request, rows, held)
        rendered = rendering.result()
    counted, characters = rendered.lengths, lengths.characters(rows)
    production, drifted = _production(request.production, characters["question"])
    columns, tagged = labels.fields(rows), labels.tags(rows)
    graded, poor = quality(rows, request.graders) if request.graders else (None, [])
    if graded and not graded.trusted and "quality" in request.limits:
        raise UsageProblem(
            f"--limit quality: judge {graded.judge} has not been shown to agree with labels, so its grades only "
            "inform; calibrate it with `tunegate calibrate-judge`, or leave the limit out"
        )
    found = [
        *malformed,
        *compared.findings,
        *rendered.findings,
        *lengths.truncated(rows, counted, request.max_length),
        *lengths.outliers(rows, characters, "characters"),
        *drifted,
        *poor,
        *labels.imbalance([*columns, *([tagged] if tagged else [])], len(rows)),
    ]
    return Audit(
        request=request,
        rows=rows,
        lines=len({row.number for row in rows} | {number for finding in malformed for number in finding.rows}),
        data_sha256=file_digest(request.data),
        distinct=compared.distinct,
        characters={name: lengths.summary(each) for name, each in characters.items()},
        tokens={name: lengths.summary(getattr(counted, name)) for name in ("question", "answer", "total")},
        token_counts=counted,
        beyond=float((counted.total > request.max_length).mean()),
        fields=columns,
        tags=tagged,
        leaks=compared.leaks,
        schemas=compared.schemas,
        parity=rendered.parity,
        licence=rendered.licence,
        provenance={request.data.name: compared.sources, **{each.name: each.provenance for each in held}},
        production=production,
        difficulty=_difficulty(rows, held, request.asked, backend) if request.asked else None,
        quality=graded,
        review=rendered.review,
        findings=in_order(found),
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """What comes of comparing the rows with each other, and with what must stay unseen."""

    distinct: same.Distinct
    leaks: tuple[Leaks, ...]
    schemas: tuple[schemas.Judged, ...]
    sources: tuple[str, ...]
    findings: list[Finding]


def _compare(request: Request, rows: Sequence[Row], held: Sequence[HeldOut]) -> _Compared:
    stated = provenance_of(request.data)
    asked, said = Side.of([row.question for row in rows]), Side.of([row.answer for row in rows])
    near, distinct = same.near_duplicates(rows, asked, said)
    leaked = leaks(rows, asked, said, held)
    judged, rejected = schemas.judge(rows, schemas_of(held), _given(request.schema))
    findings = [
        *near,
        *(finding for each in leaked for finding in each.findings),
        *rejected,
        *crossing(rows, held),
        *one_source(stated, rows, held),
        *templates.drifted_systems(rows, held),
        *within(rows),
    ]
    return _Compared(distinct, tuple(leaked), tuple(judged), _sources(stated, rows), findings)


@dataclass(frozen=True, slots=True)
class _Rendered:
    """What comes of rendering and tokenizing the rows."""

    lengths: lengths.TokenLengths
    parity: templates.Parity
    findings: list[Finding]
    review: tuple[templates.Reviewed, ...]
    licence: str


def _render(request: Request, rows: Sequence[Row], held: Sequence[HeldOut]) -> _Rendered:
    system = request.system or _system(rows, held)
    folder = locate(*_model(request.model))
    tokenizer = load_tokenizer(folder)
    counted = lengths.token_lengths(rows, tokenizer, request.model, system=system)
    parity, found = templates.parity(rows, held, tokenizer, system=system)
    review = templates.reviewed(rows, tokenizer, system=system)
    return _Rendered(counted, parity, found, review, licence(folder))


def within(rows: Sequence[Row]) -> list[Finding]:
    """What is wrong with the rows by themselves, quickly found."""
    return [
        *same.duplicates(rows),
        *same.conflicts(rows),
        *labels.answers_that_say_nothing(rows),
        *labels.unusual_answers(rows),
    ]


def contents_digest(
    data_sha256: str, compared: Sequence[Json], limits: Mapping[str, int], found: Sequence[Json]
) -> str:
    """Names an audit by its contents."""
    values: dict[str, Json] = {
        "version": VERSION,
        "data": data_sha256,
        "compared": list(compared),
        "limits": dict(limits),
        "findings": list(found),
    }
    return digest(values)


def system_text(path: Path | None) -> str:
    """The system turn that a file holds, without its last line break; empty without a file.

    Raises:
        UsageProblem: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"--system-file {path}: cannot be read ({error}); check the path") from error


def _given(path: Path | None) -> dict[str, Mapping[str, Json]]:
    if path is None:
        return {}
    if not path.is_file():
        raise UsageProblem(f"--schema {path}: no such file; give a JSON schema")
    return {path.name: load_schema(path)}


def _model(reference: str) -> tuple[str, str | None]:
    name, _, revision = reference.partition("@")
    return (reference, None) if Path(reference).exists() else (name, revision or None)


def _system(rows: Sequence[Row], held: Sequence[HeldOut]) -> str:
    """The one system turn that suites ask with, for rows that have none: training is told the same one."""
    texts = {each.system for each in held if each.system}
    return texts.pop() if len(texts) == 1 and not any(row.system for row in rows) else ""


def _production(path: Path | None, questions: Array) -> tuple[Mapping[str, Json] | None, list[Finding]]:
    if path is None:
        return None, []
    from harness.audit.production import question_lengths

    return lengths.drift(questions, question_lengths(path))


def _difficulty(rows: Sequence[Row], held: Sequence[HeldOut], asked: Asked, backend: Backend | None) -> Difficulty:
    if backend is None:
        from harness.backends.hf import HfBackend

        backend = HfBackend()
    return difficulty(rows, held, asked, backend)


def _sources(stated: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(sorted({*stated, *(row.provenance for row in rows if row.provenance)}))
