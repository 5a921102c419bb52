"""Schemas that can be trusted to judge."""

import http.server
import threading

import pytest

from harness.errors import BadSpec
from harness.metrics.schemas import _mutants, load_schema, refuse_vacuous, validator

GOOD = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"name": {"$ref": "#/$defs/name"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"name": {"type": ["string", "null"], "pattern": "^[a-z]+(-[a-z]+)*$"}},
}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"requierd": ["a"]}, "unknown keyword 'requierd' would be ignored; did you mean 'required'"),
        ({"properties": {"a": {"typ": "string"}}}, "schema#/properties/a: unknown keyword 'typ'"),
        ({"anyOf": [{}, {"minimun": 1}]}, "schema#/anyOf/1: unknown keyword 'minimun'"),
        ({"items": [{"type": "string"}]}, "is not of type"),
        ({"additionalItems": False}, "unknown keyword 'additionalItems'"),
        ({"type": "objekt"}, "schema#"),
        ({"required": "name"}, "is not of type 'array'"),
        ({"minLength": -1}, "less than the minimum"),
        ({"patternProperties": 5}, "is not of type 'object'"),
        ({"format": "date"}, "'format' is not supported"),
        ({"$id": "http://example.org/x"}, "'\\$id' is not supported"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "schema must be"),
        ({"$ref": "http://127.0.0.1/x.json"}, "leaves the schema"),
        ({"$ref": "file:///etc/hostname"}, "leaves the schema"),
        ({"$ref": "other.json"}, "leaves the schema"),
        ({"$ref": "#/$defs/missing"}, "leads nowhere"),
        ({"$ref": "#"}, "refers to itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "refers to itself"),
        ({"pattern": "("}, "is not a 'regex'"),
        ({"pattern": "^(a+)+$"}, "repeats a repeat"),
        ({"pattern": "(?:(x*))*"}, "repeats a repeat"),
        ({"patternProperties": {"([a-z]+\\d?){2,}": {}}}, "repeats a repeat"),
    ],
)
def test_a_schema_that_cannot_be_trusted_is_refused(schema, said):
    """Typos, other drafts, unasserted keywords, references out of the schema and explosive patterns are errors."""
    with pytest.raises(BadSpec, match=said):
        load_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        GOOD,
        {"type": "object", "properties": {"type": {"type": "string"}, "$ref": {"type": "string"}}},
        {"enum": [{"requierd": 1}], "default": {"$ref": "http://x/"}, "examples": [{"format": "date"}]},
        {"const": {"pattern": "(a+)+"}},
        {"definitions": {"node": {"type": "object", "properties": {"next": {"$ref": "#/definitions/node"}}}}},
        {"pattern": r"^\((ab+)\)*[(+*]+$"},
    ],
)
def test_a_sound_schema_is_taken_as_it_is(schema):
    """Property names and data that look like keywords are no keywords; recursion that consumes the answer is fine."""
    assert load_schema(schema) == schema


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"type": "object", "type": "array"}', "duplicate_key"), ("[]", "no JSON object"), ("{", "not_json")],
)
def test_a_schema_file_is_read_strictly(tmp_path, text, said):
    """A schema with a key twice is as doubtful as such an answer."""
    path = tmp_path / "schema.json"
    path.write_text(text)
    with pytest.raises(BadSpec, match=said):
        load_schema(path)


def test_references_never_reach_the_network():
    """Neither loading nor validating asks a server for a schema."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    schema = {"$ref": f"http://127.0.0.1:{server.server_port}/schema.json"}
    with pytest.raises(BadSpec):
        load_schema(schema)
    with pytest.raises(Exception, match="Unresolvable"):
        validator(schema).is_valid({})
    server.shutdown()
    server.server_close()
    thread.join()
    assert asked == []


def test_a_schema_that_tells_right_from_wrong_is_taken():
    """It accepts every gold answer and rejects all that is made from them; optional keys stay optional."""
    golds = [{"name": "a"}, {"name": None, "tags": ["a"]}]
    schema = load_schema(GOOD)
    refuse_vacuous(schema, golds)
    check = validator(schema)
    assert all(check.is_valid(gold) for gold in golds)
    faults = dict(_mutants(golds))
    assert set(faults) == {
        "of another type",
        "'name' of another type",
        "without 'name'",
        "'tags' of another type",
        "with a key too many",
    }
    assert not any(check.is_valid(mutant) for mutant in faults.values())


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "another type"),
        ({"type": "object"}, "'name' of another type"),
        ({"type": "object", "required": ["name"]}, "'name' of another type"),
        ({**GOOD, "required": []}, "without 'name'"),
        ({**GOOD, "additionalProperties": True}, "a key too many"),
        ({**GOOD, "properties": {"name": {"type": "integer"}}}, "rejects the gold answer"),
    ],
)
def test_a_vacuous_schema_is_refused(schema, said):
    """A schema that takes a wrong answer, or rejects a right one, is an error that shows it."""
    with pytest.raises(BadSpec, match=said):
        refuse_vacuous(schema, [{"name": "a"}, {"name": "b"}])
