"""Exact match."""

import pytest

from harness.metrics.exact_match import exact_match, same_json
from tests.metrics.answers import answer, example

GOLD = {"title": "Baker", "location": None, "remote": False, "pay": 10}


@pytest.mark.parametrize(
    ("target", "text", "value", "reason"),
    [
        (GOLD, '{"title": "Baker", "location": null, "remote": false, "pay": 10}', 1.0, "ok"),
        (GOLD, '{"pay":10.0,"remote":false,"location":null,"title":"B\\u0061ker"}\n', 1.0, "ok"),
        (GOLD, '{"title": "baker", "location": null, "remote": false, "pay": 10}', 0.0, "wrong_value:title"),
        (GOLD, '{"title": "Baker ", "location": null, "remote": false, "pay": 10}', 0.0, "wrong_value:title"),
        (GOLD, '{"title": "Baker", "location": "null", "remote": false, "pay": 10}', 0.0, "wrong_value:location"),
        (GOLD, '{"title": "Baker", "location": null, "remote": 0, "pay": 10}', 0.0, "wrong_value:remote"),
        (GOLD, '{"title": "Baker", "location": null, "remote": "false", "pay": 10}', 0.0, "wrong_value:remote"),
        (GOLD, '{"title": "Baker", "location": null, "remote": false, "pay": "10"}', 0.0, "wrong_value:pay"),
        (GOLD, '{"title": "Baker", "location": null, "remote": false}', 0.0, "missing_key:pay"),
        (GOLD, '{"title": "Baker", "location": null, "remote": false, "pay": 10, "x": 1}', 0.0, "extra_key"),
        (GOLD, "[]", 0.0, "not_object"),
        (GOLD, "```json\n{}\n```", 0.0, "code_fence"),
        (GOLD, '{"title": "Baker", "title": "Baker"}', 0.0, "duplicate_key"),
        (GOLD, "", 0.0, "empty"),
        (GOLD, '{"pay": NaN}', 0.0, "not_a_number"),
        ([1, [2, True]], "[1, [2, true]]", 1.0, "ok"),
        ([1, 2], "[2, 1]", 0.0, "wrong_value"),
        ([1], "[true]", 0.0, "wrong_value"),
        (True, "true", 1.0, "ok"),
        (True, "1", 0.0, "wrong_value"),
        (7, "7", 1.0, "ok"),
        (7, "\uff17", 0.0, "not_json"),
        (None, "null", 1.0, "ok"),
        (None, "", 0.0, "empty"),
        ("Paris", "Paris", 1.0, "ok"),
        ("Paris", "  Paris\n", 1.0, "ok"),
        ("New York", "New\u00a0 York", 1.0, "ok"),
        ("caf\u00e9", "cafe\u0301", 1.0, "ok"),
        ("Paris", "paris", 0.0, "wrong_value"),
        ("Paris", "Paris.", 0.0, "wrong_value"),
        ("Paris", "It is Paris", 0.0, "wrong_value"),
        ("Paris", '"Paris"', 0.0, "wrong_value"),
        ("12", "\u0661\u0662", 0.0, "wrong_value"),
        ("Paris", "", 0.0, "wrong_value"),
    ],
)
def test_golden_answers(target, text, value, reason):
    """Structured targets are compared as strict JSON values, strings as text."""
    (score,) = exact_match()([example(target)], [answer(text)])
    assert (score.value, score.reason_code) == (value, reason)


def test_the_answer_that_was_judged_is_kept():
    """A reader sees the parsed value, or the text without its padding."""
    scores = exact_match()([example({"a": 1}), example("b")], [answer('{"a" :  2}'), answer(" c\n d ")])
    assert [score.answer for score in scores] == ['{"a": 2}', "c d"]


def test_numbers_are_compared_exactly():
    """Large integers are not rounded to doubles."""
    assert not same_json(2**53, 2**53 + 1)
    assert same_json(0.1, 0.1)
    assert not same_json({"a": 1}, {"b": 1})
