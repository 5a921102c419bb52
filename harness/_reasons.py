"""The words of a verdict's reason: one sentence in percent and points that a reviewer can act on."""

from collections.abc import Sequence

from harness.compare import Transitions
from harness.stats import Bound
from harness.types import Estimate, Outcome

__all__ = ["DOUBTED", "conclusion", "evidence", "finding", "missing", "remedy"]

DOUBTED = "the interval lies clear of the limit, but an exact test does not confirm it: so few faults could be luck"
"""An interval that passes, and a test that does not."""


def finding(seen: Estimate, *, paired: bool) -> str:
    """`changed by -0.8 points [-3.1, +1.5]`, or `is 97.5 % [96.0, 98.5]`."""
    value, low, high = (100 * number + 0.0 for number in (seen.value, seen.low, seen.high))
    if paired:
        return f"changed by {value:+.1f} points [{low:+.1f}, {high:+.1f}]"
    return f"is {value:.1f} % [{low:.1f}, {high:.1f}]"


def conclusion(kind: Bound, limit: float, outcome: Outcome) -> str:
    """What the interval says about the limit."""
    wanted = {
        "rate": f"the required {100 * limit:g} %",
        "drop": f"a drop of {100 * limit:g} points",
        "gain": f"a gain of more than {100 * limit:g} points",
    }[kind]
    match kind, outcome:
        case "drop", Outcome.PASS:
            return f"{wanted} is ruled out"
        case "drop", Outcome.FAIL:
            return f"{wanted} is exceeded"
        case _, Outcome.PASS:
            return f"{wanted} is shown"
        case _, Outcome.FAIL:
            return f"{wanted} is ruled out"
        case _:
            return f"{wanted} is neither shown nor ruled out"


def evidence(counts: Transitions | None, n: int) -> str:
    """How many examples speak, and how many of them changed."""
    if counts is None:
        return f"{n} examples"
    return f"{counts.gained + counts.lost} of {n} examples discordant ({counts.gained} gained, {counts.lost} lost)"


def missing(unscored: int, outcomes: Sequence[Outcome]) -> str:
    """How the unscored rows bear on the verdict; `outcomes` are those without them, at worst, and at best."""
    if len(set(outcomes)) == 1:
        return f"{unscored} unscored rows could not change this"
    _, worst, best = outcomes
    return f"missing data: {unscored} unscored rows would make it {worst} at worst and {best} at best; measure them"


def remedy(needed: int | None, seen: Estimate) -> str:
    """What would decide."""
    if needed is not None:
        step = 10 ** max(0, len(str(needed)) - 2)
        return f"about {-(-needed // step) * step:,} examples would decide"
    if seen.method.startswith("clustered"):
        return f"it rests on {seen.n} independent clusters; more are needed"
    return "the value is too close to the limit for any feasible number of examples"
