"""What metrics that compare wording need of their targets."""

from collections.abc import Sequence

from harness.errors import BadExamples
from harness.types import Example

__all__ = ["refuse_no_text"]


def refuse_no_text(metric: str, examples: Sequence[Example]) -> None:
    """Refuse targets that are no text.

    Raises:
        BadExamples: with the first id at fault.
    """
    for example in examples:
        if not isinstance(example.target, str) or not example.target.strip():
            raise BadExamples(f"example {example.id}: {metric} compares wording and needs a text as target")
