"""Valid JSON."""

import json
import re
import time

import pytest

from harness.errors import BadSpec
from harness.metrics.guard import verdicts
from harness.metrics.valid_json import InvalidJson, parse_strict, valid_json
from tests.metrics.answers import answer, example

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "pay": {"type": "integer"},
        "remote": {"type": "boolean"},
    },
    "required": ["title", "remote"],
    "additionalProperties": False,
}
GOLD = {"title": "Baker", "remote": True}
EVIL = json.dumps({"a": "a" * 40 + "!"})
SLOW = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a|a)+$"}}}


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ('{"title": "Baker", "remote": true}', 1.0, "ok"),
        ('\n{"remote": false, "title": "x", "pay": 3}\n', 1.0, "ok"),
        ('{"title": "Baker", "remote": true, "pay": 3.0}', 1.0, "ok"),
        ('{"title": "Baker"}', 0.0, "schema_error:required"),
        ('{"title": "", "remote": true}', 0.0, "schema_error:minLength"),
        ('{"title": "Baker", "remote": 1}', 0.0, "schema_error:type"),
        ('{"title": "Baker", "remote": "true"}', 0.0, "schema_error:type"),
        ('{"title": "Baker", "remote": true, "pay": true}', 0.0, "schema_error:type"),
        ('{"title": "Baker", "remote": true, "pay": 3.5}', 0.0, "schema_error:type"),
        ('{"title": "Baker", "remote": true, "city": "Ulm"}', 0.0, "schema_error:additionalProperties"),
        ('[{"title": "Baker", "remote": true}]', 0.0, "schema_error:type"),
        ("null", 0.0, "schema_error:type"),
        ('"{}"', 0.0, "schema_error:type"),
        ('```json\n{"title": "Baker", "remote": true}\n```', 0.0, "code_fence"),
        ('{"title": "Baker", "remote": true} Done.', 0.0, "trailing_text"),
        ('{"title": "Baker", "remote": true, "remote": true}', 0.0, "duplicate_key"),
        ('{"title": "Baker", "remote": true, "pay": NaN}', 0.0, "not_a_number"),
        ('{"title": "Baker", "remote": true, "pay": 1e400}', 0.0, "number_out_of_range"),
        ('{"title": "Baker", "remote": tru', 0.0, "not_json"),
        ("", 0.0, "empty"),
    ],
)
def test_golden_answers(text, value, reason):
    """The whole answer must be strict JSON that the schema accepts; each fault has a reason code."""
    (score,) = valid_json(SCHEMA)([example(GOLD)], [answer(text)])
    assert (score.value, score.reason_code) == (value, reason)


DEEP = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "pay": {"anyOf": [{"type": "object", "properties": {"min": {"type": "integer"}}}, {"type": "null"}]},
    },
    "required": ["title", "tags", "pay"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "reason", "where"),
    [
        ({"title": "x", "tags": [], "pay": None}, "ok", ""),
        ({"title": 1, "tags": [], "pay": None}, "type", "$.title type"),
        ({"title": "x", "tags": ["a", "b", 3], "pay": None}, "type", "$.tags[2] type"),
        ({"title": "x", "tags": [], "pay": {"min": "3"}}, "type", "$.pay.min type"),
        ({"title": "x", "pay": None}, "required", "$ required tags"),
        ({"title": "x", "tags": [], "pay": None, "city": 1}, "additionalProperties", "$ additionalProperties"),
        ({"title": "x", "tags": [1, 2], "pay": None, "a": 1}, "additionalProperties", "$ additionalProperties"),
        ([], "type", "$ type"),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
def test_where_an_answer_fails_is_told(value, reason, where, slow):
    """Path and keyword of the most telling fault, a missing key by name, the same from a child process as from here."""
    further = {"note": {"type": "string", "pattern": "^x"}} if slow else {}
    (found,) = verdicts({**DEEP, "properties": {**DEEP["properties"], **further}}, [value])
    assert found == (reason if reason == "ok" else f"schema_error:{reason}", where)


def test_the_place_stands_in_the_score():
    """Beside the reason code; an answer that is no JSON fails nowhere in particular."""
    found = valid_json(SCHEMA)([example(GOLD)] * 2, [answer('{"title": "", "remote": true}'), answer("{")])
    assert [score.where for score in found] == ["$.title minLength", ""]


def test_a_million_faults_are_not_all_looked_at():
    """A long list of wrong items, and a path as long as the answer's own key: neither is kept whole."""
    schema = {"type": "array", "items": {"type": "string"}}
    (found,) = verdicts(schema, [[1] * 200_000])
    assert re.fullmatch(r"\$\[\d\d?\] type", found.where)
    (found,) = verdicts({"type": "object", "additionalProperties": {"type": "string"}}, [{"k" * 5_000: 1}])
    assert len(found.where) < 250


@pytest.mark.parametrize(
    ("text", "strict", "fenced"),
    [
        ('{"title": "Baker", "remote": true}', "ok", "ok"),
        ('```json\n{"title": "Baker", "remote": true}\n```', "code_fence", "ok"),
        ('```\n{"title": "Baker", "remote": true}\n```\n', "code_fence", "ok"),
        ('```python\n{"title": "Baker", "remote": true}\n```', "code_fence", "code_fence"),
        ('```json\n{"title": "Baker"}\n```', "code_fence", "schema_error:required"),
        ('```json\n{"title": "Baker",}\n```', "code_fence", "not_json"),
        ('Sure!\n```json\n{"title": "Baker", "remote": true}\n```', "not_json", "not_json"),
        ('```json\n{"title": "Baker", "remote": true}\n```\nDone.', "code_fence", "code_fence"),
        ('```json\n{"title": "Baker", "remote": true}', "code_fence", "code_fence"),
        ("```json\n{}\n```\n```json\n{}\n```", "code_fence", "trailing_text"),
        ("```json\n```", "code_fence", "code_fence"),
    ],
)
def test_a_fence_is_allowed_only_where_it_is_asked_for(text, strict, fenced):
    """One fence around the whole answer, nothing beside it, and the JSON inside is as strict as ever."""
    metrics = valid_json(SCHEMA), valid_json(SCHEMA, fenced=True)
    found = [metric([example(GOLD)], [answer(text)])[0] for metric in metrics]
    assert [score.reason_code for score in found] == [strict, fenced]
    assert [score.value for score in found] == [float(strict == "ok"), float(fenced == "ok")]


def test_the_lenient_metric_is_another_measurement():
    """It has another name and another fingerprint, so that neither is taken for the other."""
    strict, fenced = valid_json(SCHEMA), valid_json(SCHEMA, fenced=True)
    assert (strict.name, fenced.name) == ("valid_json", "valid_json_fenced")
    assert strict.spec != fenced.spec


def test_the_parser_is_public_here():
    """`parse_strict` and `InvalidJson` are found beside the metric."""
    assert parse_strict("[1]") == [1]
    with pytest.raises(InvalidJson, match="duplicate_key"):
        parse_strict('{"a":1,"a":2}')


def test_a_schema_file_lies_beside_the_calling_file(tmp_path, monkeypatch):
    """A relative path does not depend on the working directory."""
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    suite = tmp_path / "suite.py"
    suite.write_text("from harness.metrics.valid_json import valid_json\nmetric = valid_json(schema='schema.json')\n")
    monkeypatch.chdir("/")
    names = {}
    exec(compile(suite.read_text(), str(suite), "exec"), names)
    assert names["metric"].spec == valid_json(SCHEMA).spec


def test_a_missing_schema_file_is_refused(tmp_path):
    """The error names the path."""
    with pytest.raises(BadSpec, match=r"nowhere\.json: the schema cannot be read"):
        valid_json(tmp_path / "nowhere.json")


def test_a_slow_schema_is_cut_short_and_its_answer_left_unscored():
    """A pattern that explodes on one answer costs that answer its score, as the schema's fault, and no other's."""
    started = time.monotonic()
    found = verdicts(SLOW, [{"a": "aa"}, json.loads(EVIL), {"a": "b"}, {"a": "a"}], deadline_s=1.0)
    assert [each.reason for each in found] == ["ok", "schema_timeout", "schema_error:pattern", "ok"]
    assert [each.where for each in found] == ["", "", "$.a pattern", ""]
    assert time.monotonic() - started < 20


def test_a_schema_that_is_always_slow_is_given_up():
    """After three timeouts the rest is unscored at once, so that a suite ends."""
    started = time.monotonic()
    assert verdicts(SLOW, [json.loads(EVIL)] * 300, deadline_s=0.2) == [("schema_timeout", "")] * 300
    assert time.monotonic() - started < 30


def test_an_endless_reference_is_the_schemas_fault():
    """Recursion without end leaves the answer unscored."""
    (score,) = valid_json({"allOf": [{"$ref": "#"}]})([example(GOLD)], [answer("{}")])
    assert (score.value, score.reason_code) == (None, "schema_recursion")


def test_gold_answers_are_held_against_the_schema():
    """`refuse_unfit` finds a schema that rejects what the data calls right, or takes what is wrong."""
    valid_json(SCHEMA).refuse_unfit([example(GOLD), example({**GOLD, "pay": 3})])
    with pytest.raises(BadSpec, match="rejects the gold answer"):
        valid_json(SCHEMA).refuse_unfit([example({"title": "Baker", "remote": "yes"})])
    with pytest.raises(BadSpec, match="takes a wrong answer"):
        valid_json({}).refuse_unfit([example(GOLD)])
