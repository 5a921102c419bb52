"""What an example says to the model: chat messages, before any template."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.types import Example, Message

__all__ = ["PromptSpec", "chat"]


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """How an example becomes chat messages: an optional system turn, then the input as the user's turn.

    Attributes:
        system: text of the system turn; empty for none.
    """

    system: str = ""

    def messages(self, example: Example) -> list[Message]:
        """The chat turns that ask `example`, ready for the model's template."""
        user: Message = {"role": "user", "content": example.input}
        return [{"role": "system", "content": self.system}, user] if self.system else [user]

    @property
    def spec(self) -> Mapping[str, str]:
        """What enters the `prompt` layer of a suite's fingerprint."""
        return {"format": "chat", "system": self.system}


def chat(system: str = "") -> PromptSpec:
    """Ask as a user in a chat, after an optional system turn."""
    return PromptSpec(system=system)
