"""How long the rows are, in characters and in tokens of the base's tokenizer, and how many would not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.audit.findings import Finding
from harness.audit.rows import Row
from harness.audit.texts import Array
from harness.chat import Tokenizer, render_texts
from harness.types import Json, Message

__all__ = ["Lengths", "TokenLengths", "characters", "drift", "outliers", "summary", "token_lengths", "truncated"]

_FENCE = 3.0
"""Interquartile ranges beyond the quartiles that make an outlier: Tukey's far out (Exploratory Data Analysis, 1977)."""
_FEWEST = 20
_FEW_RENDERED = 2_000
_CHECKED = 64
_DRIFT, _SURE = 0.2, 0.01
_BINS = 30
_TOGETHER = 4_000


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of lengths. `bins` are counts between consecutive `edges`."""

    shortest: int
    p50: float
    p95: float
    longest: int
    mean: float
    edges: tuple[float, ...]
    bins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """Tokens of each row.

    Attributes:
        tokenizer: whose tokens they are.
        question, answer: (rows,) of the texts alone.
        total: (rows,) as training sees a row: template, system turn and end token included.
        rendered: rows whose total was counted by rendering them; the others add what the template adds to rows of the
            same turns, which was the same for all rendered ones.
    """

    tokenizer: str
    question: Array
    answer: Array
    total: Array
    rendered: int


def characters(rows: Sequence[Row]) -> dict[str, Array]:
    """(rows,) characters of question and answer."""
    return {
        "question": np.array([len(row.question) for row in rows], np.int64),
        "answer": np.array([len(row.answer) for row in rows], np.int64),
    }


def summary(lengths: Array) -> Lengths:
    """The distribution of at least one length; percentiles are interpolated linearly."""
    p50, p95 = np.percentile(lengths, [50, 95])
    bins, edges = np.histogram(lengths, bins=min(_BINS, int(np.ptp(lengths)) + 1))
    return Lengths(
        shortest=int(lengths.min()),
        p50=float(p50),
        p95=float(p95),
        longest=int(lengths.max()),
        mean=float(lengths.mean()),
        edges=tuple(map(float, edges)),
        bins=tuple(map(int, bins)),
    )


def token_lengths(rows: Sequence[Row], tokenizer: Tokenizer, name: str, *, system: str = "") -> TokenLengths:
    """Count the tokens of every row.

    Up to 2,000 rows are rendered one by one. Of more, 64 rows of each sequence of roles are, spread over the file;
    where the template adds the same number of tokens to all of them, the others are counted by it, else all are
    rendered.

    Args:
        rows: at least one.
        tokenizer: of the base, with its chat template.
        name: of the base, for people.
        system: system turn of the rows that have none; empty for none.

    Raises:
        ModelProblem: the template refuses a row.
    """
    prompts = [_with_system(row.prompt, system) for row in rows]
    flat = [turn for prompt in prompts for turn in prompt]
    owner = np.repeat(np.arange(len(rows)), [len(prompt) for prompt in prompts])
    known = {text: index for index, text in enumerate(dict.fromkeys(turn["content"] for turn in flat))}
    counted = _count(tokenizer, list(known))[[known[turn["content"]] for turn in flat]]  # a system turn counts once
    asked = counted * np.array([turn["role"] == "user" for turn in flat])
    question, prompt = (np.bincount(owner, each, len(rows)).astype(np.int64) for each in (asked, counted))
    answer = _count(tokenizer, [row.answer for row in rows])
    total, seen = _totals(tokenizer, rows, prompts, prompt + answer)
    return TokenLengths(name, question, answer, total, seen)


def _totals(
    tokenizer: Tokenizer, rows: Sequence[Row], prompts: Sequence[Sequence[Message]], plain: Array
) -> tuple[Array, int]:
    """(rows,) tokens of whole rows, from those of their texts, and how many rows were rendered for it."""
    shapes: dict[tuple[str, ...], list[int]] = {}
    for index, prompt in enumerate(prompts):
        shapes.setdefault(tuple(turn["role"] for turn in prompt), []).append(index)
    total, seen = plain.copy(), 0
    for indices in map(np.array, shapes.values()):
        some = indices if len(rows) <= _FEW_RENDERED else indices[:: max(1, len(indices) // _CHECKED)]
        rendered = _rendered(tokenizer, rows, prompts, some)
        added = np.unique(rendered - plain[some])
        if len(some) < len(indices) and len(added) > 1:
            some, rendered = indices, _rendered(tokenizer, rows, prompts, indices)
        total[indices] += added[0]
        total[some] = rendered
        seen += len(some)
    return total, seen


def truncated(rows: Sequence[Row], counted: TokenLengths, limit: int) -> list[Finding]:
    """Rows that are longer than `limit` tokens, and of those the ones whose answer would be cut away whole."""
    over = np.flatnonzero(counted.total > limit)
    if not len(over):
        return []
    gone = int((counted.total[over] - counted.answer[over] - 1 >= limit).sum())
    longest = int(counted.total[over].max())
    said = (
        f"{len(over)} of {len(rows)} rows are longer than {limit} tokens, {gone} of them without a token of the answer "
        f"left; the longest has {longest}"
    )
    details: dict[str, Json] = {"max_length": limit, "answer_gone": gone, "longest": longest}
    return [Finding("truncated", tuple(rows[index].number for index in over.tolist()), said, details=details)]


def outliers(rows: Sequence[Row], measured: Mapping[str, Array], unit: str) -> list[Finding]:
    """Rows far beyond the others: outside three interquartile ranges, and twice or half as long as the median."""
    found = []
    for part, lengths in measured.items():
        low, middle, high = np.percentile(lengths, [25, 50, 75])
        reach = _FENCE * max(high - low, 1.0)
        far = (lengths > np.maximum(high + reach, 2 * middle)) | (lengths < np.minimum(low - reach, middle / 2))
        if len(rows) >= _FEWEST and far.any():
            numbers = tuple(rows[index].number for index in np.flatnonzero(far).tolist())
            said = f"{len(numbers)} rows have a {part} of unusual length; the median is {middle:g} {unit}"
            found.append(Finding("outlier", numbers, said, part, {"median": float(middle), "unit": unit}))
    return found


def drift(lengths: Array, production: Array) -> tuple[dict[str, Json], list[Finding]]:
    """How far the questions' lengths are from those of production: the two-sample Kolmogorov-Smirnov distance.

    Args:
        lengths: characters of each question.
        production: the same of the sample.

    Returns:
        The comparison, and a finding when the distance is at least .2 and chance makes it in less than 1 % of samples.
    """
    from scipy.stats import ks_2samp

    tested = ks_2samp(lengths, production)
    distance, p = float(tested.statistic), float(tested.pvalue)
    middle = [float(np.median(each)) for each in (lengths, production)]
    numbers: dict[str, Json] = {
        "rows": len(production),
        "distance": distance,
        "p": p,
        "median": middle[0],
        "production_median": middle[1],
    }
    if distance < _DRIFT or p >= _SURE:
        return numbers, []
    said = (
        f"lengths of the questions differ from production: median {middle[0]:g} characters against {middle[1]:g} "
        f"(Kolmogorov-Smirnov distance {distance:.2f})"
    )
    return numbers, [Finding("drift", (), said, "lengths", numbers)]


def _with_system(prompt: Sequence[Message], system: str) -> list[Message]:
    own = list(prompt)
    if system and not any(turn["role"] == "system" for turn in own):
        own.insert(0, {"role": "system", "content": system})
    return own


def _count(tokenizer: Tokenizer, texts: Sequence[str]) -> Array:
    """(texts,) tokens, without special ones; some texts at a time, because what a tokenizer returns is large."""
    core = getattr(tokenizer, "backend_tokenizer", None)
    found: list[int] = []
    for at in range(0, len(texts), _TOGETHER):
        some = list(texts[at : at + _TOGETHER])
        if core is not None:
            found += [len(each) for each in core.encode_batch_fast(some, add_special_tokens=False)]
        else:
            found += [len(ids) for ids in tokenizer(some, add_special_tokens=False)["input_ids"]]
    return np.array(found, np.int64)


def _rendered(tokenizer: Tokenizer, rows: Sequence[Row], prompts: Sequence[Sequence[Message]], chosen: Array) -> Array:
    """(chosen,) tokens of the whole conversations, as the chat template writes them."""
    whole = [[*prompts[index], {"role": "assistant", "content": rows[index].answer}] for index in chosen.tolist()]
    return _count(tokenizer, render_texts(tokenizer, whole))
