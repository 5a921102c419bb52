"""Rows of a suite that stand in the training rows: word for word, normalised, in part, or nearly.

Question and answer are looked at apart. What many rows share (an instruction, a heading, a form) is the template, not
the row: runs of words and characters that recur within the suite, or all over the training rows, do not count.
A paraphrase shares neither words nor characters, so none of this finds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.audit.findings import Finding
from harness.audit.held_out import HeldOut, answer_of
from harness.audit.rows import Row
from harness.audit.side import Side
from harness.audit.signatures import SIMILAR, bands, jaccard, pairs, signatures
from harness.audit.texts import Array, Vocabulary, WordRuns, normalised, shingles, words
from harness.fingerprint import digest
from harness.types import Json

__all__ = ["Leaks", "leaks"]

RUN = 8
"""Words of a run. Longest matches of 8 words find more contamination than those of 13 (Singh et al., ConTAM, 2024)."""
SHORTEST = 4
"""Words of a text that is looked for inside others; shorter ones must be equal."""
WHOLE = 0.9
"""Share of a text's own words, or of one of its lines, that is as good as all of it."""
PART, PART_WORDS = 0.5, 12
"""Share of a text's own words that is enough where it is at least so many words."""
LONG_RUN = 25
"""Own words in one run that are enough whatever the share."""
LINE = 10
"""Words of a line that is looked for by itself: a question is often copied without what stands around it."""
FORM = 3
"""A run of words that more texts of one side hold is the form that they share."""
LABELS = 0.01
"""Share of training rows that have their answer in common with another question: above it answers are labels, and that
a suite has the same ones says nothing."""
SAMPLED = 4_000
"""Training texts, at most, from which common shingles are learned."""
SHOWN = 160
_SAID = {
    "exact": "is, word for word,",
    "normalised": "is, but for case, width or spaces,",
    "ngram": "holds {share:.0%} of the own words of",
    "minhash": "is {share:.0%} alike",
}


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was found in one suite.

    `digest` is that of its examples; `answers` says whether answers could be looked at, and if not, why.
    """

    suite: str
    digest: str
    examples: int
    leaked: int
    answers: str
    findings: tuple[Finding, ...]


class _Hit(NamedTuple):
    row: int
    example: int
    how: str
    share: float


def leaks(rows: Sequence[Row], asked: Side, said: Side, held: Sequence[HeldOut]) -> list[Leaks]:
    """Every pair of a training row and a suite's example that share more than a template.

    Args:
        rows: of the training file.
        asked: their questions.
        said: their answers.
        held: suites with their examples.

    Returns:
        One for each suite, with one finding for each offending pair and side.
    """
    if not held:
        return []
    reason = _labels(asked, said)
    questions, answers = _Search.of(asked, SHORTEST), None if reason else _Search.of(said, RUN)
    found = []
    for each in held:
        hits = {"question": questions.hits([example.input for example in each.examples])}
        if answers is not None:
            hits["answer"] = answers.hits([answer_of(example) for example in each.examples])
        findings = [finding for side, own in hits.items() for finding in _findings(rows, each, side, own)]
        leaked = {hit.example for own in hits.values() for hit in own}
        own = digest([[example.id, example.input] for example in each.examples])
        found.append(Leaks(each.name, own, len(each.examples), len(leaked), reason or "looked at", tuple(findings)))
    return found


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for texts in one side of the training rows.

    Attributes:
        side: where to look.
        runs, vocabulary: its words.
        shortest: words that a text must have to be looked for in part; for answers also to be looked for at all.
        forms: hashes of runs of 8 words that more than three training texts hold.
        shapes: the same for shingles, of which many more texts must hold one.
        bands: of the signatures.
        index: of each text.
    """

    side: Side
    runs: WordRuns
    vocabulary: Vocabulary
    shortest: int
    forms: Array
    shapes: Array
    bands: Array
    index: Mapping[str, int]

    @classmethod
    def of(cls, side: Side, shortest: int) -> "_Search":
        runs, vocabulary = side.runs()
        hashes, at = runs.runs(RUN)
        count = len(side.texts)
        some = side.pieces[:: max(1, count // SAMPLED)]
        shapes = _frequent(*_flat(some), max(20, len(some) // 50))
        forms = _frequent(hashes, runs.owners()[at], FORM)
        index = {text: number for number, text in enumerate(side.texts)}
        return cls(side, runs, vocabulary, shortest, forms, shapes, bands(side.signed), index)

    def hits(self, raw: Sequence[str]) -> list[_Hit]:
        """The strongest match of each pair of training row and text."""
        texts = [normalised(text) for text in raw]
        long = [len(words(text)) >= self.shortest for text in texts]
        best: dict[tuple[int, int], _Hit] = {}

        def note(group: int, example: int, how: str, share: float) -> None:
            for row in self.side.owners[group]:
                own = "exact" if how == "normalised" and self.side.raw[row] == raw[example] else how
                best.setdefault((row, example), _Hit(row, example, own, share))

        for example, text in enumerate(texts):
            if text in self.index and (long[example] or self.shortest < RUN):
                note(self.index[text], example, "normalised", 1.0)
        parts = [*enumerate(texts), *_lines(raw)]
        for group, part, share in self._contained(parts, len(texts)):
            example = parts[part][0]
            if long[example] and (part < len(texts) or share >= WHOLE):
                note(group, example, "ngram", share)
        for group, example, share in self._alike(texts):
            if long[example]:
                note(group, example, "minhash", share)
        return sorted(best.values())

    def _contained(self, parts: Sequence[tuple[int, str]], whole: int) -> Iterator[tuple[int, int, float]]:
        """Pairs where the training text holds most of the part's own words, or a long run of them.

        What is too short to have a run of 8 words, or is nothing but template, is looked for as a whole; but not so
        lines, which come after the first `whole` parts: every instruction would be found.
        """
        texts = [text for _, text in parts]
        examples = np.array([example for example, _ in parts])
        own = WordRuns.of(texts, self.vocabulary)
        hashes, at = own.runs(RUN)
        owners = own.owners()
        template = np.isin(hashes, np.union1d(self.forms, _frequent(hashes, examples[owners[at]], FORM)))
        sizes = np.diff(own.starts)
        without = np.setdiff1d(np.arange(whole), owners[at[~template]])
        for size in np.unique(sizes[without]).tolist():
            if size >= SHORTEST:
                yield from self._whole(own, without[sizes[without] == size], size)
        shared = _covered(at[template], len(own.ids))
        for (group, example), places in self._matches(hashes[~template], at[~template], owners).items():
            start, end = own.starts[example], own.starts[example + 1]
            mine = ~shared[start:end]
            seen = _covered(np.array(places) - start, int(end - start)) & mine
            count, share = int(seen.sum()), float(seen.sum() / max(1, mine.sum()))
            if share >= WHOLE or (share >= PART and count >= PART_WORDS) or _longest(seen) >= LONG_RUN:
                yield group, example, share

    def _whole(self, own: WordRuns, examples: Array, size: int) -> Iterator[tuple[int, int, float]]:
        hashes, at = own.runs(size)
        starts = own.starts[examples]
        wanted = {
            int(hashes[np.searchsorted(at, start)]): int(each) for start, each in zip(starts, examples, strict=True)
        }
        train, train_at = self.runs.runs(size)
        owners = self.runs.owners()
        for place in np.flatnonzero(np.isin(train, np.array(list(wanted), np.uint64))).tolist():
            yield int(owners[train_at[place]]), wanted[int(train[place])], 1.0

    def _matches(self, hashes: Array, at: Array, owners: Array) -> dict[tuple[int, int], list[int]]:
        """Where the runs of each example begin that a training text holds too, by that text and the example."""
        train, train_at = self.runs.runs(RUN)
        hit = np.flatnonzero(np.isin(train, hashes))
        order = np.argsort(hashes, kind="stable")
        low, high = (np.searchsorted(hashes[order], train[hit], which) for which in ("left", "right"))
        groups = self.runs.owners()[train_at[hit]]
        found: dict[tuple[int, int], list[int]] = {}
        for group, first, last in zip(groups.tolist(), low.tolist(), high.tolist(), strict=True):
            for place in at[order[first:last]].tolist():
                found.setdefault((group, int(owners[place])), []).append(place)
        return found

    def _alike(self, texts: Sequence[str]) -> Iterator[tuple[int, int, float]]:
        """Pairs whose own runs of characters, those of templates left out, are nearly the same sets."""
        pieces = shingles(texts)
        template = np.union1d(self.shapes, _boilerplate(*_flat(pieces), len(texts)))
        for example, group in pairs(signatures(pieces), self.side.signed, self.bands).tolist():
            one, other = (each[~np.isin(each, template)] for each in (pieces[example], self.side.pieces[group]))
            if (share := jaccard(one, other)) >= SIMILAR:
                yield group, example, share


def _lines(raw: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The longer lines of texts that have several, normalised, each with the index of its text."""
    for index, text in enumerate(raw):
        lines = text.strip().split("\n")
        if len(lines) > 1:
            yield from ((index, line) for line in map(normalised, lines) if len(words(line)) >= LINE)


def _flat(pieces: Sequence[Array]) -> tuple[Array, Array]:
    """All shingles one after the other, and the index of the text that each one is of."""
    return np.concatenate(pieces), np.repeat(np.arange(len(pieces)), [len(each) for each in pieces])


def _boilerplate(hashes: Array, owners: Array, texts: int) -> Array:
    """Hashes that occur in more than three texts and in more than a fiftieth of them."""
    return _frequent(hashes, owners, max(3, texts // 50))


def _frequent(hashes: Array, owners: Array, limit: int) -> Array:
    order = np.lexsort((owners, hashes))
    ordered, own = hashes[order], owners[order]
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (own[1:] != own[:-1])
    values, counts = np.unique(ordered[fresh], return_counts=True)
    return values[counts > limit]


def _covered(starts: Array, size: int) -> Array:
    """(size,) whether each word lies in a run of 8 that begins at one of `starts`."""
    change = np.zeros(size + RUN + 1, np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + RUN, -1)
    return np.cumsum(change)[:size] > 0


def _longest(seen: Array) -> int:
    """The longest stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _labels(asked: Side, said: Side) -> str:
    """Why answers are not looked at; empty when they are."""
    questions = [len({asked.place[row] for row in owners}) for owners in said.owners]
    shared, every = sum(n for n in questions if n > 1), sum(questions)
    if shared / every <= LABELS:
        return ""
    return f"not looked at: {shared} of {every} questions share their answer with another one, as labels do"


def _findings(rows: Sequence[Row], held: HeldOut, side: str, hits: Sequence[_Hit]) -> Iterator[Finding]:
    for hit in hits:
        row, example = rows[hit.row], held.examples[hit.example]
        texts = (row.question, example.input) if side == "question" else (row.answer, answer_of(example))
        details: dict[str, Json] = {
            "suite": held.name,
            "example": example.id,
            "side": side,
            "similarity": round(hit.share, 4),
            "text": texts[0][:SHOWN],
            "example_text": texts[1][:SHOWN],
        }
        said = f"{side} {_SAID[hit.how].format(share=hit.share)} the {side} of {held.name} {example.id}"
        yield Finding("leak", (row.number,), said, hit.how, details)
