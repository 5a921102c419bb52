"""Reads a verdict, strictly: the whole reply is one JSON object of exactly the asked form, or it is not a verdict.

Nothing is searched for in prose, nothing is clamped, rounded or converted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.judge.judgement import Status
from harness.judge.protocol import WINNERS, Request
from harness.judge.rubric import LEVELS
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.types import Json

__all__ = ["Reading", "read_reply"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says; `reasons` are the judge's own words, or what is wrong with them."""

    status: Status
    reasons: str
    scores: Mapping[str, int] = field(default_factory=dict)
    winner: str = ""


def read_reply(text: str, asked: Request) -> Reading:
    """The verdict in `text`: OK, GARBAGE when it has another form, RANGE when only a grade is none."""
    try:
        value = parse_strict(text)
    except InvalidJson as error:
        return Reading(Status.GARBAGE, f"the reply is not one JSON object ({error.reason_code})")
    if not isinstance(value, dict):
        return Reading(Status.GARBAGE, f"the reply is a {type(value).__name__}, not an object")
    wanted = asked.schema["required"]
    if value.keys() != set(wanted):
        return Reading(Status.GARBAGE, f"the keys must be exactly {', '.join(wanted)}")
    for key, expected in (("id", asked.item), ("nonce", asked.nonce)):
        if key in wanted and value[key] != expected:
            return Reading(Status.GARBAGE, f"{key} is not repeated as it was given")
    reasons = value["reasons"] if "reasons" in wanted else ""
    if not isinstance(reasons, str):
        return Reading(Status.GARBAGE, "reasons is not a text")
    return _grades(value["scores"], reasons, asked) if asked.dimensions else _winner(value["winner"], reasons)


def _grades(value: Json, reasons: str, asked: Request) -> Reading:
    if not isinstance(value, dict) or value.keys() != set(asked.dimensions):
        return Reading(Status.GARBAGE, f"scores must hold exactly {', '.join(asked.dimensions)}")
    for name, score in value.items():
        if type(score) is not int or score not in LEVELS:  # True is an int, and 5.0 is in the range
            return Reading(Status.RANGE, f"{name} must be a whole number from 1 to 5")
    return Reading(Status.OK, reasons, scores={name: value[name] for name in asked.dimensions})


def _winner(value: Json, reasons: str) -> Reading:
    if not isinstance(value, str):
        return Reading(Status.GARBAGE, "winner is not a text")
    if value not in WINNERS:
        return Reading(Status.RANGE, f"winner must be one of {', '.join(WINNERS)}")
    return Reading(Status.OK, reasons, winner=value)
