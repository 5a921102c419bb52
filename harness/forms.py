"""The forms in which people keep training rows, and what each one means: a conversation whose last turn is learned.

    {"input": text, "output": any JSON value}                  the form of the suites' data
    {"prompt": text, "completion": text}
    {"messages": [{"role": ..., "content": ...}, ..., {"role": "assistant", ...}]}
    {"conversations": [{"from": ..., "value": ...}, ..., {"from": "gpt", ...}]}      ShareGPT
    {"instruction": text, "input": text or nothing, "output": text}                  Alpaca
    {"prompt" or "input": ..., "chosen": ..., "rejected": ...}                       preferences, for ORPO

`id`, `tags`, `cluster` (rows of one group) and `provenance` (where a row comes from) may stand beside them. An output
that is not text is spelled by `answer_text`. Of several assistant turns the last is learned.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import BadExamples
from harness.types import Json, Message

__all__ = ["TrainRow", "answer_text", "conversation", "row_of"]

IGNORED = {"id", "tags", "cluster", "provenance"}  # what rows may carry besides; the audit reads it
ROLES = ("system", "user", "assistant", "tool")
SHAREGPT = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "tool": "tool",
}


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One conversation whose last turn is learned.

    Attributes:
        prompt: the turns before the answer, system turn included; not learned.
        answer: the assistant's last turn; learned, with the end-of-turn token.
        source: `file:line`, for messages.
        rejected: an answer that `answer` is preferred to; None but for preferences.
    """

    prompt: tuple[Message, ...]
    answer: str
    source: str
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    turns: list[Message]
    answer: str
    rejected: str | None = None


def answer_text(output: Json) -> str:
    """How an answer is spelled in training: text as it is, any other value as one line of JSON.

    `", "` and `": "` separate, and letters stay letters: what `json.dumps` writes by default, and what models
    have seen most.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON cannot write.
    """
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, allow_nan=False)


def row_of(value: Json, source: str, *, system: str = "") -> TrainRow:
    """A row from whichever form `value` has.

    Args:
        value: one parsed row.
        source: `file:line`, which starts every message.
        system: put first when the row has no system turn of its own; empty for none.

    Raises:
        BadExamples: names source, key and what was expected; or the answer is empty, or the same as the rejected one.
    """
    row = conversation(value, source, system=system)
    if not row.answer or row.rejected == "":
        raise BadExamples(f"{source}: the answer is empty; the model would learn to say nothing")
    if row.answer == row.rejected:
        raise BadExamples(f"{source}: 'chosen' and 'rejected' are the same answer; there is nothing to prefer")
    return row


def conversation(value: Json, source: str, *, system: str = "") -> TrainRow:
    """As `row_of`, whatever the answer says: what looks at rows, and does not learn from them, takes empty ones too.

    Raises:
        BadExamples: names source, key and what was expected.
    """
    if not isinstance(value, dict):
        raise BadExamples(f"{source}: a {type(value).__name__} instead of a JSON object; write one object a row")
    keys = frozenset(value) - IGNORED
    read = _FORMS.get(keys)
    if read is None:
        raise BadExamples(
            f"{source}: keys {', '.join(sorted(keys)) or '(none)'}; expected input and output, prompt and completion, "
            "messages, conversations, instruction and output, or prompt, chosen and rejected"
        )
    parts = read(value, source)
    turns = parts.turns
    if system and not any(turn["role"] == "system" for turn in turns):
        turns = [{"role": "system", "content": system}, *turns]
    return TrainRow(prompt=tuple(turns), answer=parts.answer, source=source, rejected=parts.rejected)


def _suites_form(value: Mapping[str, Any], source: str) -> _Parts:
    return _Parts([_user(value, "input", source)], _spelled(value, "output", source))


def _completion(value: Mapping[str, Any], source: str) -> _Parts:
    prompt = value["prompt"]
    if isinstance(prompt, list):  # TRL's conversational form
        return _Parts(_turns(prompt, source, "prompt"), _reply(value, "completion", source))
    return _Parts([_user(value, "prompt", source)], _text(value["completion"], f"{source}: key 'completion'"))


def _alpaca(value: Mapping[str, Any], source: str) -> _Parts:
    text = _text(value["instruction"], f"{source}: key 'instruction'")
    extra = _text(value.get("input") or "", f"{source}: key 'input'")
    content = f"{text}\n\n{extra}" if extra else text
    return _Parts([{"role": "user", "content": content}], _spelled(value, "output", source))


def _messages(value: Mapping[str, Any], source: str) -> _Parts:
    return _answered(_turns(value["messages"], source, "messages"), source, "messages")


def _sharegpt(value: Mapping[str, Any], source: str) -> _Parts:
    turns: list[dict[str, Any]] = []
    for number, turn in enumerate(_list(value["conversations"], f"{source}: key 'conversations'")):
        where = f"{source}: key 'conversations[{number}]'"
        if not isinstance(turn, dict) or not {"from", "value"} <= set(turn):
            raise BadExamples(f"{where}: expected an object with the keys from and value")
        if turn["from"] not in SHAREGPT:
            raise BadExamples(f"{where}: from {turn['from']!r}; expected one of {', '.join(SHAREGPT)}")
        turns.append({"role": SHAREGPT[turn["from"]], "content": turn["value"]})
    return _answered(_turns(turns, source, "conversations"), source, "conversations")


def _preference(value: Mapping[str, Any], source: str) -> _Parts:
    key = "prompt" if "prompt" in value else "input"
    prompt = value[key]
    turns = _turns(prompt, source, key) if isinstance(prompt, list) else [_user(value, key, source)]
    return _Parts(turns, _reply(value, "chosen", source), _reply(value, "rejected", source))


_FORMS: Mapping[frozenset[str], Callable[[Mapping[str, Any], str], _Parts]] = {
    frozenset({"input", "output"}): _suites_form,
    frozenset({"prompt", "completion"}): _completion,
    frozenset({"messages"}): _messages,
    frozenset({"conversations"}): _sharegpt,
    frozenset({"instruction", "output"}): _alpaca,
    frozenset({"instruction", "input", "output"}): _alpaca,
    frozenset({"prompt", "chosen", "rejected"}): _preference,
    frozenset({"input", "chosen", "rejected"}): _preference,
}


def _turns(value: object, source: str, key: str) -> list[Message]:
    turns: list[Message] = []
    for number, turn in enumerate(_list(value, f"{source}: key '{key}'")):
        where = f"{source}: key '{key}[{number}]'"
        if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
            raise BadExamples(f"{where}: expected an object with exactly the keys role and content")
        if turn["role"] not in ROLES:
            raise BadExamples(f"{where}: role {turn['role']!r}; expected one of {', '.join(ROLES)}")
        turns.append({"role": turn["role"], "content": _text(turn["content"], where)})
    return turns


def _answered(turns: list[Message], source: str, key: str) -> _Parts:
    """Split a conversation before its last turn, which must be an answer."""
    if len(turns) < 2:  # noqa: PLR2004  # a question and its answer
        raise BadExamples(f"{source}: key '{key}': expected a list of at least two turns")
    *prompt, last = turns
    if last["role"] != "assistant":
        raise BadExamples(f"{source}: key '{key}': ends with the {last['role']}; an answer must come last")
    return _Parts(prompt, last["content"])


def _reply(value: Mapping[str, Any], key: str, source: str) -> str:
    """An answer given as text, or as a list whose last turn it is."""
    if isinstance(value[key], list):
        turns = _turns(value[key], source, key)
        if not turns or turns[-1]["role"] != "assistant":
            raise BadExamples(f"{source}: key '{key}': an answer must come last")
        return turns[-1]["content"]
    return _spelled(value, key, source)


def _spelled(value: Mapping[str, Any], key: str, source: str) -> str:
    try:
        return answer_text(value[key])
    except ValueError as error:
        raise BadExamples(f"{source}: key '{key}': not JSON ({error}); use finite numbers") from error


def _user(value: Mapping[str, Any], key: str, source: str) -> Message:
    return {"role": "user", "content": _text(value[key], f"{source}: key '{key}'")}


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadExamples(f"{where}: a {type(value).__name__} instead of a list of turns")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise BadExamples(f"{where}: a {type(value).__name__} instead of text")
    return value
