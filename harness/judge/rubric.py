"""What a judge grades: two to four dimensions, each level of each anchored by a sentence."""

import re
from dataclasses import asdict, dataclass

from harness.errors import BadSpec
from harness.fingerprint import digest

__all__ = ["COMPLETE", "CORRECT", "FORMAT", "LEVELS", "Dimension", "Rubric", "as_rate"]

LEVELS = range(1, 6)
"""1 is worst, 5 is best."""

_NAME = re.compile(r"[a-z][a-z_]{0,23}")
_FEWEST, _MOST = 2, 4


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing to grade from 1 to 5.

    Attributes:
        name: `[a-z_]`, at most 24 characters; its metric is `judge_<name>`.
        asks: the question that the grade answers.
        anchors: what 1, 2, 3, 4 and 5 mean, in this order.

    Raises:
        BadSpec: another kind of name, or not five anchors.
    """

    name: str
    asks: str
    anchors: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check name and anchors."""
        if not _NAME.fullmatch(self.name):
            raise BadSpec(f"dimension {self.name!r}: a name is 1 to 24 of a-z and _, starting with a letter")
        if len(self.anchors) != len(LEVELS) or not all(anchor.strip() for anchor in self.anchors):
            raise BadSpec(f"dimension {self.name!r}: give five anchors, one sentence for each of 1 to 5")


@dataclass(frozen=True, slots=True)
class Rubric:
    """The dimensions of a suite, in the order shown.

    Raises:
        BadSpec: fewer than two or more than four, or one given twice.
    """

    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
        """Check the number of dimensions and their names."""
        if not _FEWEST <= len(self.dimensions) <= _MOST:
            raise BadSpec(f"a rubric has {_FEWEST} to {_MOST} dimensions, not {len(self.dimensions)}")
        if len(set(self.names)) != len(self.names):
            raise BadSpec(f"rubric: a dimension is given twice ({', '.join(self.names)})")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def digest(self) -> str:
        """Hash of every word of it."""
        return digest([{**asdict(each), "anchors": list(each.anchors)} for each in self.dimensions])

    def text(self) -> str:
        """The rubric as a judge reads it."""
        return "\n\n".join(
            "\n".join(
                [f"{each.name}: {each.asks}", *(f"  {n} = {a}" for n, a in zip(LEVELS, each.anchors, strict=True))]
            )
            for each in self.dimensions
        )


def as_rate(score: int) -> float:
    """A grade as a score of the house: 1 to 5 becomes 0, .25, .5, .75 and 1."""
    return (score - LEVELS[0]) / (LEVELS[-1] - LEVELS[0])


CORRECT = Dimension(
    "correct",
    "Is what the answer says true, measured by the reference?",
    (
        "Empty, evasive, or about something else.",
        "Of the right kind, but wrong in most of what it says.",
        "Partly right: some of it agrees with the reference, some does not.",
        "Right in all that matters, but said with needless or disturbing extras.",
        "Says exactly what the reference says.",
    ),
)
COMPLETE = Dimension(
    "complete",
    "Does the answer hold everything that was asked for?",
    (
        "Nothing that was asked for is there.",
        "Most of what was asked for is missing.",
        "About half of what was asked for is missing.",
        "One small part is missing, or it must be searched for among other text.",
        "Everything that was asked for is there.",
    ),
)
FORMAT = Dimension(
    "follows_format",
    "Does the answer keep to the form that was asked for?",
    (
        "It has nothing of the form.",
        "It has little of the form.",
        "The form is recognisable, but broken in several places.",
        "The form is kept but for one slip, or for text around it.",
        "The form is kept exactly.",
    ),
)
