"""A part of a training's steps, and where what it came to lies. Says nothing of numbers, so that planning may ask."""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from harness.errors import BadRunDirectory

__all__ = ["ALL", "PLACE", "TOLD", "WHOLE", "Span", "Steps", "part_of", "steps_of"]

WHOLE = Fraction(1)
"""The part of a training that is all of it."""

PLACE, TOLD = "halfway", "state.json"
"""A folder of its own, so that nobody takes its numbers for the adapter's; and the file that counts the steps."""


@dataclass(frozen=True, slots=True)
class Span:
    """From which part of the steps to which. What is begun lies in the folder of that part, see `part_of`."""

    after: Fraction = Fraction(0)
    until: Fraction = WHOLE

    @property
    def whole(self) -> bool:
        """Whether it is a training from its beginning to its end."""
        return not self.after and self.until == WHOLE

    def __str__(self) -> str:
        """In words."""
        return f"{self.after} to {self.until} of the steps"


ALL = Span()


class Steps(NamedTuple):
    """Optimiser steps that a training has had, and those that it has in all."""

    had: int
    planned: int


def part_of(out: Path, part: Fraction) -> Path:
    """The folder of what a training had become after a part of its steps; `out` itself after all."""
    return out if part == WHOLE else out.with_name(f"{out.name}.at-{part.numerator}-{part.denominator}")


def steps_of(folder: Path) -> Steps:
    """How far a training is that was stopped on the way.

    Raises:
        BadRunDirectory: its folder does not say.
    """
    try:
        told = json.loads((folder / PLACE / TOLD).read_text(encoding="utf-8"))
        return Steps(int(told["step"]), int(told["steps"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRunDirectory(f"{folder}: does not say how far it is ({error}); remove it and train again") from error
