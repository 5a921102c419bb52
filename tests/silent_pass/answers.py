"""Answers that a lenient reader would take for right. Each is the candidate's answer to every question."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.silent_pass.specs import GOLD, schema
from tests.silent_pass.ways import Area, Way, edit, make_suite

RIGHT = json.dumps(GOLD)


def says(text: str, **more: object) -> Callable[[Path], object]:
    """The candidate says this to everything."""
    return lambda root: (root / "good.json").write_text(json.dumps({"default": text, **more}))


def plain(target: str, text: str) -> Callable[[Path], object]:
    """A suite whose answers are texts, and what the candidate says."""

    def apply(root: Path) -> None:
        file = make_suite(root, rows=60, gates='Gate("exact_match", at_least=0.5)')
        edit(file, "max_new_tokens=4", "max_new_tokens=200")
        edit(root / "suites/data/asks.jsonl", '"output": "yes"', f'"output": {json.dumps(target)}')
        says(text)(root)
        (root / "base.json").write_text(json.dumps({"default": target}))

    return apply


def prepare(root: Path) -> None:
    """A suite that asks for JSON, a base that gives it, and a candidate that gives it with a space."""
    schema()(root)
    edit(root / "suites/test_asks.py", "max_new_tokens=4", "max_new_tokens=2_000")
    edit(root / "suites/test_asks.py", "[valid_json('schema.json')]", "[valid_json('schema.json'), exact_match()]")
    edit(root / "suites/test_asks.py", "at_least=0.5)", 'at_least=0.5), Gate("exact_match", at_least=0.5)')
    says(RIGHT)(root)
    (root / "good.json").rename(root / "base.json")
    says(f" {RIGHT}")(root)


WAYS = [
    Way("nothing", says(""), 1, '"empty"'),
    Way("white space", says(" \n\t"), 1, '"empty"'),
    Way("JSON in a code fence", says(f"```json\n{RIGHT}\n```"), 1, '"code_fence"'),
    Way("JSON after a sentence", says(f"Here it is: {RIGHT}"), 1, '"not_json"'),
    Way("JSON before a sentence", says(f"{RIGHT} I hope this helps!"), 1, '"trailing_text"'),
    Way("the same JSON twice", says(f"{RIGHT}\n{RIGHT}"), 1, '"trailing_text"'),
    Way("JSON in a JSON text", says(json.dumps(RIGHT)), 1, '"schema_error:type"'),
    Way("JSON in a list", says(f"[{RIGHT}]"), 1, '"schema_error:type"'),
    Way("JSON with a comma too many", says('{"name": "Ada", "tags": ["a"],}'), 1, '"not_json"'),
    Way("JSON with single quotes", says("{'name': 'Ada', 'tags': ['a']}"), 1, '"not_json"'),
    Way("JSON with a comment", says('{"name": "Ada", "tags": ["a"]} // done'), 1, '"trailing_text"'),
    Way("JSON that stops early", says(RIGHT[:-1]), 1, '"not_json"'),
    Way(
        "JSON that ran into the limit of tokens",
        says("", answers={f"question {i}": {"text": RIGHT, "truncated": True} for i in range(60)}),
        1,
        '"truncated"',
    ),
    Way("a key twice, last one right", says('{"name": "Bob", "name": "Ada", "tags": ["a"]}'), 1, '"duplicate_key"'),
    Way(
        "a key too many", says('{"name": "Ada", "tags": ["a"], "sure": true}'), 1, '"schema_error:additionalProperties"'
    ),
    Way("a key too few", says('{"name": "Ada"}'), 1, '"schema_error:required"'),
    Way("a key in capitals", says('{"Name": "Ada", "tags": ["a"]}'), 1, '"schema_error:'),
    Way("a key in another alphabet", says('{"n\u0430me": "Ada", "tags": ["a"]}'), 1, '"schema_error:'),
    Way("a list as a text", says('{"name": "Ada", "tags": "a"}'), 1, '"schema_error:type"'),
    Way("null for a text", says('{"name": null, "tags": ["a"]}'), 1, '"schema_error:type"'),
    Way("NaN for a text", says('{"name": NaN, "tags": ["a"]}'), 1, '"not_a_number"'),
    Way("a number beyond a double", says('{"name": 1e999, "tags": ["a"]}'), 1, '"number_out_of_range"'),
    Way("half a character", says('{"name": "Ada\\ud83d", "tags": ["a"]}'), 1, '"lone_surrogate"'),
    Way("a raw line break in a text", says('{"name": "Ada\n", "tags": ["a"]}'), 1, '"control_character"'),
    Way("a byte order mark", says(f"\ufeff{RIGHT}"), 1, '"byte_order_mark"'),
    Way("65 lists in each other", says("[" * 65 + "]" * 65), 1, '"too_deep"'),
    Way("valid, and wrong", says('{"name": "Bob", "tags": ["a"]}'), 1, '"wrong_value:name"'),
    Way("valid, and in other capitals", says('{"name": "ada", "tags": ["a"]}'), 1, '"wrong_value:name"'),
    Way("valid, with a list in another order", says('{"name": "Ada", "tags": ["b", "a"]}'), 1, '"wrong_value:tags"'),
    Way("the answer within a sentence", plain("Paris", "It is Paris"), 1, '"wrong_value"'),
    Way("the answer with a full stop", plain("Paris", "Paris."), 1, '"wrong_value"'),
    Way("the answer and its opposite", plain("yes", "yes no"), 1, '"wrong_value"'),
    Way("the answer in other digits", plain("12", "\u0661\u0662"), 1, '"wrong_value"'),
    Way("the question", plain("Paris", "asks: question 1"), 1, '"wrong_value"'),
    Way("a single full stop", plain("Paris", "."), 1, '"wrong_value"'),
]

AREA = Area(
    "Answers that a lenient reader would take",
    "pytest suites --backend scripted --model base.json --adapter good.json",
    WAYS,
)
