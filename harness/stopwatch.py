"""The stopwatch: models write answers of one length, in turn, and each is compared with the first, round by round.

    round 1: base, adapter, merged      round 2: adapter, merged, base      round 3: merged, base, adapter ...

A machine that slows down slows all models of a round, so ratios are taken inside a round; no model is always first.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.backends import Prompt
from harness.errors import NotMeasured
from harness.types import Estimate, Json

__all__ = ["Asking", "Figure", "Pace", "Timing", "Write", "take_times"]

Write = Callable[[Sequence[Prompt], int], Sequence[Sequence[int]]]
"""Answers all prompts in one batch with exactly so many new tokens each, and returns when they are written."""
CONFIDENCE = 0.95


class Asking(StrEnum):
    """How prompts are asked: each alone, or all in one batch."""

    ALONE = "one by one"
    BATCH = "one batch"


class Figure(StrEnum):
    """What is measured: seconds until the first token is there, and tokens a second after it."""

    FIRST = "first token"
    RATE = "tokens/s"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to look: rounds that count, at least 2, and tokens of an answer, the first included, at least 2."""

    rounds: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Timing:
    """One figure of one model.

    Attributes:
        model: its name.
        asking, figure: what was measured; FIRST in seconds, RATE in new tokens of all rows a second.
        rounds: the value of each round, above 0. Alone, FIRST is the mean over the prompts of the round.
        ratio: value / base's value, the geometric mean over rounds; None for the base itself.
        more: value - base's value, the mean over rounds; None for the base itself.
    """

    model: str
    asking: Asking
    figure: Figure
    rounds: tuple[float, ...]
    ratio: Estimate | None = None
    more: Estimate | None = None

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.rounds)

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        return {
            "model": self.model,
            "asking": self.asking.value,
            "figure": self.figure.value,
            "unit": "s" if self.figure is Figure.FIRST else "tokens/s",
            "median": self.median,
            "lowest": min(self.rounds),
            "highest": max(self.rounds),
            "rounds": list(self.rounds),
            "ratio_to_base": _bounds(self.ratio),
            "more_than_base": _bounds(self.more),
        }


def take_times(
    writers: Mapping[str, Write],
    prompts: Sequence[Prompt],
    *,
    pace: Pace,
    clock: Callable[[], float],
    say: Callable[[str], None] = lambda _line: None,
) -> tuple[Timing, ...]:
    """Let every model write, in turn, and compare.

    Decoding is the difference between an answer of `pace.tokens` and one of a single token, so that reading the
    prompt does not count. Each model writes once before the clock runs: libraries choose and allocate on first use.

    Args:
        writers: by name; the first one is the base.
        prompts: at least one; the same for all.
        pace: how long to look.
        clock: seconds that only grow, such as `time.perf_counter`.
        say: told about each round before it begins.

    Returns:
        One timing for each way of asking, figure and model, in this order.

    Raises:
        NotMeasured: a model wrote another number of tokens, or longer answers took no longer.
    """
    names = list(writers)
    found: dict[tuple[Asking, Figure, str], list[float]] = {
        (asking, figure, name): [] for asking in Asking for figure in Figure for name in names
    }
    say("warming up")
    for write in writers.values():
        for batch in (prompts[:1], prompts):
            write(batch, pace.tokens)
    for number in range(pace.rounds):
        say(f"round {number + 1} of {pace.rounds}")
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            lap = _lap(name, writers[name], prompts, tokens=pace.tokens, clock=clock)
            for (asking, figure), value in lap.items():
                found[asking, figure, name].append(value)
    return tuple(
        Timing(name, asking, figure, tuple(values))
        if name == names[0]
        else Timing(
            name,
            asking,
            figure,
            tuple(values),
            ratio=_ratio(values, found[asking, figure, names[0]]),
            more=_more(values, found[asking, figure, names[0]]),
        )
        for (asking, figure, name), values in found.items()
    )


def _lap(
    name: str, write: Write, prompts: Sequence[Prompt], *, tokens: int, clock: Callable[[], float]
) -> dict[tuple[Asking, Figure], float]:
    """Both figures for both ways of asking, once."""

    def seconds(batch: Sequence[Prompt], length: int) -> float:
        started = clock()
        answers = write(batch, length)
        taken = clock() - started
        if [len(ids) for ids in answers] != [length] * len(batch):
            wrote = sorted({len(ids) for ids in answers})
            raise NotMeasured(f"model {name!r}: answers of {length} tokens were asked for, it wrote {wrote}")
        return taken

    lap = {}
    for asking in Asking:
        batches = [prompts] if asking is Asking.BATCH else [[prompt] for prompt in prompts]
        pairs = [(seconds(batch, 1), seconds(batch, tokens)) for batch in batches]
        first, decoding = sum(short for short, _ in pairs), sum(long - short for short, long in pairs)
        if not (first > 0 and decoding > 0):
            raise NotMeasured(
                f"model {name!r}, {asking}: {tokens} tokens took no longer than 1; the machine is too busy or the "
                "answers too short: wait, or raise --rows or --max-new-tokens"
            )
        lap[asking, Figure.FIRST] = first / len(batches)
        lap[asking, Figure.RATE] = len(prompts) * (tokens - 1) / decoding
    return lap


def _ratio(values: Sequence[float], base: Sequence[float]) -> Estimate:
    logs = [math.log(value / other) for value, other in zip(values, base, strict=True)]
    value, low, high = (math.exp(bound) for bound in _t_interval(logs))
    return Estimate(value, low, high, len(logs), "paired t of logarithms")


def _more(values: Sequence[float], base: Sequence[float]) -> Estimate:
    differences = [value - other for value, other in zip(values, base, strict=True)]
    return Estimate(*_t_interval(differences), len(differences), "paired t")


def _t_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its two-sided bounds, after Student 1908 (Biometrika 6); rounds are the units."""
    from statsmodels.stats.weightstats import DescrStatsW

    found = DescrStatsW(values)
    low, high = found.tconfint_mean(1 - CONFIDENCE)
    return float(found.mean), float(low), float(high)


def _bounds(found: Estimate | None) -> Json:
    if found is None:
        return None
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "method": found.method}
