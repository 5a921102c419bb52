"""Field accuracy."""

import pytest

from harness.errors import BadExamples, BadSpec
from harness.metrics.field_accuracy import field_accuracy
from tests.metrics.answers import answer, example

GOLD = {"title": "Baker", "company": "Dough", "location": None, "remote": True}


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ('{"title": "Baker", "company": "Dough", "location": null, "remote": true}', 1.0, "ok"),
        ('{"title": "Baker", "company": "Dough", "location": null, "remote": true, "x": 1}', 1.0, "ok"),
        ('{"title": "Baker", "company": "Dough", "remote": true}', 0.75, "missing_key:location"),
        ('{"title": "Cook", "company": "Dough", "location": null, "remote": 1}', 0.5, "wrong_value:title"),
        ('{"location": ""}', 0.0, "missing_key:title"),
        ("{}", 0.0, "missing_key:title"),
        ('["Baker", "Dough", null, true]', 0.0, "not_object"),
        ('{"title": "Baker", "title": "Baker"}', 0.0, "duplicate_key"),
        ('{"title": "Baker", "company": "Dough"', 0.0, "not_json"),
        ("", 0.0, "empty"),
    ],
)
def test_share_of_right_fields(text, value, reason):
    """Each field of the target counts the same; the first wrong one is the reason."""
    (score,) = field_accuracy()([example(GOLD)], [answer(text)])
    assert (score.value, score.reason_code) == (value, reason)


def test_chosen_fields_alone_count():
    """With `fields`, the others may be as wrong as they like."""
    (score,) = field_accuracy(["title", "remote"])([example(GOLD)], [answer('{"title": "Baker", "remote": false}')])
    assert (score.value, score.reason_code) == (0.5, "wrong_value:remote")


@pytest.mark.parametrize("fields", [[], ["a", "a"], "title"])
def test_a_choice_of_fields_that_makes_no_sense_is_refused(fields):
    """No fields, one twice, or a bare string whose letters would be taken for fields."""
    with pytest.raises(BadSpec, match="different field names"):
        field_accuracy(fields)


@pytest.mark.parametrize("target", ["text", [], None, {}])
def test_targets_without_fields_are_refused(target):
    """A suite whose target is no object cannot use this metric; the example's id is named."""
    with pytest.raises(BadExamples, match="example e7: field_accuracy needs"):
        field_accuracy().refuse_unfit([example(GOLD), example(target, "e7")])


def test_a_target_that_lacks_a_chosen_field_is_refused():
    """A field that some target lacks has no right value."""
    with pytest.raises(BadExamples, match="lacks field 'pay'"):
        field_accuracy(["pay"]).refuse_unfit([example(GOLD)])
