"""P-values of several questions at once."""

import random

import pytest
from statsmodels.stats.multitest import multipletests

from harness.stats import holm


def test_by_hand():
    """The smallest of five times five, the next times four, none below the one before; R's `p.adjust` agrees."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_statsmodels(seed):
    """In any order, with ties, and cut at 1."""
    values = [random.Random(seed + i).choice([0.001, 0.2, random.Random(i).random()]) for i in range(12)]
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1].tolist())


def test_one_question_is_itself_and_none_is_none():
    """Nothing is adjusted where there is nothing to adjust."""
    assert (holm([0.03]), holm([])) == ((0.03,), ())


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(value):
    """A p-value lies in [0, 1]."""
    with pytest.raises(ValueError, match="p-value"):
        holm([0.5, value])
