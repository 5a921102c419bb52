"""Pairing two results."""

import math

import pytest

from harness.compare import Comparison, Unscored, estimate, scores
from harness.errors import Incomparable, NotMeasured
from harness.stats import tango, wilson
from tests.results import FINGERPRINT, paired, result


def test_transitions_add_up_to_the_planned_examples():
    """Each example is in exactly one of the five counts."""
    base = result([1.0, 0.0, 1.0, 0.0, None, 1.0], model="base")
    candidate = result([1.0, 1.0, 0.0, 0.0, 1.0, None])
    assert Comparison(base, candidate).transitions("accuracy") == (1, 1, 1, 1, 2)


def test_flips_come_with_both_rows():
    """A reader sees what each model answered where only one was right."""
    comparison = Comparison(result([0.0, 1.0, 1.0], model="base"), result([1.0, 0.0, 1.0]))
    gained, lost = comparison.flips("accuracy")
    assert (gained.change, gained.base.id, gained.candidate.id) == ("gained", "r0", "r0")
    assert (lost.change, lost.base.id) == ("lost", "r1")


def test_delta_of_right_or_wrong_is_tangos():
    """Scores of 0 and 1 on independent examples give Tango's interval."""
    assert Comparison(*paired(12, 5, 100)).delta("accuracy") == tango(12, 5, 100, 0.90)


def test_delta_of_shares_is_a_mean():
    """Scores between 0 and 1 give a t interval of the differences."""
    base, candidate = result([0.5, 0.0, 1.0, 0.25], model="base"), result([0.75, 0.5, 1.0, 0.25])
    delta = Comparison(base, candidate).delta("accuracy")
    assert (delta.value, delta.n, delta.method) == (0.1875, 4, "t")


def test_delta_of_shared_clusters_rests_on_clusters():
    """Rows of one source count once."""
    clusters = ["a", "a", "b", "b"]
    base = result([0.0] * 4, model="base", clusters=clusters)
    delta = Comparison(base, result([1.0, 1.0, 0.0, 0.0], clusters=clusters)).delta("accuracy")
    assert (delta.value, delta.n, delta.method) == (0.5, 2, "clustered t")


def test_rows_without_a_cluster_are_independent():
    """An empty cluster means a cluster of one, not one for all."""
    assert estimate(result([1.0] * 5, clusters=[""] * 5), "accuracy").method == "wilson"


def test_pairs_follow_ids_not_places():
    """The candidate's rows may come in another order."""
    base = result([1.0, 0.0], model="base")
    shuffled = result([0.0, 1.0])
    shuffled = type(shuffled)("suite", FINGERPRINT, "candidate", shuffled.rows[::-1], 1.0)
    assert [(p.id, p.base, p.candidate) for p in Comparison(base, shuffled).pairs("accuracy")] == [
        ("r0", 1.0, 0.0),
        ("r1", 0.0, 1.0),
    ]


def test_unscored_rows_are_left_out_or_filled_on_request():
    """A missing score is never 0 by itself; worst and best show how far it could move the difference."""
    comparison = Comparison(result([1.0, 0.0, None], model="base"), result([1.0, None, 0.0]))
    assert comparison.delta("accuracy") == tango(0, 0, 1, 0.90)
    assert comparison.delta("accuracy", unscored=Unscored.WORST) == tango(0, 1, 3, 0.90)
    assert comparison.delta("accuracy", unscored=Unscored.BEST) == tango(1, 0, 3, 0.90)


def test_nothing_scored_is_not_measured():
    """All rows unscored is an error, not a difference of 0."""
    with pytest.raises(NotMeasured, match="no example has a accuracy score"):
        Comparison(result([None], model="base"), result([1.0])).delta("accuracy")
    with pytest.raises(NotMeasured, match="no row has a accuracy score"):
        estimate(result([None]), "accuracy")
    with pytest.raises(NotMeasured, match="no row"):
        estimate(result([]), "accuracy")


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.5, 1.5])
def test_a_score_that_is_no_rate_is_not_measured(value):
    """NaN and numbers outside [0, 1] stop the comparison, with the row's id."""
    with pytest.raises(NotMeasured, match=r"row r1: accuracy is .*; mend the metric"):
        scores(result([1.0, value]), "accuracy")


def test_a_missing_metric_is_not_measured():
    """A metric that a row lacks is an error that names both."""
    with pytest.raises(NotMeasured, match="row r0: no judge score"):
        scores(result([1.0]), "judge")


@pytest.mark.parametrize("layer", list(FINGERPRINT))
def test_each_fingerprint_layer_must_agree(layer):
    """The error names the layer that differs and both hashes."""
    other = {**FINGERPRINT, layer: "changed"}
    with pytest.raises(Incomparable, match=rf"layer '{layer}'.*{FINGERPRINT[layer]}.*changed"):
        Comparison(result([1.0], model="base"), result([1.0], fingerprint=other))


def test_a_missing_fingerprint_layer_is_a_difference():
    """A layer that only one side has is not ignored."""
    with pytest.raises(Incomparable, match=r"layer 'score'.*missing"):
        Comparison(
            result([1.0], model="base"),
            result([1.0], fingerprint={k: FINGERPRINT[k] for k in ("data", "prompt")} | {"decode": "g1"}),
        )


def test_other_examples_are_refused():
    """A result with more, fewer, repeated or otherwise clustered rows is not compared."""
    base = result([1.0, 0.0], model="base")
    with pytest.raises(Incomparable, match=r"1 examples differ .*r2"):
        Comparison(base, result([1.0, 0.0, 1.0]))
    with pytest.raises(Incomparable, match=r"1 examples differ .*r1"):
        Comparison(base, result([1.0]))
    with pytest.raises(Incomparable, match="examples differ"):
        Comparison(base, result([1.0, 0.0], clusters=["a", "a"]))
    twice = result([1.0])
    with pytest.raises(Incomparable, match="same id"):
        Comparison(base, type(twice)("suite", FINGERPRINT, "candidate", twice.rows * 2, 1.0))


def test_other_suites_are_refused():
    """Two suites are never compared."""
    other = result([1.0])
    with pytest.raises(Incomparable, match="suite 'suite' and suite 'other'"):
        Comparison(result([1.0], model="base"), type(other)("other", FINGERPRINT, "candidate", other.rows, 1.0))


def test_estimate_of_right_or_wrong_is_wilsons():
    """Scores of 0 and 1 give Wilson's interval over the scored rows."""
    assert estimate(result([1.0, 0.0, 1.0, None]), "accuracy") == wilson(2, 3)
    assert estimate(result([1.0, None]), "accuracy", unscored=Unscored.WORST) == wilson(1, 2)


def test_estimate_of_shares_stays_a_rate():
    """A mean of shares keeps to [0, 1] and has a width even when all are equal."""
    seen = estimate(result([0.5] * 20), "accuracy")
    assert 0 < seen.low < 0.5 < seen.high < 1
