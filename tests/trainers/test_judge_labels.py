"""The calibration set: made by the script byte for byte, labelled by the written rule, and called so."""

import json
from collections import Counter

import pytest

from harness.judge.labels import read_labels, rubric_of
from trainers.data.judge_labels import FILE, ROOT, grade, render_file

REFERENCE = {"title": "Baker", "company": "Kaplan", "location": None, "remote": True}


def test_the_script_writes_the_file_as_it_ships():
    """Run again, it gives the same bytes."""
    assert (ROOT / FILE).read_text(encoding="utf-8") == render_file()


def test_the_set_fits_the_suite_and_names_its_rule():
    """Every row is read by the suite's rubric; nobody claims that a person labelled it; every grade occurs."""
    rubric = rubric_of(ROOT / "suites" / "test_judge.py")
    rows = read_labels(ROOT / FILE, rubric)
    assert len(rows) >= 100
    assert {row.by for row in rows} == {"rule"}
    for name in rubric.names:
        counts = Counter(row.labels[name] for row in rows)
        assert sorted(counts) == [1, 2, 3, 4, 5]
        assert min(counts.values()) >= 10


@pytest.mark.parametrize(
    ("answer", "correct", "complete"),
    [
        (json.dumps(REFERENCE), 5, 5),
        (f"Here: {json.dumps(REFERENCE)}", 4, 4),
        (json.dumps({**REFERENCE, "note": "x"}), 4, 4),
        (json.dumps({**REFERENCE, "title": "Cook"}), 3, 5),
        (json.dumps({**REFERENCE, "title": "Cook", "company": "Zeller"}), 3, 5),
        (json.dumps({**REFERENCE, "title": "Cook", "company": "Zeller", "remote": False}), 2, 5),
        ('{"title": "Baker", "company": "Kaplan", "remote": true}', 5, 4),
        ('{"title": "Baker", "remote": true}', 5, 3),
        ('{"title": "Baker"}', 5, 2),
        ('{"title": "Cook"}', 2, 2),
        ("I cannot say.", 1, 1),
        ("{}", 1, 1),
        ("{broken", 1, 1),
    ],
)
def test_the_rule_grades_as_it_is_written(answer, correct, complete):
    """Each line of the table in the module."""
    assert grade(answer, REFERENCE) == {"correct": correct, "complete": complete}
