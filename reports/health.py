"""What the outputs of a measurement look like, whatever their score: cut, empty, going round in circles, long."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from harness.types import FinishReason, Row
from reports.load import Key, Result, Run

__all__ = ["Health", "health", "loops"]

_ENOUGH_FOR_TAIL = 20
_TURNS = 3
_SHORTEST = 48
"""Characters that the repeated end has at least: `ha ha ha` is no fault, three equal sentences are."""
_PROBE = 24


@dataclass(frozen=True, slots=True)
class Health:
    """The outputs of one model on one suite.

    Lengths in tokens; `looping` ends in the same words again and again. `latency` are the median and the 95th
    percentile of the seconds until an answer was there, over the `timed` answers of which that is known; None for none.
    """

    suite: str
    model: str
    n: int
    truncated: int
    empty: int
    looping: int
    prompt_length: float
    short_length: int
    median_length: float
    tail_length: int
    longest: int
    seconds: float
    fresh: int
    new_tokens: int
    timed: int
    latency: tuple[float, float] | None

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens by time; None unless this run computed every answer itself, and some took tokens."""
        return self.new_tokens / self.seconds if self.fresh == self.n and self.seconds and self.new_tokens else None


def health(run: Run) -> tuple[Health, ...]:
    """One entry for each measurement, in the order of the run."""
    first = {Key(result.suite, result.model): result for result in reversed(run.results)}
    keys = dict.fromkeys(Key(result.suite, result.model) for result in run.results)
    return tuple(_health(key, run.rows[key], first[key]) for key in keys if run.rows.get(key))


def loops(text: str) -> bool:
    """Whether a text ends in the same stretch of at least one character three times over, over 48 characters or more.

    The stretch is found by where the last 24 characters stood before, so the cost hardly grows with the text.
    """
    text = text.rstrip(" ")
    before = text.rfind(text[-_PROBE:], 0, len(text) - 1)
    period = len(text) - _PROBE - before
    if len(text) <= _PROBE or before < 0:
        return False
    turns = max(_TURNS, -(-_SHORTEST // period))
    return text.endswith(text[-period:] * turns)


def _health(key: Key, rows: Sequence[Row], result: Result) -> Health:
    lengths = sorted(row.new_tokens for row in rows)
    ends = quantiles(lengths, n=20) if len(lengths) >= _ENOUGH_FOR_TAIL else (lengths[0], lengths[-1])
    return Health(
        suite=key.suite,
        model=key.model,
        n=len(rows),
        truncated=sum(row.finish_reason is FinishReason.LENGTH for row in rows),
        empty=sum(not row.output.strip() for row in rows),
        looping=sum(loops(row.output) for row in rows),
        prompt_length=median(row.prompt_tokens for row in rows),
        short_length=round(ends[0]),
        median_length=median(lengths),
        tail_length=round(ends[-1]),
        longest=lengths[-1],
        seconds=result.seconds,
        fresh=result.fresh,
        new_tokens=sum(lengths),
        timed=sum(row.seconds is not None for row in rows),
        latency=_latency([row.seconds for row in rows if row.seconds is not None]),
    )


def _latency(known: Sequence[float]) -> tuple[float, float] | None:
    if not known:
        return None
    tail = quantiles(known, n=20, method="inclusive")[-1] if len(known) > 1 else known[0]
    return median(known), tail
