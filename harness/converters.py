"""Converters of options: text to a value, or one line that says what is wrong with it."""

import argparse
import re
from pathlib import Path

from harness.errors import BadSpec
from harness.halving import Halving
from harness.prompting import KINDS

__all__ = [
    "commit",
    "existing",
    "fewshot",
    "folder",
    "halving",
    "named_file",
    "positive",
    "prompting_kinds",
    "reference",
    "task_names",
]

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")


def named_file(text: str) -> tuple[str, str]:
    """Converter: a name, and a file or folder that is there."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE, such as gsm8k=data/test.jsonl")
    if not Path(path).exists():
        raise argparse.ArgumentTypeError(f"{path!r} is no file; check the path")
    return name, path


def task_names(text: str) -> tuple[str, ...]:
    """Converter: tasks of lm-eval, joined by commas."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} names no task between two commas")
    return names


def reference(text: str) -> str:
    """Converter: a model that exists here, or looks like a Hub id."""
    if text == "embedded" or Path(text).exists() or HUB_ID.fullmatch(text.partition("@")[0]):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is no folder here and no Hub id (org/name); check the path")


def existing(text: str) -> str:
    """Converter: a path that is there."""
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{text!r} does not exist; check the path, or train an adapter first")
    return text.rstrip("/")


def folder(text: str) -> str:
    """Converter: an existing folder."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder; check the path")
    return text


def halving(text: str) -> str:
    """Converter: how points of a sweep are stopped on the way."""
    try:
        Halving.read(text)
    except BadSpec as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def prompting_kinds(text: str) -> tuple[str, ...]:
    """Converter: ways of prompting, joined by commas."""
    kinds = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if wrong := [kind for kind in kinds if kind not in KINDS]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no way of prompting; give {' or '.join(KINDS)}")
    return kinds


def commit(text: str) -> str:
    """Converter: a full commit hash, so that the data cannot change."""
    if not COMMIT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no commit; give 40 hex digits")
    return text


def positive(text: str) -> int:
    """Converter: a whole number above 0."""
    return _whole(text, least=1)


def fewshot(text: str) -> int:
    """Converter: a whole number, at least 0."""
    return _whole(text, least=0)


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
    return number
