"""Who grades in a run: a judge, and a second one for the answers that seem to give orders to a judge.

Questions about several models are asked in turn, row by row, so that a judge that changes meanwhile changes for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.judge.asking import votes_of
from harness.judge.judgement import Judge, Judgement, Question
from harness.judge.rubric import Rubric
from harness.judge.sitting import Bench, Hearing, Sitting
from harness.store import Store
from harness.types import ModelRef

__all__ = ["Ask", "Docket", "Panel"]

Ask = Callable[[Judge, Sequence[Question]], list[Judgement]]
"""Puts questions to a judge; one judgement for each, in order."""


@dataclass(frozen=True, slots=True)
class Docket:
    """What is asked about one model's answers: of the judge, and of the second one."""

    own: Sequence[Question]
    referred: Sequence[Question] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """The judge of a run, and where one was asked for the second judge, who is asked without reasons."""

    judge: Judge
    second: Judge | None = None

    def prepare(self, rubric: Rubric) -> None:
        """See `Judge.prepare`."""
        for judge in (self.judge, self.second):
            if judge is not None:
                judge.prepare(rubric)

    def rounds(self, votes: int) -> int:
        """How often an answer on the edge is graded: once by a local judge, whose votes would all be the same."""
        return 1 if self.judge.identity().weights else votes

    def hear(
        self, dockets: Sequence[Docket], place: Mapping[str, int], *, votes: int, ask: Ask
    ) -> list[list[Judgement]]:
        """What the judges say, for each docket: first what was asked of the judge, then votes, then the second's.

        Args:
            dockets: one for each model.
            place: of each item; questions are asked in this order.
            votes: most grades of an answer.
            ask: puts questions to a judge.

        Raises:
            JudgeProblem, BudgetSpent: as `Judge.ask`.
        """
        own = [docket.own for docket in dockets]
        first = _in_turn(self.judge, own, place, ask)
        again = [votes_of(*each, self.rounds(votes)) for each in zip(own, first, strict=True)]
        voted = _in_turn(self.judge, again, place, ask)
        if self.second is None:
            return [[*one, *more] for one, more in zip(first, voted, strict=True)]
        told = _in_turn(self.second, [docket.referred for docket in dockets], place, ask)
        return [
            [*one, *more, *(replace(each, second=True) for each in other)]
            for one, more, other in zip(first, voted, told, strict=True)
        ]

    def sitting(self, rubric: Rubric, model: ModelRef, *, store: Store, heard: Hearing) -> Sitting:
        """Put together what the judges made of one model's answers."""
        first = Bench.of(self.judge, rubric, store)
        return Sitting(
            judge=first.judge,
            fingerprint=first.fingerprint,
            weights=first.weights,
            served=first.served,
            settings=first.settings,
            exact=self.judge.identity().exact,
            measured=model.fingerprint,
            measured_weights=model.digests.get("weights", model.fingerprint),
            named=model.base,
            dimensions=rubric.names,
            calibration=first.calibration,
            orders=tuple(heard.orders),
            said=heard.said,
            judgements=tuple(heard.judgements),
            second=Bench.of(self.second, rubric, store) if self.second else None,
        )


def _in_turn(
    judge: Judge, lists: Sequence[Sequence[Question]], place: Mapping[str, int], ask: Ask
) -> list[list[Judgement]]:
    """Judgements of each list, asked item by item over all of them."""
    order = sorted((place[each.item], arm, index) for arm, some in enumerate(lists) for index, each in enumerate(some))
    if not order:
        return [[] for _ in lists]
    made = ask(judge, [lists[arm][index] for _, arm, index in order])
    found = {(arm, index): judgement for (_, arm, index), judgement in zip(order, made, strict=True)}
    return [[found[arm, index] for index in range(len(some))] for arm, some in enumerate(lists)]
