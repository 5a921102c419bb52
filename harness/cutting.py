"""A sweep's points from rung to rung: trained together to a part of their steps, measured, and the best trained on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from harness.errors import CannotWrite, CutEarly, HarnessError, NotMeasured
from harness.halving import Cuts, Reached, Rungs, Standing
from harness.sweeps import Ranking, Screen, Sweep
from harness.types import ModelRef, SuiteResult

__all__ = ["Cutting"]

Glimpse = Callable[[ModelRef, int], tuple[ModelRef, SuiteResult]]
"""Measures the select half on a point at a rung, counted from 1: the model as it was identified, and its rows."""


@dataclass(slots=True)
class Cutting:
    """Halving as it happens, once, when the first point is needed.

    Nothing of it is kept apart: what a point had become at a rung lies beside its folder, and its answers lie in the
    store, both by their contents. So a run that was killed, or a second one, comes the same way again and finds all
    of it done.

    Attributes:
        sweep: trains.
        ranking: what ranks.
        screen: told of each rung.
        glimpse: measures.
        rungs: what became of the points so far.
        left: why a point is not trained to the end, by name.
        fresh: names of the points that were trained in this session, as far as they went.
    """

    sweep: Sweep
    ranking: Ranking
    screen: Screen
    glimpse: Glimpse
    rungs: Rungs
    left: dict[str, HarnessError] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    _over: bool = False

    @classmethod
    def of(cls, cuts: Cuts, sweep: Sweep, ranking: Ranking, screen: Screen, glimpse: Glimpse) -> "Cutting":
        """Before the first rung."""
        return cls(sweep, ranking, screen, glimpse, Rungs(cuts))

    def enter(self, name: str) -> None:
        """Go all the way, unless that was done; then only who came to the end may be measured.

        Raises:
            CutEarly: the point was stopped on the way.
            HarnessError: it could not be trained, or not be measured on the way.
        """
        if not self._over:
            try:
                self._climb()
            except CannotWrite:
                raise  # what was done is kept, and the next run goes on from it
            except HarnessError as error:
                self.left |= dict.fromkeys(self.rungs.cuts.points, error)
            self._over = True
        if name in self.left:
            raise self.left[name]

    def _climb(self) -> None:
        after = Fraction(0)
        for number, rung in enumerate(self.rungs.cuts.rungs, start=1):
            reached = self._reach(after, rung.part)
            seen: dict[str, ModelRef] = {}
            self.rungs.decide([self._stand(name, reached.get(name), number, seen) for name in self.rungs.alive])
            for each in self.rungs.past[-1]:
                if reason := self.rungs.cut(each.model):
                    self.left[each.model] = CutEarly(reason, seen[each.model])
            cut = [each.model for each in self.rungs.past[-1] if isinstance(self.left.get(each.model), CutEarly)]
            self.screen.say(
                f"halving, rung {number} of {len(self.rungs.cuts.rungs)}, at {rung.part} of the steps: "
                f"{len(self.rungs.alive)} of {len(self.rungs.past[-1])} go on; "
                f"cut: {', '.join(cut) or 'none'}"
            )
            after = rung.part
        self._reach(after, Fraction(1))

    def _reach(self, after: Fraction, until: Fraction) -> dict[str, Reached]:
        """Train all that are alive, and note who failed."""
        found = self.sweep.reach(self.rungs.alive, self.screen, after=after, until=until) if self.rungs.alive else {}
        self.left |= {name: each for name, each in found.items() if isinstance(each, HarnessError)}
        reached = {name: each for name, each in found.items() if isinstance(each, Reached)}
        self.fresh |= {name for name, each in reached.items() if each.fresh}
        return reached

    def _stand(self, name: str, reached: Reached | None, number: int, seen: dict[str, ModelRef]) -> Standing:
        """Measure a point; one that cannot be measured goes no further, and says why."""
        if reached is None:
            return Standing(name, None, None, None, stays=False)
        select = None
        try:
            seen[name], result = self.glimpse(reached.model, number)
            select = self.ranking.mean(result)
            if select is None:
                unscored = f"at step {reached.step} of {reached.steps} a row of the select half has no score"
                self.left[name] = NotMeasured(f"point {name!r}: {unscored}, so it cannot be ranked")
        except CannotWrite:
            raise  # the rung is as good as it was, and can be gone on from
        except HarnessError as error:
            self.left[name] = error
        return Standing(name, reached.step, reached.steps, select, stays=False)
