"""What scores answers: one metric a file, a factory each, imported by the suite that uses it.

A metric is given the whole batch. Most judge one answer at a time and are lifted by `per_example`:

    def starts_well(example: Example, text: str) -> Judgement:
        right = text.startswith(str(example.target))
        return Judgement(float(right), text[:20], "ok" if right else "wrong_value")

    metric = per_example("starts_well", starts_well)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from harness.errors import NotMeasured
from harness.types import Example, FinishReason, Generation, Score

__all__ = ["Judgement", "Metric", "per_example", "scored"]


class Metric(Protocol):
    """Scores answers. Equal `spec` must mean equal scores: it enters the suite's fingerprint."""

    @property
    def name(self) -> str:
        """Unique in its suite; gates name it."""

    @property
    def version(self) -> int:
        """Raised whenever some answer would be scored otherwise than before."""

    @property
    def chance(self) -> float:
        """What guessing scores, in [0, 1)."""

    @property
    def spec(self) -> Mapping[str, str]:
        """Name, version and everything else that a score depends on."""

    def refuse_unfit(self, examples: Sequence[Example]) -> None:
        """Refuse examples that this metric cannot judge fairly; meant for collection, before any model is loaded.

        Raises:
            UsageProblem: with the first id at fault and what to do.
        """

    def __call__(self, examples: Sequence[Example], generations: Sequence[Generation]) -> list[Score]:
        """One score for each example, in order. A truncated answer scores 0 with the reason code `truncated`."""


class Judgement(NamedTuple):
    """What a metric thinks of one answer: `Score` without the metric's name."""

    value: float | None
    answer: str = ""
    reason_code: str = "ok"
    where: str = ""


Judge = Callable[[Example, str], Judgement]
Refuse = Callable[[Sequence[Example]], None]


def per_example(
    name: str,
    judge: Judge,
    *,
    version: int = 1,
    chance: float = 0.0,
    spec: Mapping[str, str] | None = None,
    refuse_unfit: Refuse | None = None,
) -> Metric:
    """Lift a function of one example and its answer's text to a metric; truncated answers never reach it.

    Args:
        name: the metric's name.
        judge: pure; same example and text, same judgement.
        version: raise it when `judge` changes its mind about some answer.
        chance: what guessing scores.
        spec: what else the scores depend on, beside name and version.
        refuse_unfit: see `Metric.refuse_unfit`; by default every example will do.
    """
    return _PerExample(name, judge, version, chance, dict(spec or {}), refuse_unfit)


def scored(
    name: str, generations: Sequence[Generation], judgements: Callable[[Sequence[int]], Sequence[Judgement]]
) -> list[Score]:
    """Score the complete answers by `judgements`, which is given their indices, and truncated ones 0."""
    complete = [i for i, generation in enumerate(generations) if generation.finish_reason is not FinishReason.LENGTH]
    judged = dict(zip(complete, judgements(complete), strict=True))
    cut = Judgement(0.0, reason_code="truncated")
    return [Score(name, *judged.get(i, cut)) for i in range(len(generations))]


@dataclass(frozen=True, slots=True)
class _PerExample:
    name: str
    judge: Judge
    version: int
    chance: float
    extra: Mapping[str, str] = field(default_factory=dict)
    refuse: Refuse | None = None

    @property
    def spec(self) -> Mapping[str, str]:
        return {"name": self.name, "version": str(self.version), **self.extra}

    def refuse_unfit(self, examples: Sequence[Example]) -> None:
        if self.refuse is not None:
            self.refuse(examples)

    def __call__(self, examples: Sequence[Example], generations: Sequence[Generation]) -> list[Score]:
        if len(examples) != len(generations):
            raise NotMeasured(f"metric {self.name!r}: {len(generations)} answers for {len(examples)} examples")
        return scored(
            self.name, generations, lambda complete: [self.judge(examples[i], generations[i].text) for i in complete]
        )
