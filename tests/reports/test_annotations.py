"""Annotations: one line a gate that did not pass, at that gate, that no name can end or forge."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness import cli
from harness.types import Outcome
from reports.load import load
from reports.publish.annotations import MOST, as_annotations, command, place
from tests.ci.steps import commands
from tests.reports.maker import demo

SUITE = """
from harness.gates import Gate

LIMIT = 0.9
suite = Suite(
    metrics=[made("Gate")],
    gates=[
        Gate("acc", at_least=0.8),
        Gate(
            "acc",
            max_drop=0.02,
        ),
        Gate("acc", at_least=LIMIT), Gate(*broken), Gate("acc"), Gate(7, nonsense=1), other.Gate("acc", at_least=0.7),
    ],
)


def test_gate(gate, check):
    check(gate)
"""


@pytest.fixture
def made(tmp_path):
    """A run of the demo's four suites in which gates fail and cannot decide."""
    return load(demo(120, loss=0.05).write(tmp_path / "run"))


def outcomes(run, *said):
    """The run with these outcomes, over and over."""
    return replace(
        run, verdicts=tuple(replace(each, outcome=said[i % len(said)]) for i, each in enumerate(run.verdicts))
    )


def test_each_gate_that_did_not_pass_is_one_line_and_worst_comes_first(made, tmp_path):
    """Names, numbers and outcome; gates that passed and advisory ones have none."""
    run = outcomes(made, Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL, Outcome.INVALID)
    run = replace(run, verdicts=(replace(run.verdicts[2], advisory=True), *run.verdicts[1:]))
    said = commands(as_annotations(run, tmp_path))
    missed = [each for each in run.verdicts if each.outcome is not Outcome.PASS and not each.advisory]
    assert len(said) == len(missed) == 3
    assert [each.message.partition(":")[0] for each in said][:2] == ["INVALID", "FAIL"]
    assert {each.name for each in said} == {"error"}
    first = next(each for each in missed if each.outcome is Outcome.INVALID)
    assert said[0].properties == {"title": f"tunegate: {first.suite}"}
    assert f"{first.gate} on {first.model}: " in said[0].message
    assert said[0].message.endswith(f" {first.n} rows")
    assert as_annotations(outcomes(made, Outcome.PASS), tmp_path) == ""


def test_what_may_be_inconclusive_is_a_warning(made, tmp_path):
    """Only that, and only when it is accepted; a failure stays an error."""
    run = outcomes(made, Outcome.INCONCLUSIVE, Outcome.FAIL)
    assert {each.name for each in commands(as_annotations(run, tmp_path))} == {"error"}
    said = {(each.name, each.message.partition(":")[0]) for each in commands(as_annotations(run, tmp_path, warn=True))}
    assert said == {("warning", "INCONCLUSIVE"), ("error", "FAIL")}


def test_many_are_cut_and_the_rest_is_counted(made, tmp_path):
    """Ten lines; the last says how many gates have none."""
    run = outcomes(made, Outcome.FAIL)
    run = replace(run, verdicts=run.verdicts * 9, nodes=run.nodes * 9)
    said = commands(as_annotations(run, tmp_path))
    assert len(said) == MOST == 10
    assert said[-1].message == f"{len(run.verdicts) - 9} more gates did not pass; see the summary of this run"
    exact = replace(run, verdicts=run.verdicts[:10], nodes=run.nodes[:10])
    assert "more gates" not in as_annotations(exact, tmp_path)


@pytest.mark.parametrize(
    "text", ["100%", "%0A::error::x", "a\nb", "a\r::error::b", "a,line=9", "a::b", "x:y,z", " ", "", "\u2028é"]
)
def test_no_text_ends_its_command(text):
    """Read as the runner reads it, it is one command, and the texts are what went in."""
    (found,) = commands(command("error", text, file=text, title=text))
    assert found == ("error", {"file": text, "title": text}, text)


@pytest.mark.parametrize("text", ["a\n::error::forged", "a,file=x", "a::b", "##[error]x", "\ud800", "`@me`"])
def test_hostile_names_and_reasons_stay_out(tmp_path, text):
    """The name of a model is made plain, and a reason, which may quote a model, is left out."""
    made = demo(50, loss=0.5)
    made.candidates, made.reason = (text,), f"the model said {text} ZZZ"
    said = as_annotations(load(made.write(tmp_path / "run")), tmp_path)
    found = commands(said)
    assert found
    assert len(found) == said.count("\n")
    assert all(each.name == "error" and set(each.properties) == {"title"} for each in found)
    assert "ZZZ" not in said
    assert "##[" not in said
    said.encode()


@pytest.mark.parametrize(
    ("node", "gate", "line"),
    [
        ("suites/test_acc.py::test_gate[acc>=0.8-x]", "acc>=0.8", 8),
        ("suites/test_acc.py::test_gate[acc-drop<=0.02-x]", "acc-drop<=0.02", 9),
        ("suites/test_acc.py::test_gate[acc>=0.9-x]", "acc>=0.9", 18),  # its limit is a name: the test stands for it
        ("suites/test_acc.py::test_gate[acc>=0.7-x]", "acc>=0.7", 18),
        ("suites/test_acc.py::test_other[acc>=0.6-x]", "acc>=0.6", 1),
    ],
)
def test_a_gate_is_found_where_it_is_written(tmp_path, node, gate, line):
    """By what it asks, so that the line is right wherever it stands."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "test_acc.py").write_text(SUITE)
    assert place(node, gate, tmp_path) == ("suites/test_acc.py", line)


@pytest.mark.parametrize(
    "file",
    ["", "suites", "suites/none.py", "../outside.py", "/etc/hostname", "broken.py", "x.txt", "a\0b.py", "n" * 999],
)
def test_a_file_that_is_not_there_has_no_place(tmp_path, file):
    """A run from elsewhere names what it likes; nothing outside is opened, and nothing ends in a traceback."""
    home = tmp_path / "home"
    (home / "suites").mkdir(parents=True)
    (tmp_path / "outside.py").write_text(SUITE)
    (home / "broken.py").write_text("def :")
    (home / "x.txt").write_text(SUITE)
    assert place(f"{file}::test_gate[x]", "acc>=0.8", home) is None


def test_the_command_prints_them(made, tmp_path, monkeypatch, capsys):
    """From the folder where pytest ran, with a file and a line for each; it decides nothing."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(Path(__file__).parents[2] / "suites", "suites", ignore=shutil.ignore_patterns("data", "more"))
    monkeypatch.setattr(sys, "argv", ["tunegate", "summary", str(made.folder), "--format", "annotations"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    found = commands(capsys.readouterr().out)
    assert found
    assert all(each.properties["file"].startswith("suites/test_") for each in found)
    lines = [Path(each.properties["file"]).read_text().splitlines()[int(each.properties["line"]) - 1] for each in found]
    assert all("Gate(" in line or "def test_gate" in line for line in lines)
