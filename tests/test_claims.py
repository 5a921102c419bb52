"""The page of claims: complete, and every place that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
MEMORY = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")
PAGES = {"report": "parts/*.j2", "audit": "audit.html.j2"}
TEMPLATES = {
    name: "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "reports").glob(pattern)))
    for name, pattern in PAGES.items()
}
ROWS = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in PAGE.splitlines() if line[:3] != "| -"]
CLAIMS = [row for row in ROWS if len(row) == 3 and row[0] != "row"]
NUMBERS = [*range(1, 153)]
OUT_OF_SCOPE = {"4", "8", "72", "133"}
"""Rows that are out of scope, or that only a page can hold."""


@cache
def names_in(path):
    """Names of the test functions in a file, found without running it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def problem(place):
    """What is wrong with a place that holds a claim, or nothing."""
    if found := re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", place):
        path, name = found.groups()
        return "" if (ROOT / path).is_file() and name in names_in(path) else "no such test"
    if found := re.fullmatch(r"(report|audit): #([\w-]+), (.+)", place):
        page, anchor, words = found.groups()
        section = re.search(rf'<section id="{anchor}".*?</section>', TEMPLATES[page], re.DOTALL)
        return "" if section and words in section[0] else f"no such words in that section of the {page}'s page"
    if found := re.fullmatch(r"docs/memory\.md row (\d+)", place):
        return "" if f"\n| {found[1]} |" in MEMORY else "no such row"
    if found := re.fullmatch(r"(docs/\w+\.md), (.+)", place):
        path = ROOT / found[1]
        return "" if path.is_file() and found[2] in path.read_text(encoding="utf-8") else "no such words on that page"
    return "neither a test, a field of the report or the audit, nor a row of docs/memory.md"


def test_every_claim_has_one_row():
    """All numbers of the guides' claims, errors and broken code are there, each once and in order."""
    expected = [*map(str, NUMBERS), *(f"E{n}" for n in range(1, 22)), *(f"C{n}" for n in range(1, 25))]
    assert [number for number, _, _ in CLAIMS] == expected
    assert all(claim for _, claim, _ in CLAIMS)


@pytest.mark.parametrize(("number", "held"), [(number, held) for number, _, held in CLAIMS])
def test_what_holds_a_claim_exists(number, held):
    """Each named test, field and row is found; a reason is only good for what is out of scope."""
    if held.startswith("open: "):
        assert len(held) > len("open: ")
        return
    places = held.split("; ")
    if held.startswith("reason: "):
        assert number in OUT_OF_SCOPE
        places = [place for place in places if place.startswith(("`", "docs/", "report:", "audit:"))]
    assert places or held.startswith("reason: ")
    assert {place: problem(place) for place in places} == dict.fromkeys(places, "")


def test_open_claims_only_become_fewer():
    """The number at the top is that of the open rows, so that closing one lowers it and opening one is seen."""
    said = re.search(r"^Open rows: (\d+)\.", PAGE, re.MULTILINE)
    assert said
    assert sum(held.startswith("open: ") for _, _, held in CLAIMS) == int(said[1])


@pytest.mark.parametrize(
    "place",
    [
        "`tests/test_claims.py::test_that_is_not_there`",
        "`tests/test_nothing.py::test_x`",
        "report: #nowhere, Scale",
        "report: #sweep, a column that is not there",
        "audit: #leakage, a column that is not there",
        "docs/memory.md row 999",
        "docs/when.md, words that are not there",
        "docs/nothing.md, words",
        "somewhere",
    ],
)
def test_a_place_that_is_not_there_is_noticed(place):
    """The check above could fail."""
    assert problem(place)
