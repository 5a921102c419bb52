"""What the page carries of the examples: all of them in the index, the most telling texts within the budget."""

import gzip
import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import cli
from harness.errors import BadRunDirectory, UsageProblem
from harness.types import Score
from reports.browser.embedded import MAX_TEXT, budget, embed
from reports.browser.measured import measure
from reports.browser.script import script
from reports.html import write_report
from reports.load import load
from tests.browser.runs import CHANGES, judged, known, way
from tests.browser.watched import MISSING
from tests.reports.maker import demo

ROOT = Path(__file__).parents[3]
FORBIDDEN = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch(", "import("),
    *("XMLHttpRequest", "WebSocket", 'setAttribute("on', "srcdoc", "createContextualFragment", "parseFromString"),
)


def unpacked(text):
    """The value that a template of the page holds."""
    return json.loads(gzip.decompress(b64decode(text)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 240 known examples."""
    return load(known().write(tmp_path_factory.mktemp("known") / "run"))


def test_the_index_lists_every_example_whatever_the_budget(run):
    """With a budget of nothing all ids, outcomes, causes and tags are there, and no text."""
    found = embed(run, measure(run), 0)
    assert (found.total, found.texts, found.chunks, found.left_out) == (240, 0, (), 240)
    index = unpacked(found.index)
    assert [suite["ids"] for suite in index["suites"]] == [
        [f"{name}{i:03d}" for i in range(120)] for name in ("post", "day")
    ]
    letters = {"b": "broken", "f": "fixed", "w": "both wrong", "r": "both right"}
    for each in index["measurements"]:
        assert [letters[letter] for letter in each["changes"]] == [way(i) for i in range(120)]
        causes = [index["causes"][number] for number in each["causes"]]
        assert [cause == "ok" for cause in causes] == [way(i) == "both right" for i in range(120)]
    assert set(index["suites"][1]["chunk"]) == {-1}


@pytest.mark.parametrize("limit", [500, 1500, 3000])
def test_texts_fill_the_budget_in_the_order_that_readers_want(run, limit):
    """A text of one kind is there only when all of the kinds before it are, and the templates keep the budget."""
    found = embed(run, measure(run), limit)
    assert 0 < found.size <= limit
    assert found.size > limit / 2
    rows = [row for chunk in found.chunks for row in unpacked(chunk)]
    wanted = [name for name, number in CHANGES.items() for _ in range(2 * number)]
    assert [way(row) for _, row, _ in rows] == wanted[: len(rows)]
    assert len(rows) == found.texts
    where = [suite["chunk"] for suite in unpacked(found.index)["suites"]]
    assert Counter(where[0] + where[1])[-1] == found.left_out


def test_all_texts_are_as_they_were(run):
    """With room for all, each side's output, length and scores are those of the records, and an answer stands once."""
    found = embed(run, measure(run))
    for suite, row, texts in (each for chunk in found.chunks for each in unpacked(chunk)):
        (pair,) = [each.pairs[row] for place, each in enumerate(measure(run)) if place == suite]
        assert (texts["prompt"], texts["target"]) == (pair.base.prompt, pair.base.target)
        for side, made in ((pair.base, texts["base"]), (pair.candidate, texts["candidates"][str(suite)])):
            assert (made["output"], made["tokens"]) == (side.output, side.new_tokens)
            (score,) = side.scores
            answer = None if score.answer == side.output else score.answer
            assert made["scores"] == [[score.metric, score.value, answer, score.reason_code, score.where]]


def test_a_long_text_is_cut_and_counted(tmp_path):
    """Beyond 10,000 characters the page keeps the beginning, and says how many it leaves to the records."""
    made = known()
    rows = made.cases[1].rows
    made.cases[1].rows = lambda model: [replace(rows(model)[0], output="y" * 12_345), *rows(model)[1:]]
    run = load(made.write(tmp_path / "run"))
    texts = [each for chunk in embed(run, measure(run)).chunks for each in unpacked(chunk)]
    (found,) = [texts["base"]["output"] for suite, row, texts in texts if (suite, row) == (1, 0)]
    assert found == ["y" * MAX_TEXT, 2_345]


def test_a_candidate_that_ended_early_has_the_first_examples(tmp_path):
    """Where every gate had decided before all rows were read, the others are not listed as anything."""
    folder = demo(40).write(tmp_path / "run")
    content = json.loads((folder / "run.json").read_text())
    name = next(
        n
        for n, e in content["receipt"]["records"].items()
        if (e["suite"], e["model"]) == ("exact_match", "r16-all-linear")
    )
    lines = (folder / name).read_bytes().splitlines(keepends=True)[:25]
    (folder / name).write_bytes(b"".join(lines))
    from hashlib import sha256

    content["receipt"]["records"][name] |= {"rows": 25, "sha256": sha256(b"".join(lines)).hexdigest()}
    for each in content["results"]:
        if (each["suite"], each["model"]) == ("exact_match", "r16-all-linear"):
            each |= {"n": 25, "unread": 15}
    (folder / "run.json").write_text(json.dumps(content))
    run = load(folder)
    index = unpacked(embed(run, measure(run)).index)
    assert [len(each["changes"]) for each in index["measurements"]] == [40, 25, 240, 40]
    write_report(folder, budget=0)


def test_unscored_examples_are_told_from_wrong_ones(tmp_path):
    """An example without score is neither right nor wrong, and its cause is the metric's."""
    made = known()
    rows = made.cases[1].rows
    lost = (Score("exact_match", None, "", "no_answer"),)
    made.cases[1].rows = lambda model: [replace(rows(model)[0], scores=lost), *rows(model)[1:]]
    made.outcome = "INVALID"
    run = load(made.write(tmp_path / "run"))
    index = unpacked(embed(run, measure(run)).index)
    assert index["measurements"][1]["changes"][0] == "u"
    assert index["causes"][index["measurements"][1]["causes"][0]] == "no_answer"


def test_edited_judgements_are_refused(tmp_path):
    """A judge's words that differ from the receipt stand on no page."""
    folder = judged(tmp_path / "run")
    file = folder / "judgements" / "own.jsonl"
    file.write_text(file.read_text().replace("names the day", "is right"))
    with pytest.raises(BadRunDirectory, match=r"own\.jsonl: differs from the receipt"):
        write_report(folder)


@pytest.mark.parametrize(
    ("text", "size"), [("8MB", 8_000_000), ("500 kB", 500_000), ("0", 0), ("1.5MiB", 1_572_864), ("12b", 12)]
)
def test_a_budget_is_a_size(text, size):
    """Units of 1,000 and of 1,024 are told apart."""
    assert budget(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1MB", "8GBs", "8 M B", "1e6"])
def test_what_is_no_size_is_refused(text):
    """With what to write instead."""
    with pytest.raises(UsageProblem, match="write one such as 500kB"):
        budget(text)


def test_the_command_line_takes_a_budget(tmp_path):
    """A small one leaves records.parquet beside the page; a wrong one is one line and writes nothing."""
    folder = known().write(tmp_path / "run")
    assert CliRunner().invoke(cli.app, ["report", str(folder), "--embed-budget", "1kB"]).exit_code == 0
    assert {path.name for path in folder.iterdir()} == {"records", "run.json", "report.html", "records.parquet"}
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "report", str(tmp_path), "--embed-budget", "lots"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr == "tunegate: --embed-budget lots: is no size; write one such as 500kB, 8MB or 0\n"


def test_the_script_makes_no_markup_and_no_request():
    """None of the ways by which text becomes elements or code, or leaves the page, is in any of its files."""
    names = [path.name for path in files("reports.browser").iterdir() if path.name.endswith(".js")]
    assert len(names) == 13
    assert all(files("reports.browser").joinpath(name).read_text() in script() for name in names)
    assert [word for word in FORBIDDEN if word in script()] == []
    assert not re.search(r"https?:|</script|<!--", script())


@pytest.mark.parametrize("path", sorted((ROOT / "reports" / "browser").glob("*.js")), ids=lambda path: path.name)
def test_a_file_of_the_script_is_one_idea(path):
    """It says in its first line what it is for, and stays short."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= 300


def test_a_missing_browser_fails_and_says_what_to_do():
    """Without Chromium the tests of the pages fail with one line; they are not skipped."""
    node = "tests/browser/test_examples.py::test_fifty_on_a_page"
    command = [sys.executable, "-m", "pytest", node, "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PATH": "/nowhere"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert MISSING in done.stdout
    assert "1 error" in done.stdout
