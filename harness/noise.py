"""What the instrument itself does to scores: a base measured against itself, in other batches and another order.

On a GPU the same model gives other answers to some prompts when they share a batch with others. `tunegate aa` counts
such flips and keeps the count in the store, under everything it depends on; every run of that base on that engine
shows it. Where flips were seen, a verdict needs an effect that they could not bring about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.compare import Comparison, scores
from harness.fingerprint import digest
from harness.stats import wilson
from harness.store import Store
from harness.types import Json, ModelRef, Outcome, SuiteResult, Verdict

__all__ = ["Noise", "keep_noise", "known_noise", "noise_key", "noise_of", "read_noise", "tempered"]

KEY_VERSION = 1
CONFIDENCE = 0.90
"""Two-sided, of the bound; the flip rate itself is shown with a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How one metric of one suite changes when nothing does.

    Attributes:
        metric: its name.
        n: rows measured twice.
        flips: rows whose score was another one the second time.
        low, high: two-sided 95 % interval of the flip rate, in [0, 1].
        bound: how far the mean may move by flips alone: the farther one-sided 95 % bound of the difference between
            the two measurements, in [0, 1]; 0 when nothing flipped.
        measured_at: UTC, ISO 8601.
    """

    metric: str
    n: int
    flips: int
    low: float
    high: float
    bound: float
    measured_at: str

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        return asdict(self)


def noise_of(once: SuiteResult, again: SuiteResult, metric: str, measured_at: str) -> Noise:
    """Compare two measurements of one model.

    Raises:
        Incomparable: they are not of the same rows.
        NotMeasured: a row was not scored either time.
    """
    comparison = Comparison(once, again)
    flips = sum(pair.base != pair.candidate for pair in comparison.pairs(metric))
    rate, moved = wilson(flips, len(once.rows)), comparison.delta(metric, CONFIDENCE)
    bound = max(abs(moved.low), abs(moved.high)) if flips else 0.0
    return Noise(metric, len(scores(once, metric)), flips, rate.low, rate.high, bound, measured_at)


def keep_noise(store: Store, key: str, found: Sequence[Noise]) -> None:
    """Remember a measurement under `key`; a later one replaces it."""
    store.put_many({key: [each.spec() for each in found]})


def known_noise(store: Store, key: str) -> tuple[Noise, ...] | None:
    """What was last measured under `key`; None when nothing was, or it is of another version."""
    value = store.get_many([key]).get(key)
    return None if value is None else read_noise(value)


def read_noise(value: Json) -> tuple[Noise, ...] | None:
    """Noise from JSON values; None when they are not."""
    try:
        return tuple(Noise(**each) for each in value) if isinstance(value, list) else None
    except TypeError:
        return None


def noise_key(model: ModelRef, suite: Mapping[str, str], policy: Mapping[str, str]) -> str:
    """Where a measurement is kept: under the model, the suite's fingerprint, and the engine with its batch size."""
    parts: dict[str, Any] = {"model": model.fingerprint, "suite": dict(suite), "policy": dict(policy)}
    return digest({"kind": "aa", "version": KEY_VERSION, **parts})


def tempered(verdict: Verdict, noise: Sequence[Noise] | None) -> Verdict:
    """The verdict, INCONCLUSIVE where the flips of the base alone could have brought it about.

    That is where flips were seen and the observed value is nearer to the limit than `bound`. Where the noise was not
    measured the verdict stays, and the report says so.
    """
    bound = next((each.bound for each in noise or () if each.metric == verdict.metric), 0.0)
    if verdict.observed is None or verdict.outcome not in (Outcome.PASS, Outcome.FAIL):
        return verdict
    effect = abs(verdict.observed.value - verdict.required)
    if not bound or effect >= bound:
        return verdict
    said = f"the base moves by up to {100 * bound:.1f} points against itself, the limit is {100 * effect:.1f} away"
    return replace(
        verdict,
        outcome=Outcome.INCONCLUSIVE,
        reason=f"{verdict.reason}; but {said}: compute in float32, or use a wider limit",
    )
