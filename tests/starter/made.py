"""Rows of a user: postings with answers in JSON, and questions with answers in words."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.audit.made import ROOT, postings

__all__ = ["ROOT", "SCHEMA", "capitals", "plain_postings", "write"]

SCHEMA = ROOT / "suites/data/job_posting.schema.json"
SYSTEM = "Extract title, company, location and remote as one JSON object."
_STEMS = ("Al", "Bre", "Cor", "Dun", "Est", "Fal", "Gor", "Hul", "Ivr", "Jas", "Kel", "Lum", "Mor", "Nys", "Ost")
_ENDS = ("ban", "dor", "fen", "gard", "holm", "ika", "lund", "mar", "nia", "rus", "sten", "tov", "ula", "vik", "zan")


def plain_postings(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Postings in the suites' form."""
    return [{"input": each["input"], "output": each["output"]} for each in postings(count, seed=seed)]


def capitals(count: int) -> list[dict[str, str]]:
    """Questions about made-up towns, each with an answer of its own; none resembles another."""
    made = []
    for number in range(count):
        one, other = _STEMS[number % 15] + _ENDS[number // 15 % 15], _ENDS[number % 15] + _STEMS[number // 15 % 15]
        made.append({"prompt": f"{one}: {number * 7919 % 1000}?", "completion": f"{other} {number}".lower()})
    return made


def write(path: Path, rows: Iterable[Mapping[str, Any]] | Sequence[object]) -> Path:
    """The rows as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
