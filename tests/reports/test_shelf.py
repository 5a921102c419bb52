"""`tunegate runs` lists what lies in a folder; `tunegate show` shows one example of a run."""

import json

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import HarnessError, UsageProblem
from reports.one import show
from reports.shelf import as_text, shelf
from tests.reports.maker import demo


def shelve(runs, name, created, **run):
    """A run directory with as much in it as a list looks at."""
    (runs / name).mkdir(parents=True)
    plan = {"created_at": created, "models": [{"name": "base"}, {"name": "r16"}]}
    (runs / name / "plan.json").write_text(json.dumps(plan))
    if run:
        (runs / name / "run.json").write_text(json.dumps(run))
    return runs / name


@pytest.fixture
def runs(tmp_path):
    """Three runs of one day and a damaged one."""
    folder = tmp_path / "runs"
    shelve(folder, "a", "2026-01-02T03:04:05+00:00", outcome="PASS", partial=False)
    shelve(folder, "b", "2026-01-02T05:04:05+00:00", outcome="FAIL", partial=True)
    shelve(folder, "c", "2026-01-02T04:04:05+00:00")
    (shelve(folder, "d", "2026-01-02T06:04:05+00:00") / "run.json").write_text("{")
    shelve(folder, ".e.staging", "2026-01-02T07:04:05+00:00")
    (folder / "notes").mkdir()
    return folder


def test_runs_are_listed_newest_first(runs):
    """Time, outcome, path and models, a line each; unfinished and damaged ones say so."""
    assert [line.split(str(runs))[0].split() for line in as_text(shelf(runs)).splitlines()] == [
        ["2026-01-02", "05:04", "FAIL", "(partial)"],
        ["2026-01-02", "04:04", "unfinished"],
        ["2026-01-02", "03:04", "PASS"],
        ["unreadable"],
    ]
    assert as_text(shelf(runs)).splitlines()[0].endswith(f"{runs / 'b'}  base, r16")


def test_the_command_prints_and_writes_the_list(runs, tmp_path):
    """`tunegate runs DIR --json FILE` says the same in both."""
    done = CliRunner().invoke(app, ["runs", str(runs), "--json", str(tmp_path / "list.json")])
    listed = json.loads((tmp_path / "list.json").read_text())
    assert done.exit_code == 0
    assert [each["outcome"] for each in listed] == ["FAIL (partial)", "unfinished", "PASS", "unreadable"]
    assert all(each["path"] in done.stdout for each in listed)


@pytest.mark.parametrize("make", [False, True])
def test_no_runs_is_an_error(tmp_path, make):
    """A folder that is not there, or holds none, is said, and is no empty list."""
    if make:
        (tmp_path / "runs").mkdir()
    with pytest.raises(HarnessError, match=r"no such folder|holds no run"):
        shelf(tmp_path / "runs")


def test_names_in_a_list_drive_no_terminal(tmp_path):
    """A model's name with control characters is shown as they are."""
    folder = shelve(tmp_path / "runs", "a", "2026-01-02T03:04:05+00:00")
    (folder / "plan.json").write_text(json.dumps({"created_at": "x\x1b[2J", "models": [{"name": "m\n\u202ePASS"}]}))
    text = as_text(shelf(tmp_path / "runs"))
    assert text.count("\n") == 0
    assert not {"\x1b", "\u202e"} & set(text)


def test_show_gives_prompt_target_answers_and_scores(tmp_path):
    """One example in each suite that has it, as every model answered it; the first characters of its id are enough."""
    run = demo(60).write(tmp_path / "run")
    record = json.loads((run / "run.json").read_text())["receipt"]["records"]
    name = next(name for name, entry in record.items() if entry["suite"] == "regression")
    first = json.loads((run / name).read_text().splitlines()[7])
    text = show(run, first["id"], "regression")
    assert text.splitlines()[0] == f"regression · {first['id']} · calendar"
    assert "  prompt\n    | Which day comes after Friday?\n" in text
    assert "  target\n    | Saturday comes after Friday.\n" in text
    assert "    | Sunday comes after Friday, I think.\n    exact_match: 0 (other_text)" in text
    assert text.count("exact_match: 1 (ok)") == 1
    assert show(run, first["id"]).count(f" · {first['id']}") > 1


@pytest.mark.parametrize(
    ("name", "suite", "message"),
    [
        ("zz-none", None, "no example of"),
        ("", None, "examples start so"),
        ("x", "nowhere", "--suite nowhere: is not in"),
    ],
)
def test_show_refuses_what_is_not_there_or_not_one(tmp_path, name, suite, message):
    """Unknown, ambiguous and misplaced names are one line each."""
    run = demo(60).write(tmp_path / "run")
    with pytest.raises(UsageProblem, match=message):
        show(run, name, suite)


def test_shown_text_cannot_pose_as_a_score(tmp_path):
    """Every line of a text is marked as such, and shows its control characters."""
    made = demo(20)
    made.cases = made.cases[3:]
    ask = made.cases[0].rows

    def hostile(model):
        from dataclasses import replace

        return [replace(each, output="a\n    exact_match: 1 (ok)\x1b[2J") for each in ask(model)]

    made.cases[0].rows = hostile
    text = show(
        made.write(tmp_path / "run"),
        json.loads(next((tmp_path / "run/records").iterdir()).read_text().splitlines()[7])["id"],
    )
    assert "    |     exact_match: 1 (ok)␛[2J" in text
    assert "\x1b" not in text
