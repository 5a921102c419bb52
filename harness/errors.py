"""Every error a user can meet, in one tree.

HarnessError                 the message is one line: what is wrong, where, what to do next
├── UsageProblem             an option, path or specification is wrong; nothing was measured
│   ├── BadExamples          a data file is empty or a row is malformed (message carries file:line)
│   ├── BadSpec              a suite, gate or schema contradicts itself or cannot be decided
│   └── BadRunDirectory      the run directory exists, belongs to another plan, or cannot be read
├── NotMeasured              a planned measurement is missing; becomes INVALID, never 0
├── JudgeProblem             the judge cannot be asked: no key, no such model, endpoint down
├── BudgetSpent              the judge's budget is used up; what was judged is kept, a larger one goes on
├── CannotWrite              a disk is full, or a file cannot be written; the run stops and can be continued
├── CutEarly                 a point of a sweep was stopped on the way; becomes CUT
├── Incomparable             two results differ in something that must be equal
└── ModelProblem             the model, adapter or tokenizer cannot be trusted to be what was asked for
    ├── AdapterMismatch      adapter of another base, missing or unexpected keys, drifted prompt
    └── AdapterWithoutEffect adapter whose outputs and logits equal the base
"""

from harness.types import ModelRef

__all__ = [
    "AdapterMismatch",
    "AdapterWithoutEffect",
    "BadExamples",
    "BadRunDirectory",
    "BadSpec",
    "BudgetSpent",
    "CannotWrite",
    "CutEarly",
    "HarnessError",
    "Incomparable",
    "JudgeProblem",
    "ModelProblem",
    "NotMeasured",
    "UsageProblem",
]


class HarnessError(Exception):
    """Root of the tree; `str(error)` is one line fit for a terminal."""


class UsageProblem(HarnessError):
    """An option, path or specification is wrong; nothing was measured."""


class BadExamples(UsageProblem):
    """A data file is empty or holds a malformed row; the message starts with `file:line`."""


class BadSpec(UsageProblem):
    """A suite, gate or schema contradicts itself or cannot be decided with the data it has."""


class BadRunDirectory(UsageProblem):
    """A run directory exists already, belongs to another plan, or cannot be read."""


class NotMeasured(HarnessError):
    """A planned measurement is missing; the verdict becomes INVALID, the score never 0."""


class JudgeProblem(HarnessError):
    """The judge cannot be asked: no key, no such model, an endpoint that is down or follows no protocol."""


class BudgetSpent(HarnessError):
    """The judge's budget is used up; every verdict so far is kept, and the same command with a larger one goes on."""


class CannotWrite(HarnessError):
    """A file of the run or the store cannot be written; what was measured is kept, and the run can be continued."""


class CutEarly(HarnessError):
    """A point of a sweep was stopped on the way, because others scored better; `model` is what it had become."""

    def __init__(self, message: str, model: ModelRef) -> None:
        """Say where and why, and what was measured there."""
        super().__init__(message)
        self.model = model


class Incomparable(HarnessError):
    """Two results differ in something that must be equal before they may be compared."""


class ModelProblem(HarnessError):
    """The model, adapter or tokenizer cannot be trusted to be what was asked for."""


class AdapterMismatch(ModelProblem):
    """The adapter belongs to another base, lacks or adds keys, or pins another prompt."""


class AdapterWithoutEffect(ModelProblem):
    """With the adapter on, probe logits and every output equal those of the base."""
