"""Blind sheets: drawn from a run, read without names, scored only as they were exported."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # before pytester notes which modules it may forget: numpy loads only once
from typer.testing import CliRunner

from harness import session
from harness.cli import app
from harness.types import FinishReason, Generation
from reports.pairs import Change, Pair
from reports.sheet import drawing
from reports.sheet.cells import cell, read_table, write_table
from reports.sheet.key import COLUMNS
from tests import playground
from tests.playground import make_model, make_suite, run_gate
from tests.results import result

pytest_plugins = "pytester"

SHEET, KEY = Path("sheet.csv"), Path("sheet.key.json")


@pytest.fixture
def repo(pytester, monkeypatch):
    """A run in which base and candidate differ on questions 30 to 69 of 120, and the candidate is right on them."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, rows=120, system="Be brief.", gates='Gate("exact_match", min_gain=0.0)')
    make_model(pytester.path / "granite", right=30)
    make_model(pytester.path / "tuned-v7", right=70)
    make_model(pytester.path / "twin", right=30, cut=1)
    run_gate(pytester, "--adapter", "tuned-v7", "--adapter", "twin", "--run-dir", "done", model="granite")
    return pytester


def tunegate(*args, code=0):
    """What the command line says; it ends with `code`, and in one line when it refuses."""
    done = CliRunner().invoke(app, ["sheet", *map(str, args)])
    assert done.exit_code == code, done.output
    assert not code or done.stderr.count("\n") == 1
    return done.stderr if code else done.stdout


def export(*more, suite="asks", model="tuned-v7", code=0):
    """Export from the run."""
    return tunegate("export", "done", "--suite", suite, "--model", model, "--out", SHEET, *more, code=code)


def table(path=SHEET):
    """The sheet's rows, each a list of cells, without the header."""
    return [list(row) for row in read_table(path, COLUMNS)]


def save(rows, path=SHEET, delimiter=",", end="\r\n"):
    """Write the sheet as a spreadsheet would."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([COLUMNS, *rows])
    path.write_bytes(text.getvalue().encode())


def candidate_sides():
    """Where the candidate stands, by row."""
    return [row["candidate"] for row in json.loads(KEY.read_text())["rows"]]


def other(side):
    """The other column."""
    return {"A": "B", "B": "A"}[side]


def filled(words):
    """The sheet's rows with `better` filled in: `win`, `loss`, `tie` or nothing, from the candidate's point of view."""
    meant = {"win": lambda side: side, "loss": other, "tie": lambda _: " Tie", "": lambda _: ""}
    rows = table()
    for row, side, word in zip(rows, candidate_sides(), words, strict=True):
        row[5], row[6] = meant[word](side), "seen"
    return rows


@pytest.mark.usefixtures("repo")
def test_a_sheet_comes_back_as_figures():
    """Wins, ties, losses, unfilled ones, the exact share and mid-p, and agreement with the metric, by hand."""
    said = export("--rows", "40")
    assert "40 rows, the answers differ on 40" in said
    words = ["win"] * 20 + ["loss"] * 8 + ["tie"] * 7 + [""] * 5
    save(filled(words))
    said = tunegate("score", SHEET, "--json", "found.json")
    assert "20 wins, 7 ties, 8 losses\nn = 35 of 40 rows; 5 not filled in" in said
    found = json.loads(Path("found.json").read_text())
    assert [found[name] for name in ("n", "wins", "ties", "losses", "unfilled", "units", "differ", "alike")] == [
        *(35, 20, 7, 8, 5, 120, 40, 0)
    ]
    exact = scipy.stats.binomtest(20, 28).proportion_ci(0.95, method="exact")
    assert found["share"]["value"] == pytest.approx(20 / 28)
    assert (found["share"]["low"], found["share"]["high"]) == pytest.approx((exact.low, exact.high))
    two_sided = 2 * (scipy.stats.binom.sf(20, 28, 0.5) + scipy.stats.binom.pmf(20, 28, 0.5) / 2)
    assert found["p"] == pytest.approx(two_sided)
    beside = found["agreement"]  # the metric prefers the candidate on every row that differs
    assert (beside["both"], beside["agreed"], beside["people_even"], beside["metric_even"]) == (28, 20, 7, 0)
    assert found["left"] == sum(row[5] == "A" for row in table())
    run = json.loads(Path("done/run.json").read_text())
    assert (found["run"], found["model"], found["base"]) == (run["plan"]["id"], "tuned-v7", "base")


@pytest.mark.usefixtures("repo")
def test_nobody_can_tell_whose_answers_they_are():
    """No name, run or score is in the sheet; the candidate is left in just half of the rows, and not in turns."""
    export("--rows", "40")
    text = SHEET.read_text(encoding="utf-8-sig")
    run = json.loads(Path("done/run.json").read_text())
    for word in ("granite", "tuned", "candidate", "base", "exact_match", run["plan"]["id"]):
        assert word not in text
    sides = candidate_sides()
    assert sides.count("A") == 20
    assert len(set(zip(sides[::2], sides[1::2], strict=True))) > 2
    shown = [(row[3], row[4]) for row in table()]
    assert shown == [("yes", "no") if side == "A" else ("no", "yes") for side in sides]


def test_the_sides_are_the_run_s_own(repo):
    """The same run gives the same sheet; another seed, or the same answers in another run, put them otherwise."""
    export("--rows", "40")
    first, sides = SHEET.read_bytes(), candidate_sides()
    for more, name in ((("--seed", "0"), "done"), (("--seed", "1"), "done"), ((), "again")):
        SHEET.unlink()
        KEY.unlink()
        if name == "again":
            run_gate(repo, "--adapter", "tuned-v7", "--run-dir", "other", model="granite")
            tunegate("export", "other", "--suite", "asks", "--model", "tuned-v7", "--out", SHEET, "--rows", "40")
        else:
            export("--rows", "40", *more)
        assert (SHEET.read_bytes() == first) is (more == ("--seed", "0"))
        assert (candidate_sides() == sides) is (more == ("--seed", "0"))


@pytest.mark.usefixtures("repo")
def test_rows_that_differ_come_first():
    """40 rows differ, so 50 hold all of them and ten alike; to call these different is a tie, said aloud."""
    export("--rows", "50")
    rows = table()
    assert [row[3] != row[4] for row in rows] == [True] * 40 + [False] * 10
    assert {re.search(r"question (\d+)", row[1])[1] for row in rows[:40]} == {str(number) for number in range(30, 70)}
    save(filled(["win"] * 45 + ["tie"] * 5))
    said = tunegate("score", SHEET)
    assert "40 wins, 10 ties, 0 losses" in said
    assert "CAUTION 5 rows have the same text twice" in said


@pytest.mark.usefixtures("repo")
def test_a_sheet_survives_a_spreadsheet():
    """Sorted, with semicolons or tabs, other line ends, no byte order mark, empty rows below and a key elsewhere."""
    export("--rows", "40")
    rows = filled(["win"] * 40)
    KEY.rename("kept.json")
    for delimiter, end in ((";", "\r\n"), ("\t", "\n"), (",", "\n")):
        saved = [[each.replace("\n", end) for each in row] for row in rows[::-1]]
        save([*saved, [""] * 7], delimiter=delimiter, end=end)
        assert "40 wins" in tunegate("score", SHEET, "--key", "kept.json")


@pytest.mark.usefixtures("repo")
def test_an_altered_sheet_is_refused():
    """Edited, missing, doubled and foreign rows, other words, other columns, an empty sheet, an edited or lost key."""
    export("--rows", "20")
    good = filled(["win"] * 20)

    def refused(rows):
        save(rows)
        return tunegate("score", SHEET, code=2)

    def edited(column, text):
        return [*good[:4], [*good[4][:column], text, *good[4][column + 1 :]], *good[5:]]

    for column in (1, 2, 3, 4):
        assert "row 5 was edited" in refused(edited(column, "other"))
    assert "row 5 was edited" in refused(edited(3, good[4][4])[:5] + good[5:])
    assert "'21' is not a row of the key" in refused(edited(0, "21"))
    assert "1 of 20 rows are missing, the first is row 5" in refused([*good[:4], *good[5:]])
    assert "'5' is there twice" in refused([*good, good[4]])
    assert "row 5: `better` is 'C'; write A, B or tie" in refused(edited(5, "C"))
    assert "no row is filled in" in refused([[*row[:5], "", "note"] for row in good])
    assert "has 4 cells" in refused([*good, ["20", "x", "y", "z"]])
    save([])
    SHEET.write_text("row,question\n")
    assert "its columns are not row, question" in tunegate("score", SHEET, code=2)
    SHEET.write_bytes(b"row\xff")
    assert "is not UTF-8" in tunegate("score", SHEET, code=2)
    save(good)
    assert "20 wins" in tunegate("score", SHEET)
    KEY.write_text(KEY.read_text().replace('"candidate": "A"', '"candidate": "B"', 1))
    assert "the key was edited" in tunegate("score", SHEET, code=2)
    KEY.write_text("{}")
    assert "is not the key of a sheet" in tunegate("score", SHEET, code=2)
    KEY.unlink()
    assert "the key cannot be read" in tunegate("score", SHEET, code=2)


@pytest.mark.usefixtures("repo")
def test_wrong_names_are_one_line():
    """Unknown suite or model, the base itself, equal answers, a sheet that exists, a run that was edited."""
    assert "--suite other: is not in done; it has asks" in export(suite="other", code=2)
    for model in ("other", "base"):
        assert f"--model {model}: is no candidate of done; it has tuned-v7, twin" in export(model=model, code=2)
    assert "in all 120 rows" in export(model="twin", code=2)
    assert "no such directory" in tunegate("export", "x", "--suite", "a", "--model", "b", "--out", SHEET, code=2)
    assert not SHEET.exists()
    assert "40 rows" not in export("--rows", "30")
    assert "exists, and people may have filled it in" in export(code=2)
    SHEET.unlink()
    KEY.unlink()
    records = Path("done/records/asks--tuned-v7.jsonl")
    records.write_text(records.read_text().replace('"output": "no"', '"output": "yes"', 1))
    assert "does not verify" in export(code=2)


def test_no_cell_runs_or_hides(pytester, monkeypatch):
    """A formula in a reference or an answer is text in the sheet, a control shows, and the sheet still scores."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)
    said = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\n=1",
        "＝1",
        "a\x00\u202eb",
        "007",
        "TRUE",
        "",
        "ok",
    ]

    def answer(rule, number):
        text = said[number % len(said)] if rule["right"] else "no"
        return Generation(text, (1, 2), FinishReason.STOP, prompt_tokens=5, new_tokens=2)

    monkeypatch.setattr(playground, "_answer", answer)
    make_suite(pytester.path, rows=70, gates='Gate("exact_match", min_gain=0.0)')
    data = pytester.path / "suites/data/asks.jsonl"
    data.write_text(data.read_text().replace('"yes"', '"=HYPERLINK(1)"'))
    make_model(pytester.path / "granite", right=0)
    make_model(pytester.path / "tuned-v7", right=1)
    run_gate(pytester, "--adapter", "tuned-v7", "--run-dir", "done", model="granite")
    export()
    cells = [each for row in table() for each in row[1:5]]
    assert not [each for each in cells if each.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "＝"))]
    assert {"'=1+1", "'-1", "'a␀⟨U+202E⟩b", "'007", "'TRUE", "⟨empty⟩", "ok", "'=HYPERLINK(1)"} <= set(cells)
    save(filled(["win"] * 70))
    assert "70 wins" in tunegate("score", SHEET)


def test_each_row_is_evidence_of_its_own():
    """One row of each cluster, one that differs where there is one; none whose two models saw different prompts."""
    base = result([1.0] * 6, clusters=["a", "a", "b", "b", "c", "d"]).rows
    said = ["output", "other", "output", "output", "other", "other"]
    candidate = [replace(row, output=text) for row, text in zip(base, said, strict=True)]
    candidate[5] = replace(candidate[5], prompt="another")
    paired = [Pair(old, new, Change.BOTH_RIGHT) for old, new in zip(base, candidate, strict=True)]
    asked = drawing._asked_alike(paired)
    assert [pair.base.id for pair in asked] == ["r0", "r1", "r2", "r3", "r4"]
    assert [pair.base.id for pair in drawing._one_of_each_cluster(asked)] == ["r1", "r4", "r2"]


def test_a_cell_fits_a_spreadsheet():
    """What is longer than a spreadsheet keeps is cut and says so; ordinary text stays as it is."""
    assert cell("x" * 40_000) == "x" * 30_000 + " ⟨and 10000 more characters⟩"
    assert cell('{"a": 1}') == '{"a": 1}'
    assert cell("two\nlines") == "two\nlines"
    assert write_table(["a"], [["é"]]) == b"\xef\xbb\xbfa\r\n\xc3\xa9\r\n"
