"""What we demand of an endpoint, and what we give up when it refuses: a form for replies, determinism, a length.

The demands are settled once, by the first question, and then hold for every model under test alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Ladder"]

_FORMATS = ("json_schema", "json_object", "text")
_SEED = 20_260


class Ladder:
    """The parameters of a request. `give_up` takes one demand back; the reply's form is checked by us in any case."""

    def __init__(self, model: str, reply_tokens: int) -> None:
        self._model, self._reply_tokens = model, reply_tokens
        self._format = 0
        self._limit = "max_completion_tokens"
        self._dropped: set[str] = set()

    def spec(self) -> dict[str, str]:
        """What holds in the end, for people and for fingerprints."""
        return {
            "format": _FORMATS[self._format],
            "temperature": "default" if "temperature" in self._dropped else "0",
            "seed": "default" if "seed" in self._dropped else str(_SEED),
            "limit": f"{self._limit}={self._reply_tokens}",
        }

    def body(self, turns: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> dict[str, Any]:
        """One request, as it is sent."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [dict(turn) for turn in turns],
            self._limit: self._reply_tokens,
        }
        if "temperature" not in self._dropped:
            body["temperature"] = 0
        if "seed" not in self._dropped:
            body["seed"] = _SEED
        match _FORMATS[self._format]:
            case "json_schema":
                wanted = {"name": "verdict", "strict": True, "schema": dict(schema)}
                body["response_format"] = {"type": "json_schema", "json_schema": wanted}
            case "json_object":
                body["response_format"] = {"type": "json_object"}
        return body

    def give_up(self, param: str, said: str) -> bool:
        """Take back the demand that the endpoint names, else the next in order; False when none is left."""
        named = f"{param} {said}".casefold()
        for word, step in self._steps().items():
            if word in named and step():
                return True
        return any(step() for step in self._steps().values())

    def ignored(self) -> bool:
        """Ask with a plainer form, because the endpoint took the demand and did not keep it; False at the plainest."""
        return self._plainer_format()

    def _steps(self) -> dict[str, Any]:
        return {
            "response_format": self._plainer_format,
            "json_schema": self._plainer_format,
            "temperature": lambda: self._drop("temperature"),
            "seed": lambda: self._drop("seed"),
            "max_completion_tokens": self._older_limit,
        }

    def _plainer_format(self) -> bool:
        if self._format + 1 >= len(_FORMATS):
            return False
        self._format += 1
        return True

    def _older_limit(self) -> bool:
        if self._limit == "max_tokens":
            return False
        self._limit = "max_tokens"
        return True

    def _drop(self, name: str) -> bool:
        if name in self._dropped:
            return False
        self._dropped.add(name)
        return True
