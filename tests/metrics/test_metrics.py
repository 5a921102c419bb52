"""What all metrics have in common."""

import pytest

from harness.errors import NotMeasured
from harness.metrics import Judgement, per_example
from harness.metrics.exact_match import exact_match
from harness.metrics.field_accuracy import field_accuracy
from harness.metrics.valid_json import valid_json
from harness.types import Score
from tests.metrics.answers import answer, example

GOLD = {"title": "Baker", "remote": False}
SCHEMA = {"type": "object", "required": ["title"]}
METRICS = [valid_json(SCHEMA), exact_match(), field_accuracy()]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_truncated_answer_scores_0_even_if_it_looks_whole(metric):
    """A cut answer is wrong with its own reason, and does not disturb its neighbours."""
    right = '{"title": "Baker", "remote": false}'
    scores = metric([example(GOLD)] * 3, [answer(right), answer(right, cut=True), answer(right)])
    assert [(score.value, score.reason_code) for score in scores] == [(1.0, "ok"), (0.0, "truncated"), (1.0, "ok")]
    assert {score.metric for score in scores} == {metric.name}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_example_needs_an_answer(metric):
    """Too few answers are an error, never a shorter list of scores."""
    with pytest.raises(NotMeasured, match="1 answers for 2 examples"):
        metric([example(GOLD)] * 2, [answer("{}")])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_nothing_gives_nothing(metric):
    """No examples, no scores."""
    assert metric([], []) == []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_spec_names_metric_and_version(metric):
    """What enters the fingerprint says at least which metric it is; guessing earns nothing here."""
    assert metric.spec["name"] == metric.name
    assert metric.spec["version"] == str(metric.version)
    assert metric.chance == 0.0


def test_the_spec_holds_what_scores_depend_on():
    """Another schema or other fields are another measurement; the order of a schema's keys is not."""
    assert valid_json(SCHEMA).spec != valid_json({"type": "object", "required": ["remote"]}).spec
    assert valid_json(SCHEMA).spec == valid_json({"required": ["title"], "type": "object"}).spec
    assert field_accuracy().spec != field_accuracy(["title"]).spec != field_accuracy(["remote"]).spec


def test_a_function_becomes_a_metric():
    """`per_example` gives the function each complete answer's text."""

    def shouts(_example, text):
        return Judgement(float(text.isupper()), text[:2], "ok" if text.isupper() else "wrong_value")

    metric = per_example("shouts", shouts, version=3, chance=0.25, spec={"length": "2"})
    assert metric([example("x")] * 2, [answer("HELLO"), answer("hello")]) == [
        Score("shouts", 1.0, "HE"),
        Score("shouts", 0.0, "he", "wrong_value"),
    ]
    assert (metric.spec, metric.chance) == ({"name": "shouts", "version": "3", "length": "2"}, 0.25)
    metric.refuse_unfit([example(None)])
