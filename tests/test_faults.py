"""The page of faults: complete, and every test that it names exists."""

import re
from pathlib import Path

import pytest

from tests.test_claims import problem

PAGE = (Path(__file__).parents[1] / "docs" / "faults.md").read_text(encoding="utf-8")
LINES = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in PAGE.splitlines() if line[:3] != "| -"]
ROWS = [row for row in LINES if len(row) == 3 and row[0] != "row"]
COUNTS = {"A": 11, "B": 4, "C": 5, "D": 15, "E": 5, "F": 7, "G": 12, "S": 18}
LATER = {"S10", "S13", "S15"}


def test_every_fault_has_one_row():
    """All classes are there, each once and in order, and say what happens."""
    assert [row for row, _, _ in ROWS] == [f"{area}{n}" for area, count in COUNTS.items() for n in range(1, count + 1)]
    assert all(fault for _, fault, _ in ROWS)


@pytest.mark.parametrize(("row", "held"), [(row, held) for row, _, held in ROWS])
def test_what_holds_a_fault_exists(row, held):
    """Each named test is found; only what belongs to a later part of the product has none."""
    if held.startswith(("open: ", "later: ")):
        assert held.startswith("open: ") or row in LATER
        return
    places = held.split("; ")
    assert {place: problem(place) for place in places} == dict.fromkeys(places, "")
    assert all(place.startswith("`tests/") for place in places)


def test_open_faults_only_become_fewer():
    """The number at the top is that of the open rows."""
    said = re.search(r"^Open rows: (\d+)\.", PAGE, re.MULTILINE)
    assert said
    assert sum(held.startswith("open: ") for _, _, held in ROWS) == int(said[1])
