"""Data from outside: rows that do not ship, read from where `--data NAME=FILE` says they lie."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.datasets import Source
from harness.errors import BadExamples
from harness.fingerprint import digest
from harness.types import Example

__all__ = ["Gsm8k", "Outside", "outside"]


@dataclass(frozen=True, slots=True)
class Outside:
    """A source that is told where its rows lie, and asks others until then. Implements `Source`.

    Attributes:
        name: what `--data` calls it.
        form: reads a file of that data.
        otherwise: what is measured when nobody tells.
        path: where the rows lie; None until told.
    """

    name: str
    form: Callable[[Path], Source]
    otherwise: Source
    path: Path | None = None

    def read(self) -> tuple[Example, ...]:
        """See `Source.read`."""
        return self.form(self.path).read() if self.path else self.otherwise.read()

    @property
    def note(self) -> str:
        """What a reader of the terminal must know; empty once told."""
        if self.path:
            return ""
        return f"asks {len(self.otherwise.read())} rows of its own; --data {self.name}=FILE measures {self.name}"


def outside(name: str, form: Callable[[Path], Source], *, otherwise: Source) -> Outside:
    """Rows from `--data name=FILE`, read by `form`; without that those of `otherwise`."""
    return Outside(name, form, otherwise)


@dataclass(frozen=True, slots=True)
class Gsm8k:
    """A file of GSM8K: JSON lines with `question`, and `answer` that ends in `#### N`. Implements `Source`."""

    path: Path

    def read(self) -> tuple[Example, ...]:
        """See `Source.read`; the target is what follows `####`."""
        examples = tuple(self._examples())
        if not examples:
            raise BadExamples(f"{self.path}:1: holds no examples; give GSM8K's test.jsonl")
        if len({example.id for example in examples}) < len(examples):
            raise BadExamples(f"{self.path}: holds a question twice; remove one of the rows")
        return examples

    def _examples(self) -> Iterator[Example]:
        try:
            lines = self.path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadExamples(f"{self.path}: cannot be read ({error}); check the path") from error
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                question, (_, mark, answer) = row["question"], row["answer"].rpartition("####")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BadExamples(f"{self.path}:{number}: has no text `question` and `answer` ({error})") from error
            if not isinstance(question, str) or not question.strip() or not mark or not answer.strip():
                raise BadExamples(f"{self.path}:{number}: the answer must end in `#### N`")
            name = digest([question, answer])[:16]
            yield Example(id=name, input=question, target=answer.strip(), cluster=name)
