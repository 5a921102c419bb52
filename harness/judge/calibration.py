"""What a judge is worth: how far it agrees with labels, beyond chance. Only a judge that was calibrated may gate.

A calibration is kept under the judge's fingerprint: who judges, by which words, on which rubric. A change of any of
them makes it a judge without one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from harness.fingerprint import digest
from harness.judge.judgement import Judge
from harness.judge.protocol import PROTOCOL
from harness.judge.rubric import LEVELS, Rubric
from harness.store import Store
from harness.types import Json

__all__ = ["KAPPA_TO_GATE", "Agreement", "Calibration", "fingerprint", "keep", "load"]

KAPPA_TO_GATE = 0.4
"""The lower bound of kappa that a judge needs to decide anything."""

_RESAMPLES = 2_000
_CONFIDENCE = 0.95

Pairs = tuple[tuple[tuple[int, int], ...], ...]


class Agreement(NamedTuple):
    """Kappa with quadratic weights, and its two-sided 95 % interval: 1 is full agreement, 0 that of chance."""

    kappa: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a judge did on a set of labelled answers.

    Attributes:
        pairs: (label, grade) for each dimension of each answer that it graded.
        failed: answers that it did not grade.
        repeated, agreed: answers that it graded twice, and those among them with the same grades; 0 and 0 for a judge
            that must repeat itself by design.
        served: what answered.
        labels: hash of the set.
        by: whose labels they are.
        at: when, UTC.
    """

    pairs: Pairs
    failed: int
    repeated: int
    agreed: int
    served: str
    labels: str
    by: str
    at: str

    @property
    def agreement(self) -> Agreement:
        """Kappa over all dimensions and answers; the answers are what is resampled."""
        return _agreement(self.pairs)

    @property
    def bias(self) -> float:
        """Mean of grade minus label, in grades; above 0 the judge is lenient."""
        differences = [grade - label for item in self.pairs for label, grade in item]
        return sum(differences) / len(differences)

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """Counts by label (rows, 1 to 5) and grade (columns, 1 to 5)."""
        flat = [pair for item in self.pairs for pair in item]
        return tuple(tuple(flat.count((label, grade)) for grade in LEVELS) for label in LEVELS)

    def spec(self) -> dict[str, Json]:
        """As JSON, whole: whoever reads it can work out kappa again."""
        return {**asdict(self), "pairs": [[list(pair) for pair in item] for item in self.pairs]}

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> "Calibration":
        """What `spec` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        pairs = tuple(tuple((_level(a), _level(b)) for a, b in item) for item in value["pairs"])
        if not pairs:
            raise ValueError("a calibration without answers")
        return cls(**{**value, "pairs": pairs})


def fingerprint(judge: Judge, rubric: Rubric) -> str:
    """Who judges, by which words: equal fingerprints mean that a calibration holds."""
    who = judge.identity()
    return digest(
        {
            "judge": who.served if who.weights else who.name,
            "settings": dict(who.settings),
            "form": judge.form(rubric),
            "rubric": rubric.digest,
            "protocol": PROTOCOL,
        }
    )


def keep(store: Store, judge_fingerprint: str, found: Calibration) -> None:
    """Keep a calibration; a later one under the same fingerprint replaces it."""
    store.put_many({_key(judge_fingerprint): found.spec()})


def load(store: Store, judge_fingerprint: str) -> Calibration | None:
    """The last calibration under a fingerprint; None when there is none that can be read."""
    key = _key(judge_fingerprint)
    value = store.get_many([key]).get(key)
    try:
        return Calibration.read(value) if isinstance(value, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


def _key(judge_fingerprint: str) -> str:
    return digest({"kind": "calibration", "judge": judge_fingerprint})


def _level(value: object) -> int:
    if type(value) is not int or value not in LEVELS:
        raise ValueError(f"{value!r} is no grade")
    return value


@lru_cache(maxsize=16)
def _agreement(pairs: Pairs) -> Agreement:
    """Kappa = 1 - sum(w O) / sum(w E) with w = (i - j)², O the counts and E those of independent raters.

    The interval is the percentile bootstrap over answers, 2,000 resamples with a fixed seed. Where all grades and
    labels of a resample are one and the same value kappa is 0/0, and counts as 0: nothing was told apart.

    Source: Cohen 1968, Psychological Bulletin 70:213-220.
    """
    import numpy as np

    size = len(LEVELS)
    counts = np.zeros((len(pairs), size, size))
    for item, graded in enumerate(pairs):
        for label, grade in graded:
            counts[item, label - 1, grade - 1] += 1
    levels = np.arange(size)
    weights = (levels[:, None] - levels[None, :]) ** 2

    def kappas(tables: Any) -> Any:  # noqa: ANN401  # arrays (n, 5, 5) -> (n,)
        seen = (tables * weights).sum(axis=(1, 2))
        apart = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :]
        chance = (apart * weights).sum(axis=(1, 2)) / tables.sum(axis=(1, 2))
        return np.where(chance > 0, 1 - seen / np.where(chance > 0, chance, 1), 0.0)

    drawn = np.random.default_rng(0).multinomial(len(pairs), [1 / len(pairs)] * len(pairs), size=_RESAMPLES)
    tables = (drawn @ counts.reshape(len(pairs), -1)).reshape(_RESAMPLES, size, size)
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(kappas(tables), [tail, 1 - tail])
    return Agreement(float(kappas(counts.sum(axis=0)[None])[0]), float(low), float(high))
