"""Everything the page of an audit says, as one value, and the file it is written to."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup

from harness.audit import KINDS, Audit, Finding
from harness.errors import UsageProblem
from reports.audit_figures import bars, histogram
from reports.charts.canvas import NARROW, WIDE, Figure
from reports.html import render_template
from reports.texts import clip

__all__ = ["AuditPage", "Kind", "build", "write_audit"]

SHOWN = 20
_QUOTED = 400
_FEW = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding: which rows, what is said, and the texts that show it."""

    rows: str
    how: str
    message: str
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """All findings of one kind. `outcome` is FAIL beyond its limit, PASS within, empty without a limit."""

    name: str
    meaning: str
    rows: int
    limit: int | None
    outcome: str
    shown: tuple[Shown, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The whole page."""

    audit: Audit
    outcome: str
    sentence: str
    kinds: tuple[Kind, ...]
    quiet: tuple[str, ...]
    lengths: tuple[Figure, ...]
    classes: tuple[Figure, ...]
    difficulty: Figure | None


def write_audit(found: Audit, path: Path) -> None:
    """Write the page: one file that opens from disk and loads nothing.

    Raises:
        UsageProblem: `path` cannot be written.
    """
    text = render_template("audit.html.j2", page=build(found))
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        draft.write_bytes(text.encode("utf-8"))
        draft.replace(path)
    except OSError as error:
        raise UsageProblem(f"--html {path}: cannot be written ({error.strerror}); give another path") from error


def build(found: Audit) -> AuditPage:
    """Work out the page of an audit."""
    kinds = tuple(_kinds(found))
    return AuditPage(
        audit=found,
        outcome="FAIL" if found.broken else "PASS",
        sentence=sentence(found),
        kinds=kinds,
        quiet=tuple(kind for kind in KINDS if kind in found.request.limits and kind not in found.counts),
        lengths=tuple(_lengths(found)),
        classes=tuple(_classes(found)),
        difficulty=_difficulty(found),
    )


def sentence(found: Audit) -> str:
    """The verdict in words."""
    if not found.broken:
        return f"{found.request.data.name} keeps every limit."
    parts = [f"{rows:,} {kind}" for kind, (rows, _) in found.broken.items()]
    return f"Do not train on {found.request.data.name} yet: {', '.join(parts)}."


def _kinds(found: Audit) -> Iterator[Kind]:
    for kind, rows in found.counts.items():
        own = [finding for finding in found.findings if finding.kind == kind]
        limit = found.request.limits.get(kind)
        outcome = "" if limit is None else "FAIL" if kind in found.broken else "PASS"
        shown = tuple(_shown(finding, found) for finding in own[:SHOWN])
        yield Kind(kind, KINDS[kind], rows, limit, outcome, shown, len(own) - len(shown))


def _shown(finding: Finding, found: Audit) -> Shown:
    first = [row for row in found.rows if row.number in finding.rows[:2]] if finding.rows else []
    texts = [(f"row {row.number}", f"{row.question}\n→ {row.answer}") for row in first]
    if (example := finding.details.get("example_text")) is not None:
        texts = [*texts, (f"{finding.details['suite']} {finding.details['example']}", str(example))]
    quoted = tuple((name, clip(text, _QUOTED).text) for name, text in texts)
    return Shown(rows_in_words(finding.rows), finding.how, finding.message, quoted)


def rows_in_words(rows: tuple[int, ...], most: int = 8) -> str:
    """`3, 17 and 40`, or the first few and how many more."""
    if not rows:
        return "the file"
    named = ", ".join(f"{row:,}" for row in rows[:most])
    return named if len(rows) <= most else f"{named} and {len(rows) - most:,} more"


def _lengths(found: Audit) -> Iterator[Figure]:
    limit = found.request.max_length
    for part, said in (
        ("total", "a whole row as training sees it"),
        ("question", "the question"),
        ("answer", "the answer"),
    ):
        own = found.tokens[part]
        marks = {"p50": own.p50, "p95": own.p95}
        if part == "total" and limit <= 2 * own.longest:
            marks["max_length"] = limit
        title = f"tokens of {said}"
        draw = partial(histogram, own.edges, own.bins, title=title, marks=marks)
        caption = f"Half of the rows have at most {own.p50:g} tokens in {said}, 95% at most {own.p95:g}."
        yield _figure(draw, caption)


def _classes(found: Audit) -> Iterator[Figure]:
    columns = [*found.fields, *([found.tags] if found.tags else [])]
    for column in columns:
        if 1 < column.values <= _FEW:
            draw = partial(bars, column.top, title=f"rows by {column.name}")
            name, count = column.top[0]
            caption = f"{column.name}: {name} is most frequent, {count:,} of {column.present:,} rows."
            yield _figure(draw, caption)


def _difficulty(found: Audit) -> Figure | None:
    measured = found.difficulty
    if measured is None:
        return None
    counts = [(f"{passed} of {measured.tries} right", rows) for passed, rows in enumerate(measured.counts)]
    title = f"rows by how often {measured.model} was right"
    draw = partial(bars, counts, title=title)
    whole = measured.whole
    shares = f"{whole.easy:.0%} easy, {whole.medium:.0%} medium, {whole.hard:.0%} hard"
    return _figure(draw, f"{whole.rows} rows: {shares}.")


def _figure(draw: Callable[..., Markup], caption: str) -> Figure:
    return Figure(draw(width=WIDE), draw(width=NARROW), caption)
