"""The word problems: reproducible, distinct, and each answer what its own numbers give."""

import json
from collections import Counter
from pathlib import Path

from harness.metrics.numeric_match import last_number
from trainers.data.word_problems import FILE, KINDS, SIZE, main, render_rows

ROOT = Path(__file__).parents[2]
ROWS = [json.loads(line) for line in (ROOT / FILE).read_text(encoding="utf-8").splitlines()]


def test_regenerating_gives_the_shipped_file(tmp_path):
    """The generator, run again, gives the shipped rows byte for byte."""
    assert (ROOT / FILE).read_text(encoding="utf-8") == render_rows()
    (tmp_path / FILE).parent.mkdir(parents=True)
    main(tmp_path)
    assert (tmp_path / FILE).read_bytes() == (ROOT / FILE).read_bytes()


def test_rows_are_distinct_and_of_all_kinds():
    """As many of each kind, no problem twice."""
    assert len({row["input"] for row in ROWS}) == len(ROWS) == SIZE
    assert set(Counter(row["tags"][0] for row in ROWS).values()) == {SIZE // len(KINDS)}


def test_answers_can_be_read():
    """Each is a plain number that is not negative."""
    assert all(last_number(row["output"]) >= 0 for row in ROWS)


def test_the_first_of_each_kind_by_hand():
    """Worked out on paper from the questions alone, such as (28 - 7) / 7 shells and 15 - 5 x 2.10 dollars."""
    by_hand = {
        "share": "3",
        "boxes": "45",
        "money": "4.5",
        "percent": "570",
        "speed": "427",
        "ages": "70",
        "rate": "16",
        "garden": "51",
        "times": "56",
        "mean": "17",
    }
    assert {row["tags"][0]: row["output"] for row in ROWS[: len(KINDS)]} == by_hand
