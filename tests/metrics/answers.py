"""Examples and answers made by hand."""

from harness.types import Example, FinishReason, Generation, Json


def example(target: Json, name: str = "e1") -> Example:
    """An example with that target."""
    return Example(name, "question", target, cluster=name)


def answer(text: str, *, cut: bool = False) -> Generation:
    """A complete answer, or one that ran into the limit of tokens."""
    return Generation(text, (), FinishReason.LENGTH if cut else FinishReason.STOP, 3, 5)
