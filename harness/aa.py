"""`tunegate aa`: the base against itself. Whatever differs is noise of the engine, and no gate may fail by it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from harness.answers import Engine, with_dtype
from harness.compare import Comparison
from harness.gates import Finding, Gate
from harness.noise import Noise, keep_noise, noise_key, noise_of
from harness.options import Options, make_backend, models
from harness.plan import PlannedSuite, plan_suite
from harness.stats import paired_mean, tango
from harness.store import Store
from harness.suite import Measurable
from harness.types import Json, Outcome

__all__ = ["Alarm", "SelfTest", "measure", "tell"]

RESAMPLES = 1000
MOST_ALARMS = 0.01
"""Share of resamples on which a gate may call the base another model."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """How often a gate, asked about resamples of the base against itself, says what cannot be.

    That is FAIL for a bound on a drop, and PASS for a gain. `count` is out of `RESAMPLES`.
    """

    gate: str
    says: Outcome
    count: int

    @property
    def loud(self) -> bool:
        """Whether that is more often than a gate may be wrong about equal models."""
        return self.count > MOST_ALARMS * RESAMPLES


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The base against itself on one suite: what flipped of each metric, and what the gates make of it."""

    suite: str
    noise: tuple[Noise, ...]
    alarms: tuple[Alarm, ...]

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        alarms: Json = [{"gate": each.gate, "says": each.says.value, "count": each.count} for each in self.alarms]
        return {
            "suite": self.suite,
            "metrics": [each.spec() for each in self.noise],
            "alarms": alarms,
            "of": RESAMPLES,
        }


def measure(suites: Sequence[Measurable], options: Options) -> list[SelfTest]:
    """Measure the base twice on each suite, the second time in another order and other batches, and keep the finding.

    The first time is the measurement that runs use, so it comes from the store where it is there.

    Raises:
        HarnessError: the model, the store or a suite cannot be used, or a row was not scored.
    """
    planned = [plan_suite(suite, options.limit) for suite in suites]
    store, backend, started = Store(options.store), make_backend(options), time.time()
    try:
        base = models(options)[0]
        base = backend.identify(with_dtype(backend, base))
        engine = Engine(backend, store)
        found = []
        for each in planned:
            with store.reading(started if options.fresh_base else None):
                once, again = (
                    each.suite.measure(base, each.examples, replace(engine, repeat=repeat)) for repeat in (0, 1)
                )
            now = datetime.now(UTC).isoformat(timespec="seconds")
            noise = tuple(noise_of(once, again, metric, now) for metric in each.suite.metric_names)
            keep_noise(store, noise_key(base, each.suite.fingerprint(each.examples), backend.policy()), noise)
            found.append(SelfTest(each.name, noise, _alarms(each, Comparison(once, again))))
        return found
    finally:
        store.close()


def tell(found: Sequence[SelfTest]) -> list[str]:
    """Lines for a terminal."""
    lines = []
    for test in found:
        for noise in test.noise:
            rate = f"{noise.flips / noise.n:.2%} [{noise.low:.2%}, {noise.high:.2%}]"
            moved = f"; moves the mean by up to {100 * noise.bound:.2f} points" if noise.flips else ""
            lines.append(f"{test.suite}: {noise.metric}: {noise.flips} of {noise.n} rows flipped, {rate}{moved}")
        lines += [
            f"{test.suite}: {alarm.gate}: {alarm.says} on {alarm.count} of {RESAMPLES} resamples of the base against "
            f"itself{', too often: the gate would blame the candidate for noise' if alarm.loud else ''}"
            for alarm in test.alarms
        ]
    return lines


def _alarms(planned: PlannedSuite, comparison: Comparison) -> tuple[Alarm, ...]:
    return tuple(_alarm(gate, comparison) for gate in planned.suite.gates if not gate.absolute)


def _alarm(gate: Gate, comparison: Comparison) -> Alarm:
    """Resample rows, whole clusters at a time, and count the wrong verdicts."""
    import numpy as np

    known = comparison.known(gate.metric)
    clusters: dict[str, list[float]] = {}
    for cluster, once, again in known:
        clusters.setdefault(cluster, []).append(again - once)
    groups, rng = list(clusters.values()), np.random.default_rng(0)
    says = Outcome.FAIL if gate.kind == "drop" else Outcome.PASS
    judged: dict[tuple[tuple[float, ...], ...], Outcome] = {}
    count = 0
    for _ in range(RESAMPLES):
        drawn = tuple(sorted(tuple(groups[i]) for i in rng.integers(0, len(groups), len(groups))))
        if drawn not in judged:
            judged[drawn] = _judge(gate, drawn)
        count += judged[drawn] is says
    return Alarm(str(gate), says, count)


def _judge(gate: Gate, drawn: Sequence[Sequence[float]]) -> Outcome:
    differences = [difference for group in drawn for difference in group]
    gained, lost = differences.count(1.0), differences.count(-1.0)
    single = len(differences) == len(drawn)
    if single and gained + lost + differences.count(0.0) == len(differences):
        return gate.outcome(Finding(tango(gained, lost, len(differences), gate.confidence), gained, lost))
    labels = [number for number, group in enumerate(drawn) for _ in group]
    return gate.outcome(Finding(paired_mean(differences, gate.confidence, clusters=None if single else labels)))
