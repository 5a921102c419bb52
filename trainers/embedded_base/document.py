"""What pretraining reads: a document is a run of parts, each learned or only read.

Chat documents are written with the control tokens of the chat template; a test holds the two against each other.
"""

import hashlib
from typing import NamedTuple

__all__ = [
    "ASSISTANT",
    "BOS",
    "CONTROL_TOKENS",
    "END",
    "PAD",
    "SYSTEM",
    "USER",
    "Document",
    "chat",
    "normal",
    "plain",
    "reserved",
]

PAD, BOS, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
CONTROL_TOKENS = (PAD, BOS, END, SYSTEM, USER, ASSISTANT)


class Document(NamedTuple):
    """One pretraining document.

    Attributes:
        kind: which generator made it.
        parts: (text, learned) in order; control tokens are written out.
        prompt: what a user would type; the key that keeps evaluation prompts out of pretraining.
        answer: the right answer to `prompt`; empty for running text.
        system: system turn, or empty.
    """

    kind: str
    parts: tuple[tuple[str, bool], ...]
    prompt: str
    answer: str = ""
    system: str = ""


def chat(kind: str, user: str, answer: str, *, system: str = "") -> Document:
    """A conversation of one turn; the loss falls on the answer and its end token only."""
    head = f"{SYSTEM}{system}{END}" if system else ""
    return Document(
        kind, ((f"{BOS}{head}{USER}{user}{END}{ASSISTANT}", False), (f"{answer}{END}", True)), user, answer, system
    )


def plain(kind: str, text: str) -> Document:
    """Running text; every token is learned."""
    return Document(kind, ((BOS, False), (f"{text}{END}", True)), text)


def normal(text: str) -> str:
    """The letters and digits of a text, without case: texts that differ in nothing else count as equal."""
    return "".join(character for character in text.casefold() if character.isalnum())


def reserved(prompt: str, share: float = 0.02) -> bool:
    """Whether a prompt belongs to the share that is kept out of pretraining, for evaluation. Depends on its words only."""
    return int.from_bytes(hashlib.blake2b(normal(prompt).encode(), digest_size=4).digest()) < share * 2**32
