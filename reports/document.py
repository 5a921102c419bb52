"""A JSON object from a file, its values taken by type; what does not fit is refused with file and key."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import BadRunDirectory

__all__ = ["Document", "parse", "read_bytes"]


@dataclass(frozen=True, slots=True)
class Document:
    """An object and where it stands.

    Every method raises BadRunDirectory when the value is missing or of another type.
    """

    where: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """A string."""
        return str(self._typed(key, str, "text"))

    def flag(self, key: str) -> bool:
        """A truth value."""
        return bool(self._typed(key, bool, "true or false"))

    def integer(self, key: str) -> int:
        """A whole number >= 0."""
        value = self._typed(key, int, "a whole number")
        if isinstance(value, bool) or value < 0:
            raise self.wrong(key, "a whole number")
        return int(value)

    def number(self, key: str) -> float:
        """A finite number."""
        value = self._typed(key, int | float, "a number")
        if isinstance(value, bool) or not math.isfinite(value):
            raise self.wrong(key, "a number")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._typed(key, list, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of texts")
        return tuple(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """An object, as it is."""
        value: Mapping[str, Any] = self._typed(key, dict, "an object")
        return value

    def list_of(self, key: str) -> tuple["Document", ...]:
        """A list of objects."""
        value = self._typed(key, list, "a list of objects")
        if not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, "a list of objects")
        return tuple(Document(f"{self.where}: {key}[{index}]", item) for index, item in enumerate(value))

    def absent(self, key: str) -> bool:
        """Whether the value is null: known not to be measured. A missing key is an error."""
        if key not in self.values:
            raise self.wrong(key, "a value or null")
        return self.values[key] is None

    def wrong(self, key: str, wanted: str) -> BadRunDirectory:
        """The error for `key`, to raise."""
        return BadRunDirectory(
            f"{self.where}: '{key}' is missing or not {wanted}; made by another version or edited: measure again"
        )

    def _typed(self, key: str, kind: Any, wanted: str) -> Any:  # noqa: ANN401 (each caller names the type)
        value = self.values.get(key)
        if not isinstance(value, kind):
            raise self.wrong(key, wanted)
        return value


def parse(text: str | bytes, where: str) -> Document:
    """Read one JSON object; `where` names the file, and the line if it has many.

    Raises:
        BadRunDirectory: not JSON as RFC 8259 has it (so no NaN), or not an object.
    """
    try:
        value = _DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        raise BadRunDirectory(f"{where}: not JSON ({error}); the file was cut or edited, measure again") from error
    if not isinstance(value, dict):
        raise BadRunDirectory(f"{where}: holds no JSON object; the file was cut or edited, measure again")
    return Document(where, value)


def read_bytes(path: Path) -> bytes:
    """The content of a file of the run.

    Raises:
        BadRunDirectory: missing or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRunDirectory(f"{path}: cannot be read ({error.__class__.__name__}); measure again") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
