"""Means of bounded scores."""

import math
import random
from math import sqrt
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.stats import bounded_mean, paired_mean, tango, wilson

differences = st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=60)
any_settings = settings(deadline=None, database=None)


def test_agrees_with_scipy_when_values_vary():
    """Independent values give the ordinary t bounds of themselves and one more, the lowest or the highest again."""
    rng = random.Random(1)
    values = [rng.uniform(-1, 1) for _ in range(200)]
    low, high = (stats.ttest_1samp([*values, more], 0).confidence_interval(0.90) for more in (min(values), max(values)))
    estimate = paired_mean(values, 0.90)
    assert (estimate.low, estimate.high) == pytest.approx((low.low, high.high), abs=1e-12)
    assert (estimate.value, estimate.n, estimate.method) == (pytest.approx(fmean(values)), 200, "t")


def test_agrees_with_statsmodels_when_clustered():
    """Clusters give the bound of a regression on a constant with cluster-robust errors, and one more cluster."""
    from statsmodels.regression.linear_model import OLS

    rng = random.Random(2)
    clusters = [f"c{i // 5}" for i in range(200)]
    shared = {name: rng.uniform(-0.5, 0.5) for name in clusters}
    values = [shared[name] + rng.uniform(-0.5, 0.5) for name in clusters]
    worst = min(fmean(values[start : start + 5]) for start in range(0, 200, 5))
    groups = [int(name[1:]) for name in clusters] + [40] * 5
    more = [*values, *[worst] * 5]
    fit = OLS(more, [1.0] * 205).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    ((low, _),) = fit.conf_int(alpha=0.10)
    estimate = paired_mean(values, 0.90, clusters=clusters)
    assert estimate.low == pytest.approx(low, abs=1e-9)
    assert (estimate.value, estimate.n, estimate.method) == (pytest.approx(fmean(values)), 40, "clustered t")


@pytest.mark.parametrize(("groups", "lost", "gained"), [(40, 0.2, 0.1), (100, 0.12, 0.02), (100, 0.07, 0.02)])
def test_few_large_losses_keep_the_promise(groups, lost, gained):
    """Where five rows share a source and losses are rare, a drop of just the margin passes in at most 5 % of cases."""
    rng, passed, plain = np.random.default_rng(groups), 0, 0
    labels = [i // 5 for i in range(5 * groups)]
    for _ in range(1200):
        own, shared = rng.random((groups, 5)), rng.random((groups, 1))
        lot = np.where(rng.random((groups, 5)) < sqrt(0.5), shared, own).reshape(-1)
        values = np.where(lot < lost, -1.0, np.where(lot < lost + gained, 1.0, 0.0))
        passed += paired_mean(values.tolist(), 0.90, clusters=labels).low > gained - lost
        means = values.reshape(groups, 5).mean(axis=1)
        plain += means.mean() - stats.t.ppf(0.95, groups - 1) * means.std(ddof=1) / sqrt(groups) > gained - lost
    assert passed / 1200 <= 0.05
    assert plain > passed


@pytest.mark.parametrize("n", [1, 2, 20, 500])
def test_equal_values_prove_no_more_than_right_or_wrong_ones(n):
    """Without variance it gives Wilson's bound at n/n, and Tango's with no or only gained pairs."""
    assert bounded_mean([1.0] * n, (0.0, 1.0)).low == pytest.approx(wilson(n, n).low)
    assert paired_mean([0.0] * n).low == pytest.approx(tango(0, 0, n).low)
    assert paired_mean([1.0] * n).low == pytest.approx(tango(n, 0, n).low)


def test_a_tiny_loss_proves_no_more_than_no_loss():
    """One example a little worse does not give a better bound than none."""
    assert paired_mean([0.0] * 399 + [-0.001], 0.90).low < paired_mean([0.0] * 400, 0.90).low


def test_one_cluster_proves_next_to_nothing():
    """A hundred rows of one source are one unit, not a hundred."""
    estimate = paired_mean([0.0] * 100, 0.90, clusters=["one"] * 100)
    assert (estimate.n, estimate.low) == (1, pytest.approx(tango(0, 0, 1, 0.90).low))


def test_a_dominant_cluster_lowers_the_effective_number():
    """Eleven clusters of which one holds nearly all rows count as about one."""
    clusters = ["big"] * 500 + [f"c{i}" for i in range(10)]
    assert paired_mean([0.0] * 510, clusters=clusters).n == 1


def test_clustering_keeps_the_false_alarm_rate():
    """With 40 clusters of 5 that share half their variance, the naive interval misses a zero effect far too often."""
    rng = random.Random(3)
    missed = {"naive": 0, "clustered": 0}
    clusters = [i // 5 for i in range(200)]
    for _ in range(300):
        shared = [rng.gauss(0, 0.15) for _ in range(40)]
        values = [max(-1.0, min(1.0, shared[c] + rng.gauss(0, 0.15))) for c in clusters]
        for name, labels in (("naive", None), ("clustered", clusters)):
            estimate = paired_mean(values, 0.95, clusters=labels)
            missed[name] += not estimate.low <= 0 <= estimate.high
    assert missed["clustered"] / 300 < 0.09
    assert missed["naive"] / 300 > 0.15


@any_settings
@given(differences)
def test_interval_is_ordered_and_bounded(values):
    """It lies in [-1, 1], holds the mean and has a width."""
    estimate = paired_mean(values)
    assert -1 <= estimate.low <= estimate.value + 1e-12
    assert estimate.value - 1e-12 <= estimate.high <= 1
    assert estimate.low < estimate.high


@any_settings
@given(differences)
def test_negating_mirrors(values):
    """What the candidate gains is what the base loses."""
    one, other = paired_mean(values), paired_mean([-value for value in values])
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)


@pytest.mark.parametrize("values", [[], [math.nan], [0.0, math.inf], [1.5], [-0.1]])
def test_impossible_values_are_refused(values):
    """Nothing, NaN, infinity and values out of bounds are errors, never a mean."""
    with pytest.raises(ValueError, match="value"):
        bounded_mean(values, (0.0, 1.0))


def test_a_missing_cluster_label_is_refused():
    """Every value needs a label."""
    with pytest.raises(ValueError, match="labels"):
        paired_mean([0.0, 0.1], clusters=["a"])
