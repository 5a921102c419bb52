"""What the page itself carries: the index of all examples, and the texts of as many as a budget holds."""

import gzip
import json
import random
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageProblem
from harness.types import Row
from reports.browser.measured import LETTERS, Measurement, by_suite, cause, identity, milliseconds, names
from reports.browser.rationale import Opinion
from reports.load import Run
from reports.texts import anchor, clip

__all__ = ["BUDGET", "Embedded", "budget", "embed"]

BUDGET = 8_000_000
"""Bytes of the page that texts may take, unless somebody says otherwise."""
MAX_TEXT = 10_000
_CHUNK = 400
_RANKS = {change: rank for rank, change in enumerate(LETTERS)}


_UNITS = {"": 1, "b": 1, "kb": 1_000, "mb": 1_000_000, "kib": 1 << 10, "mib": 1 << 20}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The browser's share of the page, as base64 of gzip of JSON, which holds no character that HTML knows.

    Attributes:
        index: ids, tags, causes and outcomes of all examples, and in which chunk each one's texts are.
        chunks: texts, those that a reader wants first in the first.
        total: examples of all suites.
        texts: those whose texts are in `chunks`.
        size: bytes of `chunks`.
    """

    index: str
    chunks: tuple[str, ...]
    total: int
    texts: int
    size: int

    @property
    def left_out(self) -> int:
        """Examples whose texts are only in the file beside the page."""
        return self.total - self.texts


def budget(text: str) -> int:
    """Read a size, such as `8MB`, `500kB`, `2MiB` or `0`, as bytes.

    Raises:
        UsageProblem: it is no size.
    """
    size = _SIZE.fullmatch(text.strip())
    if size is None or size[2].lower() not in _UNITS:
        raise UsageProblem(f"--embed-budget {text}: is no size; write one such as 500kB, 8MB or 0")
    return int(float(size[1]) * _UNITS[size[2].lower()])


def embed(run: Run, measured: Sequence[Measurement], budget: int = BUDGET) -> Embedded:
    """Pack all examples of a run.

    Args:
        run: what was measured.
        measured: its comparisons, as `measure` gives them.
        budget: bytes that the texts may take in the page, >= 0. Texts come in this order: broken by a candidate, fixed,
            wrong on both sides, unscored, then those right on both sides in an order drawn by a fixed seed.
    """
    suites = by_suite(measured)
    longest = [_longest(each)[1] for each in suites.values()]
    places = [(number, row) for number, each in enumerate(longest) for row in range(len(each.pairs))]
    order = _wanted(list(suites.values()), places)
    chunks, where = _pack(list(suites.values()), order, budget)
    index = _index(run, measured, suites, where)
    return Embedded(packed(index), tuple(chunks), len(places), len(where), sum(map(len, chunks)))


def packed(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """JSON, gzipped without a date, so that the same value gives the same text, as base64."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _longest(measurements: Sequence[tuple[int, Measurement]]) -> tuple[int, Measurement]:
    """The one with most rows: measuring a candidate may have ended early, and then it has the first rows only."""
    return max(measurements, key=lambda each: len(each[1].pairs))


def _wanted(
    suites: Sequence[Sequence[tuple[int, Measurement]]], places: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Places in the order in which a reader wants their texts; what any candidate broke comes first."""
    ranks = dict.fromkeys(places, len(_RANKS))
    for number, measurements in enumerate(suites):
        for _, each in measurements:
            for row, pair in enumerate(each.pairs):
                rank = _RANKS[pair.change]
                ranks[number, row] = min(ranks[number, row], rank)
    groups: list[list[tuple[int, int]]] = [[] for _ in range(len(_RANKS) + 1)]
    for place, rank in ranks.items():
        groups[rank].append(place)
    random.Random("both right").shuffle(groups[len(_RANKS) - 1])  # noqa: S311 (a sample for readers, no secret)
    return [place for group in groups for place in group]


def _pack(
    suites: Sequence[Sequence[tuple[int, Measurement]]], order: Sequence[tuple[int, int]], budget: int
) -> tuple[list[str], dict[tuple[int, int], int]]:
    """Chunks within the budget, and in which chunk each place's texts are."""
    chunks: list[str] = []
    where: dict[tuple[int, int], int] = {}
    start, left = 0, budget
    while start < len(order) and left > 0:
        wanted = order[start : start + _CHUNK]
        chunk = packed([[*place, _texts(suites[place[0]], place[1])] for place in wanted])
        while len(chunk) > left and wanted:
            wanted = wanted[: int(len(wanted) * 0.95 * left / len(chunk))]
            chunk = packed([[*place, _texts(suites[place[0]], place[1])] for place in wanted])
        if not wanted:
            break
        where |= dict.fromkeys(wanted, len(chunks))
        chunks.append(chunk)
        left -= len(chunk)
        start += len(wanted)
    return chunks, where


def _texts(measurements: Sequence[tuple[int, Measurement]], row: int) -> dict[str, Any]:
    """One example: the prompt once, the base once, and each candidate by the place of its measurement."""
    longest = _longest(measurements)[1]
    pair = longest.pairs[row]
    sides = {
        str(place): _side(each.pairs[row].candidate, each.opinions)
        for place, each in measurements
        if row < len(each.pairs) and each.pairs[row].candidate is not each.pairs[row].base
    }
    return {
        "prompt": _short(pair.base.prompt),
        "target": _short(pair.base.target),
        "base": _side(pair.base, longest.base_opinions),
        "candidates": sides,
    }


def _side(row: Row, opinions: Mapping[str, Sequence[Opinion]]) -> dict[str, Any]:
    return {
        "output": _short(row.output),
        "finish": row.finish_reason.value,
        "prompt_tokens": row.prompt_tokens,
        "tokens": row.new_tokens,
        "ms": milliseconds(row),
        "scores": [
            [s.metric, s.value, None if s.answer == row.output else _short(s.answer), s.reason_code, s.where]
            for s in row.scores
        ],
        "judge": [[each.question, each.decision, _short(each.reasons)] for each in opinions.get(row.id, ())],
    }


def _short(text: str) -> str | list[str | int]:
    """The text, or its beginning and how many characters more there are."""
    short = clip(text, MAX_TEXT)
    return [short.text, short.left_out] if short.left_out else text


def _index(
    run: Run,
    measured: Sequence[Measurement],
    suites: Mapping[str, Sequence[tuple[int, Measurement]]],
    where: Mapping[tuple[int, int], int],
) -> dict[str, Any]:
    """Columns instead of rows, and every tag list and cause once: 100,000 examples take a megabyte."""
    tags: dict[str, int] = {}
    causes: dict[str, int] = {}
    listed = [
        _suite(number, name, _longest(each)[1], tags, where) for number, (name, each) in enumerate(suites.items())
    ]
    numbers = {name: number for number, name in enumerate(suites)}
    first = 0
    compared = []
    for each in measured:
        compared.append(
            {
                "suite": numbers[each.suite],
                "model": each.model,
                "metric": each.metric,
                "changes": "".join(LETTERS[pair.change] for pair in each.pairs),
                "causes": [causes.setdefault(cause(pair, each.metric), len(causes)) for pair in each.pairs],
                "first": first,
            }
        )
        first += len(each.pairs)
    return {
        "identity": identity(run),
        "place": "/".join(run.folder.resolve().parts[-2:]),
        "base": run.base.name,
        "foremost": run.foremost.name,
        "alone": not run.candidates,
        "suites": listed,
        "measurements": compared,
        "tags": [json.loads(each) for each in tags],
        "causes": list(causes),
    }


def _suite(
    number: int, name: str, measurement: Measurement, tags: dict[str, int], where: Mapping[tuple[int, int], int]
) -> dict[str, Any]:
    """`odd` holds the link names of those ids that cannot stand in a link as they are."""
    rows = [pair.base for pair in measurement.pairs]
    return {
        "name": name,
        "slug": anchor(name),
        "ids": [row.id for row in rows],
        "odd": {str(place): slug for place, row in enumerate(rows) if (slug := anchor(row.id)) != row.id},
        "tags": [tags.setdefault(names(row.tags), len(tags)) for row in rows],
        "chunk": [where.get((number, place), -1) for place in range(len(rows))],
    }
