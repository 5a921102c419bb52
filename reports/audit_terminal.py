"""An audit on a terminal: the numbers, what was found, and the verdict. Text of others is never markup."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.audit import Audit
from reports.audit_page import rows_in_words, sentence
from reports.numbers import count, percent
from reports.texts import clip, visible

__all__ = ["print_audit"]

SHOWN = 3
FIELDS = 8
_WIDTH_OF_A_FILE = 120
_LINE = 300


def print_audit(found: Audit, *, file: TextIO) -> None:
    """Print the audit; of each kind the first three findings, the others are counted.

    Args:
        found: the audit.
        file: where to; 120 columns wide unless it is a terminal, coloured only there.
    """
    console = Console(
        file=file, width=None if file.isatty() else _WIDTH_OF_A_FILE, highlight=False, markup=False, emoji=False
    )
    with console.capture() as printed:
        console.print(_numbers(found))
        for line in _findings(found):
            console.print(line, soft_wrap=True)
        verdict = "broken" if found.broken else "clean"
        style = "red" if found.broken else "green"
        console.print(Text(f"audit: {verdict}", style=style), Text(f"({_text(sentence(found))})"), soft_wrap=True)
    encoding = getattr(file, "encoding", None) or "utf-8"
    lines = "".join(f"{line.rstrip()}\n" for line in printed.get().splitlines())
    file.write(lines.encode(encoding, "replace").decode(encoding))


def _numbers(found: Audit) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(found):
        table.add_row(name, _text(value))
    return table


def _lines(found: Audit) -> Iterator[tuple[str, str]]:
    own, total = found.distinct, found.tokens["total"]
    yield "rows", f"{count(found.lines)}, {count(own.exact)} different, {count(own.effective)} effective examples"
    for name, each in found.characters.items():
        yield f"{name}, characters", f"p50 {each.p50:g}, p95 {each.p95:g}, longest {count(each.longest)}"
    beyond = f"{percent(found.beyond)} beyond max_length {count(found.request.max_length)}"
    tokens = f"p50 {total.p50:g}, p95 {total.p95:g}, longest {count(total.longest)}; {beyond}"
    yield "row, tokens", f"{tokens} (tokenizer of {found.token_counts.tokenizer})"
    for column in sorted(found.fields, key=lambda column: -column.present)[:FIELDS]:
        share = percent(column.present / len(found.rows))
        yield f"field {_text(column.name)}", f"in {share}, {count(column.null)} null, {count(column.values)} values"
    if len(found.fields) > FIELDS:
        yield "fields", f"{count(len(found.fields) - FIELDS)} more"
    for leak in found.leaks:
        note = "" if leak.answers == "looked at" else f"; answers {leak.answers}"
        yield f"leaks into {_text(leak.suite)}", f"{count(leak.leaked)} of {count(leak.examples)} examples{note}"
    for schema in found.schemas:
        said = (
            f"{count(schema.rejected)} rejected" if schema.applied else "not applied, the answers are of another kind"
        )
        yield f"schema of {_text(schema.name)}", said
    if found.production:
        yield "production", f"Kolmogorov-Smirnov distance of lengths {found.production['distance']:.2f}"
    if measured := found.difficulty:
        whole = measured.whole
        shares = f"{percent(whole.easy)} easy, {percent(whole.medium)} medium, {percent(whole.hard)} hard"
        yield "difficulty", f"{shares}; {measured.metric} of {measured.model} on {count(whole.rows)} rows"
    if graded := found.quality:
        worth = "" if graded.trusted else "; not calibrated, so this only informs"
        yield (
            "quality",
            f"{count(len(graded.low))} of {count(graded.rows)} rows poor, says {_text(graded.judge)}{worth}",
        )


def _findings(found: Audit) -> Iterator[Text]:
    for kind, rows in found.counts.items():
        own = [finding for finding in found.findings if finding.kind == kind]
        limit = found.request.limits.get(kind)
        said = "informs" if limit is None else f"tolerated {limit}"
        style = "red" if kind in found.broken else "yellow" if limit is None else ""
        yield Text.assemble((f"{kind}: {count(rows)}", style), f" ({said})")
        for finding in own[:SHOWN]:
            yield Text(f"  {rows_in_words(finding.rows)}: {clip(_text(finding.message), _LINE).text}")
        if len(own) > SHOWN:
            yield Text(f"  and {count(len(own) - SHOWN)} more; --json FILE or --html FILE has them")


def _text(words: str) -> str:
    return visible(words).replace("\n", "␊")
