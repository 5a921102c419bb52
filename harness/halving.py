"""Successive halving: points of a sweep are stopped on the way by their score on the select half; the best go on.

Only the half of the rows that ranks a sweep decides who is stopped, so that the other half still judges a winner that
nothing was chosen on. A point that is stopped is no point that failed: it was left behind, and nobody knows how far it
would have come.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

from harness.errors import BadSpec
from harness.types import Json, ModelRef

__all__ = ["Cuts", "Halving", "Reached", "Rung", "Rungs", "Standing", "best", "plan_cuts"]

KEYS = ("eta", "keep", "first")
PART = re.compile(r"\d{1,6}(/\d{1,6}|\.\d{1,6})?", re.ASCII)
EARLIEST = Fraction(1, 4)
"""Of the steps: before it scores foretell nothing, see docs/halving.md."""
MOST = 1000
"""The largest eta and keep that anybody may mean."""


class Rung(NamedTuple):
    """Where points are stopped: after which part of their steps, and how many of them go on."""

    part: Fraction
    stay: int


@dataclass(frozen=True, slots=True)
class Halving:
    """What `--halving` asks for.

    Attributes:
        eta: at each rung one in so many goes on, and each rung lies so many times as far as the one before, >= 2.
        keep: so many go on to the end, >= 1.
        first: no point is stopped before this part of its steps, in [0, 1). `EARLIEST` where it is not given, or the
            last rung where that is earlier.
    """

    eta: int
    keep: int = 1
    first: Fraction = Fraction(0)

    @classmethod
    def read(cls, text: str) -> "Halving":
        """From `eta=2`, with `keep=2` and `first=1/4` after commas where they are wanted.

        Raises:
            BadSpec: it is anything else.
        """
        pairs = [word.strip().partition("=") for word in text.split(",")]
        values = {key: value for key, _, value in pairs}
        if not all(key in KEYS and value for key, _, value in pairs) or len(values) < len(pairs) or "eta" not in values:
            raise BadSpec(f"--halving {text}: give eta=2, or more of eta=2,keep=1,first=1/4, each once")
        whole = [_whole(text, key, values.get(key, "1"), least=least) for key, least in (("eta", 2), ("keep", 1))]
        first = values.get("first", str(min(EARLIEST, Fraction(1, whole[0]))))
        if not PART.fullmatch(first) or first.endswith("/0") or (part := Fraction(first)) >= 1:
            raise BadSpec(f"--halving {text}: first is a part of the steps such as 1/4 or 0.25, below 1")
        return cls(whole[0], whole[1], part)

    def rungs(self, points: int) -> tuple[Rung, ...]:
        """The rungs that so many points need: the last at 1/eta of the steps, and each before at 1/eta of the next.

        Those before `first` are left out, and the one after them does their cutting; of rungs that would stop nobody
        there are none.
        """
        stays = []
        while points > self.keep:
            points = max(self.keep, -(-points // self.eta))
            stays.append(points)
        parts = [Fraction(1, self.eta**back) for back in range(len(stays), 0, -1)]
        return tuple(Rung(part, stay) for part, stay in zip(parts, stays, strict=True) if part >= self.first)


class Reached(NamedTuple):
    """A point on the way: what it is now, after so many of its steps, and whether it was trained there just now."""

    model: ModelRef
    step: int
    steps: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How a point stands at a rung.

    Attributes:
        model: its name.
        step, steps: optimiser steps so far, and of the whole training; None for a point that did not get there.
        select: mean on the select half, in [0, 1]; None when it was not measured whole.
        stays: whether it goes on.
    """

    model: str
    step: int | None
    steps: int | None
    select: float | None
    stays: bool


@dataclass(frozen=True, slots=True)
class Cuts:
    """What a plan promises of halving.

    Attributes:
        asked: the option as it was given.
        rungs: in order, at least one.
        points: names of those that can be stopped, in the plan's order.
        uncut: why the others train to the end whatever they score, by name.
    """

    asked: str
    rungs: tuple[Rung, ...]
    points: tuple[str, ...]
    uncut: Mapping[str, str]

    @classmethod
    def read(cls, plan: Mapping[str, Any]) -> "Cuts | None":
        """From plan.json; None without halving."""
        spec = plan["sweep"]["halving"] if plan["sweep"] else None
        if spec is None:
            return None
        rungs = tuple(Rung(Fraction(rung["part"]), rung["stay"]) for rung in spec["rungs"])
        return cls(spec["asked"], rungs, tuple(spec["points"]), dict(spec["uncut"]))

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        rungs: list[Json] = [{"part": str(rung.part), "stay": rung.stay} for rung in self.rungs]
        return {"asked": self.asked, "rungs": rungs, "points": list(self.points), "uncut": dict(self.uncut)}


@dataclass(slots=True)
class Rungs:
    """What became of the points, rung by rung. A run fills it as it goes, and `verify` fills another from the records.

    Attributes:
        cuts: what was planned.
        past: the rungs so far.
    """

    cuts: Cuts
    past: list[tuple[Standing, ...]] = field(default_factory=list)

    @property
    def alive(self) -> tuple[str, ...]:
        """The points that go on."""
        return tuple(each.model for each in self.past[-1] if each.stays) if self.past else self.cuts.points

    def decide(self, found: Sequence[Standing]) -> None:
        """Take the points that were alive as they stand at the next rung, and let the best of them go on."""
        scores = {each.model: each.select for each in found if each.select is not None}
        staying = best(scores, self.cuts.rungs[len(self.past)].stay)
        self.past.append(tuple(replace(each, stays=each.model in staying) for each in found))

    def cut(self, model: str) -> str:
        """Where and why a point was stopped, in words; empty for one that was not."""
        for number, stood in enumerate(self.past, start=1):
            own = next((each for each in stood if each.model == model), None)
            if own is None or own.select is None or own.stays:
                continue
            others = [each.select for each in stood if each.stays and each.select is not None]
            least = "the one" if len(others) == 1 else f"the last of the {len(others)}"
            return (
                f"cut at step {own.step} of {own.steps}, rung {number} of {len(self.cuts.rungs)}: {own.select:.1%} on "
                f"the select half, where {least} that went on has {min(others):.1%}; its gates were not asked"
            )
        return ""

    def spec(self) -> dict[str, Json]:
        """As JSON values, see docs/run_schema.md."""
        rungs: list[Json] = [
            {
                "part": str(rung.part),
                "stay": rung.stay,
                "points": [
                    {name: getattr(each, name) for name in ("model", "step", "steps", "select", "stays")}
                    for each in stood
                ],
            }
            for rung, stood in zip(self.cuts.rungs, self.past, strict=False)
        ]
        return {"asked": self.cuts.asked, "uncut": dict(self.cuts.uncut), "rungs": rungs}


def best(scores: Mapping[str, float], stay: int) -> frozenset[str]:
    """The names of the best `stay`, and of all that score as the last of these does: a tie stops nobody."""
    bar = sorted(scores.values(), reverse=True)[:stay]
    return frozenset(name for name, score in scores.items() if bar and score >= bar[-1])


def plan_cuts(text: str, points: Sequence[str], uncut: Mapping[str, str], *, judged: bool) -> Cuts:
    """The rungs for the points of a sweep.

    Args:
        text: of `--halving`.
        points: names of all that have gates to pass, in order.
        uncut: why some of them cannot be stopped on the way.
        judged: whether a judge grades what ranks them.

    Raises:
        BadSpec: the option is malformed, or there is nothing to stop.
    """
    asked = Halving.read(text)
    able = tuple(name for name in points if name not in uncut)
    if judged:
        raise BadSpec("--halving: a judge grades the suite that ranks the points; name another one with --rank-by")
    rungs = asked.rungs(len(able))
    if not rungs:
        left = "; ".join(dict.fromkeys(reason for name, reason in uncut.items() if name in points))
        why = f" (others: {left})" if left else ""
        raise BadSpec(
            f"--halving {text}: {len(able)} of {len(points)} points can be stopped on the way{why}, and none of them "
            "would be; sweep more points, or ask for a smaller keep or first"
        )
    return Cuts(text, rungs, able, {name: uncut[name] for name in points if name in uncut})


def _whole(text: str, key: str, value: str, *, least: int) -> int:
    number = int(value) if value.isascii() and value.isdigit() and len(value) <= len(str(MOST)) else -1
    if not least <= number <= MOST:
        raise BadSpec(f"--halving {text}: {key} is a whole number from {least} to {MOST}")
    return number
