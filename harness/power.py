"""`tunegate power`: what a plan can show, before anything is measured.

Power is the chance that a gate passes when the truth lies on the right side of its limit. It is counted out over all
tables that n examples can give, with the gate's own rule; only sample sizes are searched for from a normal formula.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import NamedTuple

from harness.errors import BadSpec
from harness.gates import Finding, Gate
from harness.plan import PlannedSuite, plan_suite
from harness.stats import deciding_n, detectable_difference, paired_power, tango, wilson, zero_loss_n
from harness.suite import Measurable
from harness.types import Json, Outcome

__all__ = ["Assumed", "GatePower", "PlanPower", "chance_to_pass", "power_of"]

DISCORDANCE = 0.10
"""Share of examples on which two models differ, where nothing better is known."""
GAIN = 0.05
"""How far beyond its limit a gain is assumed to lie, where nothing better is known."""
GOALS = (0.80, 0.95)
_TRIES = 12
_HOPELESS = 4
"""How far beyond the normal formula a number is looked for."""
_COUNTED_OUT = 2000
"""Sample sizes above are left to the normal formula, which is within 2 % there."""


class Assumed(NamedTuple):
    """What is assumed of the truth. None takes the default: see `DISCORDANCE`, and `truth` of `GatePower`.

    Attributes:
        discordance: share of examples on which candidate and base differ, in (0, 1].
        effect: how far the truth lies on the right side of the limit, in (0, 1].
    """

    discordance: float | None = None
    effect: float | None = None


@dataclass(frozen=True, slots=True)
class GatePower:
    """What one gate can show.

    Attributes:
        suite, gate: which one.
        n: planned examples.
        units: independent ones among them: the effective number of clusters when they share any.
        discordance: assumed; None for a gate on a rate.
        truth: assumed rate or difference. By default a drop is really none, a gain lies 5 points beyond its limit and
            a rate half way between its limit and 1.
        power: chance of PASS at that truth, in [0, 1].
        detectable: smallest true difference found with 80 % power; for a rate the least distance to the limit.
        needed: examples for a power of 80 % and of 95 %; None where no feasible number does.
        advisory: whether the gate only informs.
    """

    suite: str
    gate: str
    n: int
    units: int
    discordance: float | None
    truth: float
    power: float
    detectable: float
    needed: tuple[int | None, int | None]
    advisory: bool


@dataclass(frozen=True, slots=True)
class PlanPower:
    """What all gates can show together.

    Attributes:
        gates: in the order of the suites.
        joint: chance that all of them pass if they err independently, advisory ones left out.
        least: the same whatever hangs together (Bonferroni); a lower bound.
    """

    gates: tuple[GatePower, ...]
    joint: float
    least: float

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        gates: Json = [asdict(gate) | {"needed": list(gate.needed)} for gate in self.gates]
        return {"gates": gates, "joint": self.joint, "joint_at_least": self.least}


def power_of(
    suites: Sequence[Measurable],
    assumed: Assumed,
    *,
    measured: Mapping[tuple[str, str], Assumed] | None = None,
    limit: int | None = None,
) -> PlanPower:
    """What the gates of `suites` can show.

    Args:
        suites: their data is read and checked; nothing is measured.
        assumed: of every gate.
        measured: by suite and gate, what an earlier run saw; it counts where `assumed` says nothing.
        limit: rows of each suite, or None for all.

    Raises:
        UsageProblem: data or gates that cannot lead to a verdict, or an assumption that cannot be.
    """
    found = []
    for suite in suites:
        planned = plan_suite(suite, limit)
        for gate in planned.suite.gates:
            seen = (measured or {}).get((suite.name, str(gate)), Assumed())
            each = Assumed(*(one if one is not None else other for one, other in zip(assumed, seen, strict=True)))
            found.append(_gate_power(planned, gate, each))
    powers = [each.power for each in found if not each.advisory]
    return PlanPower(tuple(found), prod(powers), max(0.0, 1 - sum(1 - power for power in powers)))


def chance_to_pass(gate: Gate, n: int) -> float:
    """The power of one gate with `n` independent examples, at the truth that `Assumed()` takes; 0 when n cannot do."""
    truth = _truth(gate, None)
    return _power(gate, n, truth, None if gate.absolute else max(DISCORDANCE, abs(truth)))


def _gate_power(planned: PlannedSuite, gate: Gate, assumed: Assumed) -> GatePower:
    n = min(planned.suite.keep.at_least, len(planned.examples)) if planned.suite.keep else len(planned.examples)
    units = min(n, _independent(planned))
    truth = _truth(gate, assumed.effect)
    share = None if gate.absolute else max(assumed.discordance or DISCORDANCE, abs(truth))
    if not 0 <= abs(truth) <= 1 or not 0 < (share or 0.5) <= 1:
        raise BadSpec(f"gate {gate} of suite {planned.name!r}: a truth of {truth:g} cannot be; give another --effect")
    needed = [_needed(gate, truth, share, goal) for goal in GOALS]
    return GatePower(
        suite=planned.name,
        gate=str(gate),
        n=n,
        units=units,
        discordance=share,
        truth=truth,
        power=_power(gate, units, truth, share),
        detectable=_detectable(gate, units, share),
        needed=(needed[0], needed[1]),
        advisory=gate.advisory,
    )


def _independent(planned: PlannedSuite) -> int:
    """The effective number of clusters, as `bounded_mean` counts them."""
    sizes: dict[str, int] = {}
    for example in planned.examples:
        cluster = example.cluster or example.id
        sizes[cluster] = sizes.get(cluster, 0) + 1
    return len(planned.examples) ** 2 // sum(size * size for size in sizes.values())


def _truth(gate: Gate, effect: float | None) -> float:
    if effect is not None:
        return gate.required + effect
    if gate.kind == "drop":
        return 0.0
    return gate.limit + GAIN if gate.kind == "gain" else (1 + gate.limit) / 2


def _power(gate: Gate, n: int, truth: float, share: float | None) -> float:
    if share is None:
        from scipy.stats import binom

        least = _fewest_right(gate, n)
        return float(binom.sf(least - 1, n, truth)) if least <= n else 0.0

    def passes(gained: int, lost: int) -> bool:
        seen = tango(gained, lost, n, gate.confidence)
        return gate.outcome(Finding(seen, gained, lost)) is Outcome.PASS

    return paired_power(passes, n, gained=(share + truth) / 2, lost=(share - truth) / 2)


def _fewest_right(gate: Gate, n: int) -> int:
    """Right answers of n that pass a gate on a rate; n + 1 when none do."""
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        passed = gate.outcome(Finding(wilson(middle, n, gate.confidence))) is Outcome.PASS
        low, high = (low, middle) if passed else (middle + 1, high)
    return low


def _detectable(gate: Gate, n: int, share: float | None) -> float:
    if share is not None:
        return detectable_difference(n, round(share * n), gate.confidence)
    low, high = gate.limit, 1.0
    for _ in range(_TRIES):
        middle = (low + high) / 2
        low, high = (low, middle) if _power(gate, n, middle, None) >= GOALS[0] else (middle, high)
    return high - gate.limit


def _needed(gate: Gate, truth: float, share: float | None, goal: float) -> int | None:
    """The least n of about that power: a normal formula says where to look, up to 2,000 the exact power decides."""
    least = zero_loss_n(gate.kind, gate.limit, gate.confidence)
    variance = truth * (1 - truth) if share is None else share - truth * truth
    guess = deciding_n(variance, truth - gate.required, gate.confidence, power=goal)
    if least is None or guess is None or truth <= gate.required:
        return None
    if guess > _COUNTED_OUT:
        return guess
    low, high = least - 1, max(least, guess)
    while _power(gate, high, truth, share) < goal:
        low, high = high, int(high * 1.05) + 1
        if high > _HOPELESS * max(least, guess):
            return None
    while high - low > max(1, high // 50):  # closer means little: power rises in steps with n
        middle = (low + high) // 2
        low, high = (low, middle) if _power(gate, middle, truth, share) >= goal else (middle, high)
    return high
