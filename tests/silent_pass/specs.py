"""Specifications that cannot decide anything, or decide something else than was meant."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.silent_pass.ways import Area, Way, edit, make_suite

GOLD = {"name": "Ada", "tags": ["a"]}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "tags"],
    "additionalProperties": False,
}


def gates(text: str) -> Callable[[Path], object]:
    """The suite's gates."""
    return lambda root: make_suite(root, gates=text)


def spec(old: str, new: str) -> Callable[[Path], None]:
    """Change the suite's specification."""
    return lambda root: edit(root / "suites/test_asks.py", old, new)


def guessed(root: Path) -> None:
    """A coin scores a half, and a half is asked for."""
    file = make_suite(root, gates='Gate("coin", at_least=0.5)')
    edit(file, "[exact_match()]", "[per_example('coin', lambda example, text: Judgement(1.0), chance=0.5)]")
    edit(file, "\nfrom harness.datasets", "\nfrom harness.metrics import Judgement, per_example\nfrom harness.datasets")


def schema(text: str | None = None, **changes: Any) -> Callable[[Path], None]:
    """Score with a schema file that holds `text`, or the good schema with some keywords changed."""

    def apply(root: Path) -> None:
        file = make_suite(root, gates='Gate("valid_json", at_least=0.5)')
        edit(file, "metrics=[exact_match()]", "metrics=[valid_json('schema.json')]")
        edit(
            file,
            "\nfrom harness.datasets",
            "\nfrom harness.metrics.valid_json import valid_json\nfrom harness.datasets",
        )
        (root / "suites/schema.json").write_text(json.dumps({**SCHEMA, **changes}) if text is None else text)
        rows = (json.dumps({"input": f"question {i}", "output": GOLD}) + "\n" for i in range(60))
        (root / "suites/data/asks.jsonl").write_text("".join(rows))

    return apply


def ref(target: str) -> Callable[[Path], None]:
    """A schema whose field `name` is described elsewhere."""
    return schema(properties={**SCHEMA["properties"], "name": {"$ref": target}})


RATE = "must be a rate in (0, 1]: write 2 points as 0.02"
IGNORED = "would be ignored"

WAYS = [
    Way("the margin is in percent", gates('Gate("exact_match", max_drop=5)'), 2, RATE),
    Way("the rate is in percent", gates('Gate("exact_match", at_least=85)'), 2, RATE),
    Way("the margin is negative", gates('Gate("exact_match", max_drop=-0.02)'), 2, RATE),
    Way("the rate is 0", gates('Gate("exact_match", at_least=0)'), 2, RATE),
    Way("the rate is NaN", gates('Gate("exact_match", at_least=float("nan"))'), 2, RATE),
    Way("the rate is a text", gates('Gate("exact_match", at_least="0.8")'), 2, RATE),
    Way("the rate is True", gates('Gate("exact_match", at_least=True)'), 2, RATE),
    Way("the confidence is in percent", gates('Gate("exact_match", at_least=0.8, confidence=95)'), 2, RATE),
    Way("the confidence is 1", gates('Gate("exact_match", at_least=0.8, confidence=1.0)'), 2, "needs endless data"),
    Way("the limit is misspelt", gates('Gate("exact_match", at_lest=0.8)'), 2, "unexpected keyword argument 'at_lest'"),
    Way("the gate has no limit", gates('Gate("exact_match")'), 2, "give one of at_least, max_drop and min_gain"),
    Way(
        "the gate has two limits",
        gates('Gate("exact_match", max_drop=0.05, at_least=0.1)'),
        2,
        "not at_least and max_drop",
    ),
    Way(
        "a drop is compared with the best prompt",
        gates('Gate("exact_match", max_drop=0.05, over="best_prompt")'),
        2,
        "goes with min_gain",
    ),
    Way("a gate may pass on three rows", gates('Gate("exact_match", at_least=0.5, min_n=0)'), 2, "min_n"),
    Way("guessing reaches the rate", guessed, 2, "asks for no more than guessing scores"),
    Way(
        "the gate is on a metric that nothing computes",
        gates('Gate("accuracy", max_drop=0.05)'),
        2,
        "no metric scores 'accuracy'",
    ),
    Way("the suite has no gates", gates(""), 2, "no gates; nothing would be decided"),
    Way(
        "a gate is given twice",
        gates('Gate("exact_match", at_least=0.8), Gate("exact_match", at_least=0.8)'),
        2,
        "is given twice",
    ),
    Way("all gates are advisory", gates('Gate("exact_match", max_drop=0.05, advisory=True)'), 11, "outcome: INVALID"),
    Way("too few rows for the margin", gates('Gate("exact_match", max_drop=0.001)'), 4, "120 examples cannot show it"),
    Way("perfection is asked for", gates('Gate("exact_match", at_least=1.0)'), 4, "no number of examples can show it"),
    Way(
        "the suite has no metrics",
        spec("metrics=[exact_match()]", "metrics=[]"),
        2,
        "no metrics; nothing would be scored",
    ),
    Way(
        "a metric is given twice",
        spec("[exact_match()]", "[exact_match(), exact_match()]"),
        2,
        "metric 'exact_match' is given twice",
    ),
    Way(
        "two suites have one name",
        lambda root: edit(make_suite(root, "more"), "name='more'", "name='asks'"),
        4,
        "another suite is named 'asks' too",
    ),
    Way("the suite's name is a path", spec("name='asks'", "name='../asks'"), 2, "a name is 1 to 64 of a-z"),
    Way("the version is 0", spec("version=1", "version=0"), 2, "version=0 must be at least 1"),
    Way("answers may have no tokens", spec("max_new_tokens=4", "max_new_tokens=0"), 2, "max_new_tokens"),
    Way(
        "the temperature is negative", spec("max_new_tokens=4", "max_new_tokens=4, temperature=-1.0"), 2, "temperature"
    ),
    Way("the nucleus is empty", spec("max_new_tokens=4", "max_new_tokens=4, temperature=1.0, top_p=0.0"), 2, "top_p"),
    Way(
        "the rows that are kept are 0",
        gates('Gate("exact_match", max_drop=0.05)], keep=passed_by_base("exact_match", at_least=0'),
        2,
        "at_least",
    ),
    Way(
        "a schema's keyword is misspelt",
        schema(requierd=["name"]),
        2,
        f"unknown keyword 'requierd' {IGNORED}; did you mean 'required'?",
    ),
    Way(
        "a keyword inside the schema is misspelt",
        schema(properties={"name": {"typ": "string"}}),
        2,
        f"unknown keyword 'typ' {IGNORED}",
    ),
    Way("the schema takes everything", schema("{}"), 4, "schema takes a wrong answer"),
    Way("the schema is true", schema("true"), 2, "no JSON object, so it constrains nothing"),
    Way("the schema asks for an object only", schema('{"type": "object"}'), 4, "schema takes a wrong answer"),
    Way("the schema requires nothing", schema(required=[]), 4, "without 'name'"),
    Way("the schema takes unknown keys", schema(additionalProperties=True), 4, "with a key too many"),
    Way(
        "the schema leaves a field open",
        schema(properties={"name": {}, "tags": {"type": "array"}}),
        4,
        "'name' of another type",
    ),
    Way(
        "the schema rejects the right answer",
        schema(required=["name", "tags", "age"]),
        4,
        "schema rejects the gold answer",
    ),
    Way("the schema is fetched from a server", ref("http://127.0.0.1:9/s.json"), 2, "leaves the schema"),
    Way("the schema is read from another file", ref("file:///etc/hostname"), 2, "leaves the schema"),
    Way("the schema's reference leads nowhere", ref("#/$defs/name"), 2, "leads nowhere; check $defs"),
    Way("the schema refers to itself", schema('{"$ref": "#"}'), 2, "refers to itself"),
    Way(
        "the schema's format is not asserted",
        schema(properties={"name": {"format": "email"}}),
        2,
        "'format' is not supported",
    ),
    Way(
        "the schema is of another draft",
        schema(**{"$schema": "http://json-schema.org/draft-07/schema#"}),
        2,
        "$schema must be",
    ),
    Way("the schema's pattern explodes", schema(properties={"name": {"pattern": "^(a+)+$"}}), 2, "repeats a repeat"),
    Way(
        "the schema has a key twice", schema('{"type": "object", "type": "array"}'), 2, "no strict JSON (duplicate_key)"
    ),
    Way("the schema is torn", schema('{"type": "obj'), 2, "no strict JSON (not_json)"),
    Way(
        "there is no schema file",
        lambda root: (schema()(root), (root / "suites/schema.json").unlink()),
        2,
        "the schema cannot be read",
    ),
]

AREA = Area("Gates, suites and schemas that cannot decide", "pytest suites --model base --adapter good", WAYS)
