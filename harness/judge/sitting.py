"""One model's answers before one judge: who judged, what it is worth, and everything that was said. Evidence of a run.

Written as JSON lines beside the rows: a head, then one line for each judgement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.judge.calibration import KAPPA_TO_GATE, Calibration, fingerprint, load
from harness.judge.judgement import Judge, Judgement
from harness.judge.rubric import Rubric
from harness.store import Store
from harness.types import Json

__all__ = ["Bench", "Hearing", "Sitting"]


class Hearing(NamedTuple):
    """What comes of one measurement; see the fields of `Sitting`."""

    judgements: Sequence[Judgement]
    orders: Sequence[str]
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bench:
    """Who a second judge is, and what it is worth; fields as in `Sitting`."""

    judge: str
    fingerprint: str
    weights: str
    served: str
    settings: Mapping[str, str]
    calibration: Calibration | None

    @classmethod
    def of(cls, judge: Judge, rubric: Rubric, store: Store) -> "Bench":
        """A judge that was prepared."""
        who, own = judge.identity(), fingerprint(judge, rubric)
        return cls(who.name, own, who.weights, who.served, who.settings, load(store, own))

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> "Bench":
        """What `spec` wrote."""
        return cls(**{**value, "calibration": _calibration(value["calibration"])})

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        values: dict[str, Json] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        worth = self.calibration.spec() if self.calibration else None
        return {**values, "settings": dict(self.settings), "calibration": worth}

    def objections(self, measured_weights: str, named: str) -> Any:  # noqa: ANN401  # an iterator of sentences
        """Why it may not decide about a model of these weights and this name."""
        if self.weights and self.weights == measured_weights:
            yield "the judge is itself a model under test, or its base"
        elif not self.weights and _same_name(self.judge, named):
            yield f"the judge goes by the name of a model under test ({named})"
        if self.calibration is None:
            yield "the judge is not calibrated, see `tunegate calibrate-judge`"
            return
        kappa, low, high = self.calibration.agreement
        if low < KAPPA_TO_GATE:
            yield f"its kappa is {kappa:.2f} [{low:.2f}, {high:.2f}], the lower bound must reach {KAPPA_TO_GATE}"
        if self.calibration.served != self.served:
            yield "what answers behind the judge's name has changed since it was calibrated"


@dataclass(frozen=True, slots=True)
class Sitting:
    """Head of the evidence, and the judgements.

    Attributes:
        judge: name as it was asked for.
        fingerprint: of the judge under this rubric, see `calibration`.
        weights: hash of a local judge's weights; empty for an endpoint.
        served: what an endpoint called itself when it was prepared; a local judge's fingerprint.
        settings: how it was asked.
        exact: whether it repeats itself by design.
        measured: fingerprint of the model whose answers were judged.
        measured_weights: hash of its base's weights.
        named: base of that model as it was asked for, a Hub id perhaps.
        dimensions: of the rubric.
        calibration: what the judge is worth; None when it was never calibrated.
        orders: ids of rows whose answer seems to give orders to the judge.
        said: of rows with earlier turns, the whole conversation up to the last question, by the row's id.
        judgements: all of them, canaries and repeats included.
        second: the second judge; None without one.
    """

    judge: str
    fingerprint: str
    weights: str
    served: str
    settings: Mapping[str, str]
    exact: bool
    measured: str
    measured_weights: str
    named: str
    dimensions: tuple[str, ...]
    calibration: Calibration | None
    orders: tuple[str, ...]
    said: Mapping[str, str]
    judgements: tuple[Judgement, ...]
    second: Bench | None = None

    def evidence(self) -> tuple[Mapping[str, Any], ...]:
        """As the lines of a file."""
        head: dict[str, Json] = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "judgements"
        }
        head["settings"], head["dimensions"], head["orders"] = dict(self.settings), [*self.dimensions], [*self.orders]
        head["said"] = dict(self.said)
        head["calibration"] = self.calibration.spec() if self.calibration else None
        head["second"] = self.second.spec() if self.second else None
        return head, *(judgement.spec() for judgement in self.judgements)

    @classmethod
    def read(cls, lines: Sequence[Mapping[str, Any]]) -> "Sitting | None":
        """What `evidence` wrote; None where nothing was judged.

        Raises:
            KeyError, TypeError, ValueError: a line is something else.
        """
        if not lines:
            return None
        head, *rest = lines
        second = Bench.read(head["second"]) if head["second"] is not None else None
        lists = {"dimensions": tuple(head["dimensions"]), "orders": tuple(head["orders"])}
        judgements = tuple(map(Judgement.read, rest))
        calibration = _calibration(head["calibration"])
        return cls(**{**head, **lists, "calibration": calibration, "judgements": judgements, "second": second})

    @property
    def objections(self) -> tuple[str, ...]:
        """Why these judges may not decide about this model; empty when they may.

        A second judge counts as far as it was needed: what it graded must be worth as much as the rest.
        """
        first = Bench(self.judge, self.fingerprint, self.weights, self.served, self.settings, self.calibration)
        found = [*first.objections(self.measured_weights, self.named)]
        if self.second is not None and any(each.second for each in self.judgements):
            ours = self.second.objections(self.measured_weights, self.named)
            found += [f"of the second judge: {objection}" for objection in ours]
        return tuple(found)


def _calibration(value: Any) -> Calibration | None:  # noqa: ANN401  # from JSON
    return None if value is None else Calibration.read(value)


def _same_name(judge: str, named: str) -> bool:
    """`https://host/v1#Llama-3.2-1B` and `meta-llama/Llama-3.2-1B` are likely one model."""
    own, other = (text.rpartition(mark)[2].rpartition("/")[2].casefold() for text, mark in ((judge, "#"), (named, "#")))
    return bool(own) and own == other
