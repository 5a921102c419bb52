"""How a gate spends its error when it gets several chances: a second look at more rows, or one candidate after another.

A test that may err in 5 % of all cases errs more often when it is asked again. So the chances share the 5 %. Whatever
they have to do with each other, all of them together then err no more often than one would (Bonferroni's inequality).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.decide import decide
from harness.errors import NotMeasured
from harness.gates import Gate
from harness.sequential import decided
from harness.types import Outcome, SuiteResult, Verdict

__all__ = ["Terms", "share_of", "shared"]

_EACH_LOOK = 0.5
"""Share of the error of one look, where a gate has two."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a gate decides by besides its limit and the rows.

    Attributes:
        chance: what guessing scores on the suite's headline metric.
        first: rows of the first of two looks, for gates that are not sequential; None where they look once, at all.
        number: which candidate this is on these rows, from 1 up; None where each spends the whole error.
    """

    chance: float
    first: int | None = None
    number: int | None = None

    def gate(self, gate: Gate) -> Gate:
        """`gate` with the error that it may spend on this candidate."""
        return gate if self.number is None else shared(gate, share_of(self.number))

    def decide(
        self,
        gate: Gate | None,
        base: SuiteResult,
        candidate: SuiteResult | None,
        *,
        confirm: bool = False,
        prompted: Sequence[SuiteResult] = (),
    ) -> Verdict:
        """The verdict on these terms; see `harness.decide.decide` for arguments and errors."""
        if gate is None:
            return decide(None, base, candidate, chance=self.chance, confirm=confirm, prompted=prompted)
        asked = self.gate(gate)
        if self.first is not None and candidate is not None and not gate.sequential:
            verdict = self._at_looks(asked, base, candidate, self.first)
        else:
            verdict = decide(asked, base, candidate, chance=self.chance, confirm=confirm, prompted=prompted)
        if self.number is None:
            return verdict
        said = f"candidate {self.number} on these rows, so one-sided at {asked.error:.2%} in place of {gate.error:.0%}"
        return replace(verdict, reason=f"{verdict.reason}; {said}")

    def settled(self, gates: Sequence[Gate], base: SuiteResult, candidate: SuiteResult) -> bool:
        """Whether every gate has passed or failed by the rows of `candidate`, so that no more need be measured."""
        if not decided([self.gate(gate) for gate in gates if gate.sequential], base, candidate):
            return False
        try:
            outcomes = {self.decide(gate, base, candidate).outcome for gate in gates if not gate.sequential}
        except NotMeasured:
            return False
        return outcomes <= {Outcome.PASS, Outcome.FAIL}

    def _at_looks(self, gate: Gate, base: SuiteResult, candidate: SuiteResult, first: int) -> Verdict:
        """The verdict of the first look that decides, of two at half the error each."""
        asked, planned = shared(gate, _EACH_LOOK), len(base.rows)
        for read in (first, planned):
            if read > len(candidate.rows):
                raise NotMeasured(
                    f"suite {candidate.suite!r}, model {candidate.model!r}: {len(candidate.rows)} of {planned} rows"
                    f" were read, and gate {gate} had not decided; rerun it"
                )
            verdict = decide(asked, _head(base, read), _head(candidate, read), chance=self.chance)
            if verdict.outcome is not Outcome.INCONCLUSIVE:
                break
        left = f"the other {planned - read} were not needed" if read < planned else f"the first {first} had not decided"
        said = f"read {read} of {planned} rows, {left}; each of two looks is one-sided at {asked.error:.2%}"
        return replace(verdict, n=planned, read=read, reason=f"{verdict.reason}; {said}")


def share_of(number: int) -> float:
    """Share of the error that the candidate of that number may spend: 1/2, 1/6, 1/12 ... which add up to 1.

    The series 1/(m (m + 1)) needs no guess at how many candidates will come.
    """
    return 1 / (number * (number + 1))


def shared(gate: Gate, share: float) -> Gate:
    """`gate` with that share of its error, in (0, 1]."""
    return replace(gate, confidence=1 - share * (1 - gate.confidence))


def _head(result: SuiteResult, count: int) -> SuiteResult:
    return replace(result, rows=result.rows[:count])
