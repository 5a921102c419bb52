"""Field by field differences of JSON answers."""

import json

from reports.fields import ABSENT, field_diff


def test_every_leaf_is_compared_with_the_reference():
    """Nested values get a JSON Pointer; same and different are told apart on each side."""
    rows = field_diff(
        '{"a": {"b/c": [1, true]}}', '{"a": {"b/c": [1, false]}}', '{"a": {"b/c": [1, true]}, "more": null}'
    )
    found = {row.pointer: (row.base_same, row.candidate_same) for row in rows}
    assert found == {"/a/b~1c/0": (True, True), "/a/b~1c/1": (False, True), "/more": (True, False)}


def test_missing_fields_are_absent_not_null():
    """A field that an answer lacks differs from one that is null."""
    (row, _) = field_diff('{"place": null, "x": 1}', '{"x": 1}', '{"place": null, "x": 1}')
    assert (row.base, row.candidate) == (ABSENT, "null")


def test_what_is_no_object_has_no_fields():
    """Lists, cut JSON, NaN, very deep nesting and huge texts are left to the word diff."""
    good = '{"a": 1}'
    for bad in ("", "[1]", '{"a": 1', "{'a': 1}", '{"a":' * 9000, json.dumps({"a": "x" * 30_000}), "9" * 5000):
        assert field_diff(good, bad, good) == ()
        assert field_diff(good, good, bad) == ()
        assert field_diff(bad, good, good) == ()


def test_a_flood_of_fields_is_bounded():
    """At most 60 fields are shown."""
    many = json.dumps({str(index): index for index in range(1000)})
    assert len(field_diff(many, many, many)) == 60
