"""What an audit finds, and how much of it is too much."""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.errors import UsageProblem
from harness.types import Json

__all__ = ["KINDS", "LIMITS", "Finding", "broken", "in_order", "parse_limits", "rows_by_kind"]

KINDS: Mapping[str, str] = {
    "malformed": "a line that is no training row",
    "empty": "a question or an answer that says nothing",
    "leak": "a question or an answer of a suite stands in the training rows",
    "duplicate": "question and answer are those of another row",
    "conflict": "the same question with another answer",
    "schema": "an answer that the schema of its task rejects",
    "group": "rows of one group on both sides of a split",
    "prompt": "a system turn that is nearly, and not quite, that of a suite",
    "template": "the chat template cannot be trained on, or would be asked otherwise",
    "special": "the text of a row holds a special token",
    "truncated": "longer than max_length",
    "near_duplicate": "all but the same as another row",
    "placeholder": "an answer such as NaN or None, as exports write where nothing was",
    "cut_off": "an answer that stops in the middle, where the others end",
    "one_word": "a single word, where answers are longer",
    "outlier": "far longer or shorter than the others",
    "imbalance": "nearly all rows have one value or tag",
    "drift": "the lengths are not those of production",
    "provenance": "training rows and a suite come from one source",
    "quality": "a judge gives the answer one of the two lowest grades",
    "unmatched": "the answers fit no suite that was given",
}
"""Every kind, and what it means."""

LIMITS: Mapping[str, int] = dict.fromkeys(
    ("malformed", "empty", "leak", "duplicate", "conflict", "schema", "group", "prompt", "template", "special"), 0
)
"""Rows of each kind that are tolerated; kinds without a limit inform. Normalised duplicates inform too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        kind: one of `KINDS`.
        rows: numbers of the training rows it is about, ascending; the first row of a file is 1. Empty when it is about
            the file as a whole.
        message: one sentence with the evidence.
        how: what matched, for those kinds that look in several ways: `exact`, `normalised`, `ngram`, `minhash` ...
        details: the evidence by name, as JSON values, such as `suite`, `example`, `similarity`.
    """

    kind: str
    rows: tuple[int, ...]
    message: str
    how: str = ""
    details: Mapping[str, Json] = field(default_factory=dict)

    @property
    def decides(self) -> bool:
        """Whether it counts towards the limit of its kind."""
        return not (self.kind == "duplicate" and self.how != "exact")


def rows_by_kind(findings: Iterable[Finding]) -> dict[str, int]:
    """Rows at fault of each kind that occurs, each row counted once a kind, in the order of `KINDS`."""
    seen: dict[str, set[int]] = {}
    whole: Counter[str] = Counter()
    for finding in findings:
        own = finding.rows[1:] if finding.kind in ("duplicate", "near_duplicate") else finding.rows
        seen.setdefault(finding.kind, set()).update(own)
        whole[finding.kind] += not finding.rows
    return {kind: len(seen[kind]) + whole[kind] for kind in KINDS if kind in seen}


def broken(findings: Iterable[Finding], limits: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Kinds with more rows than their limit: what was found, and the limit."""
    counted = rows_by_kind(finding for finding in findings if finding.decides)
    return {kind: (n, limits[kind]) for kind, n in counted.items() if kind in limits and n > limits[kind]}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By kind, in the order of `KINDS`, then by rows."""
    order = {kind: index for index, kind in enumerate(KINDS)}
    return tuple(sorted(findings, key=lambda each: (order[each.kind], each.rows, each.how, each.message)))


def parse_limits(words: Iterable[str], limits: Mapping[str, int] = LIMITS) -> dict[str, int]:
    """`limits` changed by words such as `duplicate=5`, or `schema=off` for a kind that only informs.

    Raises:
        UsageProblem: no such kind, or neither a whole number >= 0 nor `off`.
    """
    found = dict(limits)
    for word in words:
        kind, _, text = word.partition("=")
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(KINDS)}"
            raise UsageProblem(f"--limit {word}: no such kind of finding; {hint}")
        if text == "off":
            found.pop(kind, None)
        elif text.isascii() and text.isdigit():
            found[kind] = int(text)
        else:
            raise UsageProblem(f"--limit {word}: write a whole number of rows, as {kind}=3, or {kind}=off")
    return found
