"""The share of one gain that another reaches."""

import random
from math import sqrt
from statistics import fmean, variance

import pytest
from scipy import stats

from harness.stats import gain_share, paired_mean


def drawn(n=400, seed=1):
    """Gains of a whole, and of a part that reaches about half of it on the same examples."""
    rng = random.Random(seed)
    whole = [rng.uniform(-0.1, 0.9) for _ in range(n)]
    return [0.5 * value + rng.uniform(-0.5, 0.5) for value in whole], whole


def fieller(part, whole, confidence):
    """The textbook's closed form: roots of (a - s b)² = t² (Vaa - 2 s Vab + s² Vbb)."""
    n, a, b = len(part), fmean(part), fmean(whole)
    t2 = stats.t.ppf(0.5 + confidence / 2, n - 1) ** 2
    covariance = sum((x - a) * (y - b) for x, y in zip(part, whole, strict=True)) / (n - 1)
    aa, bb, ab = (value / n for value in (variance(part), variance(whole), covariance))
    two, one, zero = b * b - t2 * bb, a * b - t2 * ab, a * a - t2 * aa
    spread = sqrt(one * one - two * zero)
    return (one - spread) / two, (one + spread) / two


@pytest.mark.parametrize("confidence", [0.90, 0.95])
def test_agrees_with_the_closed_form_of_independent_values(confidence):
    """Where nothing is widened, the inverted test has Fieller's bounds."""
    part, whole = drawn()
    found = gain_share(part, whole, confidence)
    low, high = fieller(part, whole, confidence)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-3)
    assert found.low < low < high < found.high  # `bounded_mean` counts one more value on either side
    assert found.value == pytest.approx(fmean(part) / fmean(whole))
    assert (found.n, found.method) == (400, "Fieller")


def test_covers_the_true_share():
    """Of 200 samples about 90 % of the two-sided 90 % intervals hold the share that they were drawn with."""
    found = [gain_share(*drawn(200, seed), 0.90) for seed in range(200)]
    held = sum(share.low <= 0.5 <= share.high for share in found)
    assert 167 <= held <= 193  # 180, give or take three standard deviations


def test_nothing_is_no_whole():
    """A whole that is not shown to be above 0 has no shares, however large the part."""
    even = [1.0, -1.0] * 50
    assert gain_share([1.0] * 100, even) is None
    assert gain_share([0.5] * 100, [-0.5] * 100) is None
    assert gain_share([0.5] * 100, [0.5] * 100) is not None


def test_equal_gains_are_a_share_of_one_with_room_for_doubt():
    """A part that equals the whole on every example reaches all of it, and few examples do not prove that exactly."""
    rng = random.Random(3)
    for n, width in ((40, 0.5), (4000, 0.02)):
        gains = [float(rng.random() < 0.6) for _ in range(n)]
        found = gain_share(gains, gains)
        assert found.value == 1.0
        assert 1 - width < found.low < 1 < found.high < 1 + width


def test_shared_sources_widen_it():
    """Twenty copies of twenty examples are worth twenty."""
    part, whole = drawn(20)
    once = gain_share(part, whole)
    many = gain_share(part * 20, whole * 20, clusters=[*range(20)] * 20)
    assert (many.low, many.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert gain_share(part * 20, whole * 20).high < many.high


def test_it_is_finite_exactly_where_the_whole_is_shown():
    """The gate's own bound decides whether a share is given."""
    for right in range(40):
        whole = [1.0] * right + [0.0] * 360 + [-1.0] * 10
        share = gain_share(whole, whole, 0.90)
        if paired_mean(whole, 0.90).low <= 0:
            assert share is None
        else:
            assert share is None or share.low < 1 < share.high


@pytest.mark.parametrize(("part", "whole"), [([], []), ([0.1], [0.1, 0.2]), ([1.5], [1.0]), ([0.1], [2.0])])
def test_nonsense_is_refused(part, whole):
    """Nothing, unequal lengths and differences that no scores have."""
    with pytest.raises(ValueError, match=r"values|differences|finite"):
        gain_share(part, whole)
