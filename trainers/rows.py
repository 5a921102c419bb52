"""Training rows: read from JSONL, checked line by line, and mixed with general rows for rehearsal.

A row is one of
    {"input": text, "output": any JSON value}      the form of the suites' data
    {"prompt": text, "completion": text}
    {"messages": [{"role": ..., "content": ...}, ..., {"role": "assistant", "content": ...}]}
An output that is not text is written by `answer_text`, the one place that says how a model should spell JSON.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadExamples
from harness.types import Json, Message

__all__ = ["TrainRow", "answer_text", "mix", "read_rows"]

ROLES = ("system", "user", "assistant", "tool")
IGNORED = {"id", "tags", "cluster"}  # what the suites' rows may carry besides


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One conversation whose last turn is learned.

    Attributes:
        prompt: the turns before the answer, system turn included; not learned.
        answer: the assistant's last turn; learned, with the end-of-turn token.
        source: `file:line`, for messages.
    """

    prompt: tuple[Message, ...]
    answer: str
    source: str


def answer_text(output: Json) -> str:
    """How an answer is spelled in training: text as it is, any other value as one line of JSON.

    `", "` and `": "` separate, and letters stay letters: what `json.dumps` writes by default, and what models
    have seen most.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON cannot write.
    """
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, allow_nan=False)


def read_rows(path: Path, *, system: str = "") -> tuple[TrainRow, ...]:
    """All rows of a JSONL file, in its order.

    Args:
        path: UTF-8, one JSON object a line; blank lines are errors.
        system: put first in every row that has no system turn of its own; empty for none.

    Raises:
        BadExamples: the file cannot be read, is empty, or a row is malformed; starts with `file:line`.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise BadExamples(f"{path}: cannot be read ({error.strerror}); check the path in the configuration") from error
    except UnicodeDecodeError as error:
        raise BadExamples(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    if lines == [""]:
        raise BadExamples(f"{path}:1: holds no rows; there is nothing to train on")
    return tuple(_row(line, f"{path}:{number}", system) for number, line in enumerate(lines, start=1))


def mix(rows: Sequence[TrainRow], general: Sequence[TrainRow], *, fraction: float, seed: int) -> tuple[TrainRow, ...]:
    """Add so many general rows, drawn once without repeats, that they are `fraction` of the result.

    Args:
        rows: the task's rows, all kept, first in the result.
        general: rows to draw from.
        fraction: in [0, 1).
        seed: of the draw.

    Raises:
        BadExamples: `general` holds fewer rows than are needed.
    """
    wanted = round(len(rows) * fraction / (1 - fraction))
    if wanted > len(general):
        raise BadExamples(
            f"replay_data holds {len(general)} rows, and a replay_fraction of {fraction:g} beside {len(rows)} rows "
            f"needs {wanted}; add general rows or lower the fraction"
        )
    return (*rows, *random.Random(seed).sample(general, wanted))  # noqa: S311  # a draw, not a secret


def _row(line: str, source: str, system: str) -> TrainRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadExamples(f"{source}: not a JSON object ({error}); write one object a line") from error
    if not isinstance(value, dict):
        raise BadExamples(f"{source}: a {type(value).__name__} instead of a JSON object; write one object a line")
    turns, answer = _conversation(value, source)
    if system and not any(turn["role"] == "system" for turn in turns):
        turns = [{"role": "system", "content": system}, *turns]
    if not answer:
        raise BadExamples(f"{source}: the answer is empty; the model would learn to say nothing")
    return TrainRow(prompt=tuple(turns), answer=answer, source=source)


def _conversation(value: Mapping[str, Any], source: str) -> tuple[list[Message], str]:
    """The prompt's turns and the answer, from whichever of the three forms `value` has."""
    keys = set(value) - IGNORED
    if keys == {"messages"}:
        return _messages(value["messages"], source)
    if keys == {"prompt", "completion"}:
        answer = _text(value["completion"], f"{source}: key 'completion'")
        return [_user(value["prompt"], f"{source}: key 'prompt'")], answer
    if keys == {"input", "output"}:
        user = _user(value["input"], f"{source}: key 'input'")
        try:
            return [user], answer_text(value["output"])
        except ValueError as error:
            raise BadExamples(f"{source}: key 'output': not JSON ({error}); use finite numbers") from error
    raise BadExamples(
        f"{source}: keys {', '.join(sorted(keys)) or '(none)'}; expected input and output, prompt and completion, "
        "or messages"
    )


def _messages(value: object, source: str) -> tuple[list[Message], str]:
    if not isinstance(value, list) or len(value) < 2:  # noqa: PLR2004  # a question and its answer
        raise BadExamples(f"{source}: key 'messages': expected a list of at least two turns")
    turns: list[dict[str, str]] = []
    for number, turn in enumerate(value):
        where = f"{source}: key 'messages[{number}]'"
        if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
            raise BadExamples(f"{where}: expected an object with exactly the keys role and content")
        if turn["role"] not in ROLES:
            raise BadExamples(f"{where}: role {turn['role']!r}; expected one of {', '.join(ROLES)}")
        turns.append({"role": turn["role"], "content": _text(turn["content"], where)})
    *prompt, last = turns
    if last["role"] != "assistant":
        raise BadExamples(f"{source}: key 'messages': ends with the {last['role']}; an answer must come last")
    return list[Message](prompt), last["content"]


def _user(content: object, where: str) -> Message:
    return {"role": "user", "content": _text(content, where)}


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise BadExamples(f"{where}: a {type(value).__name__} instead of text")
    return value
