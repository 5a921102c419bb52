"""The regression set, one row a case: what was pinned by whom, what a candidate broke, what is waived until when."""

from dataclasses import dataclass
from enum import StrEnum

from harness.hold import BROKE, EXPIRED, PINNED, WAIVED
from reports.load import Run
from reports.pairs import Change, pairs, primary_metric

__all__ = ["Case", "RegressionSet", "State", "regression_sets"]

_PINNED_BY = "pinned by "


class State(StrEnum):
    """What became of a case, from the base to the model that is judged."""

    HELD = "held"
    BROKEN = "broken"
    WAIVED = "broken, waived"
    FIXED = "fixed"
    BOTH_MISS = "missed by both"
    UNSCORED = "not scored"


_STATES = {
    Change.BOTH_RIGHT: State.HELD,
    Change.BROKEN: State.BROKEN,
    Change.FIXED: State.FIXED,
    Change.BOTH_WRONG: State.BOTH_MISS,
    Change.UNSCORED: State.UNSCORED,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        pinned: by whom and why; empty for a row that was only drawn.
        broke: in which run somebody first saw it broken, and when it was pinned; empty where that is not known.
        waiver: until when, by whom.
    """

    id: str
    state: State
    pinned: str
    broke: str
    waiver: str


@dataclass(frozen=True, slots=True)
class RegressionSet:
    """The cases of a suite: all pinned ones, and of the drawn ones those that changed or were not scored."""

    suite: str
    cases: tuple[Case, ...]
    held: int

    @property
    def pinned(self) -> int:
        """How many cases are pinned."""
        return sum(bool(case.pinned) for case in self.cases)


def regression_sets(run: Run, model: str) -> tuple[RegressionSet, ...]:
    """One for each suite that keeps what the base passes or holds pinned cases; `held` counts the rows left out."""
    made = []
    for suite in run.suites:
        paired = pairs(run, suite.name, model, primary_metric(run, suite.name))
        if suite.keeps or any(PINNED in pair.base.tags[:1] for pair in paired):
            cases = [_case(pair.base.id, pair.base.tags, pair.change) for pair in paired]
            told = sorted(
                (case for case in cases if case.pinned or case.state is not State.HELD),
                key=lambda case: (not case.pinned, case.state is State.HELD),
            )
            made.append(RegressionSet(suite.name, tuple(told), len(cases) - len(told)))
    return tuple(made)


def _case(name: str, tags: tuple[str, ...], change: Change) -> Case:
    pinned = tags[:1] == (PINNED,)
    said = [tag.removeprefix(_PINNED_BY) for tag in tags if tag.startswith(_PINNED_BY)] if pinned else []
    broke = [tag.removeprefix(BROKE) for tag in tags if tag.startswith(BROKE)] if pinned else []
    waivers = [tag for tag in tags if tag.startswith((WAIVED, EXPIRED))] if pinned else []
    state = _STATES[change]
    if state is State.BROKEN and any(tag.startswith(WAIVED) for tag in waivers):
        state = State.WAIVED
    owner = said[0] if said else "by nobody named" if pinned else ""
    return Case(name, state, owner, broke[0] if broke else "", "; ".join(waivers))
