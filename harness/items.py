"""The test items of a suite: what is decided on it, and how each is called."""

from dataclasses import dataclass

from harness.gates import Gate
from harness.plan import MEASURED
from harness.suite import Measurable

__all__ = ["GateOf", "gate_of", "items_of"]


@dataclass(frozen=True, slots=True, repr=False)
class GateOf:
    """A gate of one of several suites that share a file; as text it is the gate."""

    suite: str
    gate: Gate | str

    def __str__(self) -> str:
        """The gate's text."""
        return str(self.gate)

    def __repr__(self) -> str:
        """Suite and gate, for test ids."""
        return f"{self.suite}-{self.gate}"


def items_of(suite: Measurable, candidates: int) -> list[Gate | str]:
    """What is decided on `suite`: all its gates for candidates, without any the absolute ones, or `measured`."""
    gates: list[Gate | str] = [gate for gate in suite.gates if candidates or gate.absolute]
    return gates or [MEASURED]


def gate_of(suite: Measurable, text: str) -> Gate | None:
    """The gate of that text; None for `measured`."""
    return next((gate for gate in suite.gates if str(gate) == text), None)
