"""Numeric match: which number an answer ends in, read strictly, and compared as a fraction."""

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest

from harness.errors import BadExamples
from harness.metrics.numeric_match import last_number, numeric_match
from harness.outside import Gsm8k
from tests.metrics.answers import answer, example


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", 18),
        ("2 + 16 = 18", 18),
        ("It is 3. So #### 18", 18),
        ("#### 7 apples of 9", 7),
        ("#### 7\nor rather\n#### 8", 8),
        ("It costs $1,234.50.", Fraction("1234.5")),
        ("1,234,000 people", 1_234_000),
        ("-3", -3),
        ("\u22123 degrees", -3),
        ("-$5", -5),
        ("$-5", -5),
        ("+4", 4),
        ("from 5-10", 10),
        ("a list:\n- 7", 7),
        ("--5", 5),
        ("3/4 of it", Fraction(3, 4)),
        ("1 1/2 cups", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("60 %", 60),
        ("5km", 5),
        ("**18**", 18),
        ("\\boxed{72}", 72),
        ("18.", 18),
        ("(3)", 3),
        ("0.50", Fraction(1, 2)),
    ],
)
def test_the_number_that_a_text_ends_in(text, number):
    """After the last mark the first number, else the last one; signs, groups, money, fractions and units are read."""
    assert last_number(text) == number


AMBIGUOUS = [
    "1,5",
    "1,2345",
    "1.000,50",
    "1e5",
    "3.14.15",
    "1/0",
    "1/2/3",
    "v1.2",
    "٣",
    "twelve",
    "H2O",
    "none",
    "####",
]


@pytest.mark.parametrize("text", [*AMBIGUOUS, "", "5 #### five"])
def test_what_can_be_read_in_two_ways_is_no_number(text):
    """Decimal commas, wrong groups, exponents and chains are no number, rather than their first digits."""
    assert last_number(text) is None


@pytest.mark.parametrize(
    ("target", "text", "value", "reason"),
    [
        ("18", "so 18", 1.0, "ok"),
        ("18", "so 18.0", 1.0, "ok"),
        ("0.75", "3/4", 1.0, "ok"),
        (18, "#### 18", 1.0, "ok"),
        ("1,200", "1200", 1.0, "ok"),
        ("18", "19", 0.0, "wrong_value"),
        ("0.6", "60 %", 0.0, "wrong_value"),
        ("18", "eighteen", 0.0, "no_number"),
        ("10000000000000000000000001", "10000000000000000000000000", 0.0, "wrong_value"),
    ],
)
def test_values_are_compared_exactly(target, text, value, reason):
    """Equal as fractions is right, anything else is wrong with a reason; nothing is rounded to a float."""
    (score,) = numeric_match()([example(target)], [answer(text)])
    assert (score.value, score.reason_code) == (value, reason)


def test_the_number_that_was_read_is_kept():
    """A reader sees which number counted."""
    scores = numeric_match()([example("1")] * 3, [answer("2.50"), answer("1/3"), answer("no")])
    assert [score.answer for score in scores] == ["2.5", "1/3", ""]


@pytest.mark.parametrize("target", ["many", True, "1,5", ""])
def test_a_target_without_a_number_is_refused(target):
    """No answer could be right."""
    with pytest.raises(BadExamples, match="example e1: numeric_match needs a target that holds a number"):
        numeric_match().refuse_unfit([example(target)])


def test_gsm8k_gives_its_own_answers_full_marks():
    """On the real rows every reference answer is right, and its last number without the mark nearly always."""
    folder = os.environ.get("TUNEGATE_DATA")
    if not folder:
        pytest.skip("TUNEGATE_DATA names no folder with gsm8k/ in it")
    path = Path(folder) / "gsm8k" / "test_a.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    examples, metric = Gsm8k(path).read(), numeric_match()
    metric.refuse_unfit(examples)
    whole = metric(examples, [answer(row["answer"]) for row in rows])
    unmarked = metric(examples, [answer(row["answer"].rpartition("####")[0]) for row in rows])
    assert len(rows) == 660
    assert sum(score.value for score in whole) == 660
    assert sum(score.value for score in unmarked) >= 0.95 * 660
