"""Which rows teach and which test."""

import json
import random

import pytest

from harness.audit.rows import read_rows
from harness.errors import BadExamples
from harness.starter import split as module
from harness.starter.split import LEAST, split
from tests.starter.made import capitals, plain_postings, write


def divided(tmp_path, rows, wanted=None):
    """The split of these rows."""
    data = write(tmp_path / "rows.jsonl", rows)
    return split(data, read_rows(data)[0], wanted)


def sides(made):
    """The questions of both sides."""
    return {row.question for row in made.train}, {row.question for row in made.test}


def test_every_row_goes_to_one_side(tmp_path):
    """A fifth of 600 rows tests, the others teach, none is on both sides and none is lost."""
    made = divided(tmp_path, plain_postings(600))
    train, test = sides(made)
    assert not train & test
    assert len(made.test) == 120 == made.units
    assert len(made.train) + len(made.test) + made.repeated + made.alike == 600


@pytest.mark.parametrize(
    ("rows", "wanted", "held"), [(100, None, 50), (150, None, 75), (300, None, 100), (300, 60, 60)]
)
def test_small_files_hold_out_as_much_as_they_can(tmp_path, rows, wanted, held):
    """At least a hundred rows test, at most half of them, unless told otherwise."""
    assert len(divided(tmp_path, capitals(rows), wanted).test) == held


def test_the_order_of_the_file_decides_nothing(tmp_path):
    """Shuffled rows are divided as before."""
    rows = plain_postings(300)
    before = sides(divided(tmp_path, rows))
    random.Random(1).shuffle(rows)
    assert sides(divided(tmp_path, rows)) == before


def test_repeats_are_counted_and_left_out(tmp_path):
    """A row that says what another says, but for case and spaces, teaches once and tests once."""
    rows = capitals(200)
    again = [{"prompt": f" {row['prompt'].upper()}", "completion": row["completion"]} for row in rows[:7]]
    made = divided(tmp_path, [*rows, *rows[:5], *again])
    assert made.repeated == 12
    assert len(made.train) + len(made.test) == 200


def test_groups_stay_on_one_side(tmp_path):
    """Rows of one cluster, and near duplicates, all teach or all test."""
    rows = [{**row, "cluster": f"c{number // 4}"} for number, row in enumerate(capitals(400))]
    story = "the long story of how the town of {} came to its name, told by those who were there and saw it happen"
    near = [{"prompt": f"{story.format(name)} {end}", "completion": name} for name in ("Ur", "Ys") for end in "abc"]
    made = divided(tmp_path, [*rows, *near])
    train, test = sides(made)
    clusters = [{row.cluster for row in side} - {""} for side in (made.train, made.test)]
    assert not clusters[0] & clusters[1]
    assert sum(1 for side in (train, test) if any("town of Ur" in question for question in side)) == 1
    assert made.units < len(made.test)
    assert len(set(made.groups.values())) >= len(clusters[1])


def test_a_large_group_teaches(tmp_path):
    """A group of more than a tenth of the test rows would count there as one."""
    rows = [{**row, "cluster": f"big{number // 12}" * (number < 240)} for number, row in enumerate(capitals(400))]
    made = divided(tmp_path, rows)
    assert {row.cluster for row in made.test} == {""}


def test_training_rows_that_hold_a_test_row_are_left_out(tmp_path):
    """What is no near duplicate and still gives a test question away is on neither side, and is counted."""
    rows = plain_postings(300)
    _, test = sides(divided(tmp_path, rows))
    asked = max(test, key=len)
    filler = " ".join(f"word{number}" for number in range(400))
    leak = {
        "input": f"{filler} {asked} {filler}",
        "output": {"title": "x", "company": "y", "location": None, "remote": True},
    }
    made = divided(tmp_path, [*rows, leak])
    train, test = sides(made)
    assert made.alike >= 1
    assert asked in test
    assert leak["input"] not in train | test


@pytest.mark.parametrize(
    ("rows", "wanted", "message"),
    [
        (capitals(99), None, r"rows.jsonl: 99 different rows; a project needs 100, .* add 1 more"),
        ([*capitals(60), *capitals(60)], None, "60 different rows; .* add 40 more"),
        (capitals(200), 49, r"--test-rows 49: of 200 different rows, hold out 50 to 150"),
        (capitals(200), 151, "hold out 50 to 150"),
        ([{**row, "cluster": "one"} for row in capitals(200)], None, "leaves 0 independent ones to test with; 50 are"),
    ],
)
def test_too_few_rows_are_refused_with_how_many_more(tmp_path, rows, wanted, message):
    """One line says what there is and what is missing."""
    with pytest.raises(BadExamples, match=message):
        divided(tmp_path, rows, wanted)


def test_contradicting_rows_are_refused(tmp_path):
    """The same question with two answers can neither teach nor test."""
    rows = [*capitals(120), {**capitals(1)[0], "completion": "elsewhere"}]
    with pytest.raises(BadExamples, match=r"rows 1, 121: the same question has 2 answers.*; keep one of them"):
        divided(tmp_path, rows)


def test_the_watch_for_leaks_can_fail(tmp_path, monkeypatch):
    """Without the search for leaks the row above would teach: the test above tests something."""
    monkeypatch.setattr(module, "leaks", lambda *_: [])
    rows = plain_postings(300)
    asked = max(sides(divided(tmp_path, rows))[1], key=len)
    leak = {"input": f"{'word ' * 400}{asked}", "output": rows[0]["output"]}
    assert leak["input"] in sides(divided(tmp_path, [*rows, leak]))[0]


def test_preferred_answers_to_one_question_stay_together(tmp_path):
    """Several pairs of one question are no contradiction, and are on one side."""
    pairs = [
        {"prompt": row["prompt"], "chosen": f"{row['completion']} {good}", "rejected": "no"}
        for row in capitals(150)
        for good in ("indeed", "of course")
    ]
    made = divided(tmp_path, pairs)
    train, test = sides(made)
    assert not train & test
    assert len(made.train) >= LEAST
    assert json.dumps(sorted(test))
