"""Questions as they come in practice: rows in any form, or the questions alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.audit.texts import Array
from harness.errors import BadExamples
from harness.forms import conversation

__all__ = ["question_lengths"]

_KEYS = ("input", "prompt", "question", "text", "instruction")


def question_lengths(path: Path) -> Array:
    """Characters of each question of a JSONL file, or of each line of a `.txt` file.

    A line of JSONL is a training row in any form, an object with the question alone under `input`, `prompt`,
    `question`, `text` or `instruction`, or a JSON text.

    Raises:
        BadExamples: the file cannot be read, is empty, or a line is none of these; starts with `file:line`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadExamples(f"{path}: cannot be read ({error}); check --production") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    found = lines if path.suffix == ".txt" else list(_questions(lines, path))
    if not found:
        raise BadExamples(f"{path}:1: holds no questions; give a sample of what comes in practice")
    return np.array([len(question) for question in found], np.int64)


def _questions(lines: list[str], path: Path) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadExamples(f"{where}: not JSON ({error}); write one question a line, or a .txt file") from error
        if isinstance(value, str):
            yield value
            continue
        alone = [key for key in _KEYS if isinstance(value, dict) and isinstance(value.get(key), str)]
        if alone and set(value) <= {alone[0], "id", "tags", "cluster", "provenance"}:
            yield value[alone[0]]
        else:
            row = conversation(value, where)
            yield "\n".join(turn["content"] for turn in row.prompt if turn["role"] == "user")
