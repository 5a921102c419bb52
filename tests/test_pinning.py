"""Pinned regression cases: taken from a run, held one by one, waived in the open, and never by hand."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
from typer.testing import CliRunner

from harness import session
from harness.cli import app
from harness.errors import BadExamples, BadRunDirectory, HarnessError, UsageProblem
from harness.pinned import Waiver, read_cases, today, write_cases
from harness.pinning import Wanted, pin
from harness.types import Outcome
from harness.verify import verify
from tests.playground import make_model, make_suite, run_gate

pytest_plugins = "pytester"

FILE = Path("suites/data/guard.pinned.jsonl")
GUARD = """
from harness.regression_suite import with_pinned
pool, suite = suite, with_pinned(suite, "data/guard.pinned.jsonl")
"""


@pytest.fixture
def repo(pytester, monkeypatch):
    """Two suites, one of which has pinned cases beside it, and a run in which `worse` broke questions 340 to 359."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, "asks", system="Be brief.", gates='Gate("exact_match", max_drop=0.2)')
    guard = make_suite(pytester.path, "guard", gates='Gate("exact_match", max_drop=0.2)')
    guard.write_text(guard.read_text() + GUARD)
    for name, right in {"base": 360, "worse": 340, "fine": 370}.items():
        make_model(pytester.path / name, right=right)
    run_gate(pytester, "--adapter", "worse", "--run-dir", "first")
    return pytester


def id_of(number, suite="asks"):
    """The id of a question."""
    rows = Path("first/records", f"{suite}--base.jsonl").read_text().splitlines()
    return next(row["id"] for row in map(json.loads, rows) if row["prompt"].endswith(f" {number}"))


def pinned(*numbers, owner="Ada", reason="customers saw it"):
    """Pin those questions."""
    return pin(Path("first"), Wanted(tuple(map(id_of, numbers)), owner, reason), FILE)


def gated(repo, adapter, name):
    """Run the gate on the guarding suite: exit code, its verdict and its notes on the candidate."""
    done = run_gate(repo, "--adapter", adapter, "--run-dir", name, "-k", "guard")
    run = json.loads(Path(name, "run.json").read_text())
    (verdict,) = run["verdicts"]
    (entry,) = [entry for entry in run["results"] if entry["model"] == adapter]
    again = verify(Path(name))
    assert again.disagreements == ()
    assert again.outcome.value == run["outcome"] == verdict["outcome"]
    return done.ret, verdict, entry["notes"]


@pytest.mark.usefixtures("repo")
def test_a_case_says_where_it_comes_from():
    """Question and answer, how it was asked, who pinned it and why, when, from which run, and a seal over all of it."""
    (case,) = pinned(345)
    run = json.loads(Path("first/run.json").read_text())
    assert (case.input, case.output, case.system, case.max_new_tokens) == ("asks: question 345", "yes", "Be brief.", 4)
    assert (case.owner, case.reason, case.added) == ("Ada", "customers saw it", today())
    assert (case.origin.run, case.origin.suite, case.origin.model) == (run["plan"]["id"], "asks", "worse")
    assert case.origin.fingerprint == run["models"][1]["fingerprint"] != ""
    assert case.sha256 == case.content()
    assert read_cases(FILE) == (case,)


@pytest.mark.usefixtures("repo")
def test_a_pinned_case_says_in_which_run_it_broke():
    """The run from which it was pinned, and the day; as a tag, so that every later run carries it."""
    (case,) = pinned(345)
    run = json.loads(Path("first/run.json").read_text())
    said = f"first broken in run {run['plan']['id']}, pinned {today()}"
    assert case.example(today()).tags == ("pinned", "pinned by Ada: customers saw it", said)


def test_a_broken_case_fails_what_the_pool_alone_lets_pass(repo):
    """The pool's gate passes with a loss of 5 points; one pinned case among them makes it FAIL and is named."""
    assert gated(repo, "worse", "before")[:2][0] == 0
    (case,) = pinned(345)
    code, verdict, _ = gated(repo, "worse", "after")
    assert code == 1
    assert verdict["reason"].startswith("1 pinned cases: 1 broken, 0 of them waived; not waived: " + case.id)
    assert "pinned by Ada: customers saw it" in verdict["reason"]
    assert verdict["n"] == 400
    code, verdict, _ = gated(repo, "fine", "mended")
    assert code == 0
    assert verdict["reason"].endswith("1 pinned cases: 0 broken, 0 of them waived")


def test_a_case_is_asked_as_it_was_when_it_broke(repo):
    """Its own system text, not the pool's, whatever the limit."""
    pinned(345)
    run_gate(repo, "--adapter", "worse", "--run-dir", "short", "-k", "guard", "--limit", "20")
    rows = [json.loads(line) for line in Path("short/records/guard--worse.jsonl").read_text().splitlines()]
    assert len(rows) == 21
    assert rows[-1]["tags"][0] == "pinned"
    assert rows[-1]["prompt"] == "system: Be brief.\nuser: asks: question 345"
    assert rows[0]["prompt"].startswith("user: guard:")


def test_a_waiver_excuses_in_the_open_and_until_its_day(repo):
    """Waived: green, counted and named in the verdict and the notes. The day after its end the case counts again."""
    (case,) = pinned(345)
    waiver = Waiver(owner="Bob", reason="known, see plan", expires=today())
    write_cases(FILE, [case.model_copy(update={"waiver": waiver})])
    code, verdict, notes = gated(repo, "worse", "waived")
    assert code == 0
    assert "1 broken, 1 of them waived" in verdict["reason"]
    assert f"{case.id} is waived until {today()} by Bob: known, see plan" in verdict["reason"]
    assert f"pinned case {case.id} waived until {today()} by Bob: known, see plan" in notes
    late = waiver.model_copy(update={"expires": today() - timedelta(days=1)})
    write_cases(FILE, [case.model_copy(update={"waiver": late})])
    code, verdict, notes = gated(repo, "worse", "expired")
    assert code == 1
    assert "waiver expired" in verdict["reason"]
    assert any("waiver expired" in note and note.endswith("it counts again") for note in notes)


def test_a_waiver_of_one_case_is_none_of_another(repo):
    """Two broken, one waived: still FAIL, naming the other."""
    one, other = pinned(345, 350)
    waiver = Waiver(owner="Bob", reason="known", expires=today())
    write_cases(FILE, [one.model_copy(update={"waiver": waiver}), other])
    code, verdict, _ = gated(repo, "worse", "both")
    assert code == 1
    assert "2 broken, 1 of them waived" in verdict["reason"]
    assert f"not waived: {other.id}" in verdict["reason"]


def test_a_case_that_the_base_fails_now_is_left_out_and_named(repo):
    """With `keep` the base's own failures are no regressions, and the notes say which case went."""
    (case,) = pinned(345)
    suite = repo.path / "suites" / "test_guard.py"
    suite.write_text(suite.read_text().replace("gates=[", "keep=passed_by_base('exact_match', at_least=50), gates=["))
    make_model(repo.path / "weaker", right=330)
    run_gate(repo, "--adapter", "worse", "--run-dir", "weak", "-k", "guard", model="weaker")
    notes = json.loads(Path("weak/run.json").read_text())["results"][0]["notes"]
    assert any(f"the base itself fails them: pinned {case.id}" in note for note in notes)


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize(
    ("numbers", "settings", "message"),
    [
        ([345, 345], {}, "is given twice; pin it once"),
        ([345, "nothing"], {}, "--id nothing: no row of first has this id"),
        ([370], {}, "the base itself fails it by exact_match of asks; pin what it gets right"),
        ([10], {}, "no candidate of first breaks it in asks; pin what broke"),
        ([345], {"suite": "guard"}, "no row of suite 'guard' of first has this id"),
        ([345], {"suite": "nothing"}, "--suite nothing: is not in first; it has asks, guard"),
        ([345], {"owner": " "}, "--owner: give one line"),
        ([345], {"reason": "two\nlines"}, "--reason: give one line"),
    ],
)
def test_what_cannot_be_pinned_is_refused_whole(numbers, settings, message):
    """One bad id, and nothing is written: unknown, twice, not broken, failed by the base, without owner or reason."""
    ids = tuple(id_of(number) if isinstance(number, int) else number for number in numbers)
    wanted = {"owner": "Ada", "reason": "because"} | settings
    with pytest.raises(UsageProblem, match=message):
        pin(Path("first"), Wanted(ids, **wanted), FILE)
    assert not FILE.exists()


def test_a_second_time_changed_data_and_doctored_runs_are_refused(repo):
    """A case is pinned once, from data as the run had it, and from a run that verifies."""
    pinned(345)
    with pytest.raises(UsageProblem, match="is pinned already"):
        pinned(345)
    data = repo.path / "suites" / "data" / "asks.jsonl"
    data.write_text(
        data.read_text().replace('"asks: question 346", "output": "yes"', '"asks: question 346", "output": "y"')
    )
    with pytest.raises(UsageProblem, match="the data of suite 'asks' has changed since the run"):
        pinned(346)
    record = Path("first/records/asks--worse.jsonl")
    record.write_text(record.read_text().replace('"value": 0.0', '"value": 1.0', 1))
    with pytest.raises(BadRunDirectory, match="does not verify"):
        pin(Path("first"), Wanted((id_of(347),), "Ada", "because"), FILE)
    assert len(read_cases(FILE)) == 1


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row | {"output": "no"}, ":1: case .* was edited after it was pinned"),
        (lambda row: row | {"owner": ""}, ":1: is no pinned case: owner"),
        (lambda row: row | {"waiver": {"owner": "Bob", "reason": "x"}}, ":1: is no pinned case: waiver.expires"),
        (lambda row: row | {"waiver": {"reason": "x", "expires": "2030-01-01"}}, ":1: is no pinned case: waiver.owner"),
        (lambda row: row | {"waiver": {"owner": "B", "reason": "", "expires": "2030-01-01"}}, ":1: .*waiver.reason"),
        (lambda row: row | {"note": "x"}, ":1: is no pinned case: note"),
        (lambda _row: [], ":1: is no pinned case"),
    ],
)
def test_a_file_that_was_edited_is_refused(change, message):
    """The seal holds the case; a waiver needs owner, reason and last day; unknown keys are none of ours."""
    pinned(345)
    FILE.write_text(json.dumps(change(json.loads(FILE.read_text()))) + "\n")
    with pytest.raises(BadExamples, match=message):
        read_cases(FILE)


def test_an_edited_file_stops_the_gate(repo):
    """The gate says so before anything is measured."""
    pinned(345)
    FILE.write_text(FILE.read_text().replace("question 345", "question 1"))
    done = run_gate(repo, "--adapter", "worse")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*guard.pinned.jsonl:1: case * was edited after it was pinned*"])


@pytest.mark.usefixtures("repo")
def test_the_command_line_adds_lists_and_waives():
    """`tunegate regression` pins, shows, waives; a past day, an unknown case and a missing owner are refused."""
    shell, name = CliRunner(), id_of(345)
    file = ["--file", str(FILE)]
    added = shell.invoke(app, ["regression", "add", "first", "--id", name, "--owner", "Ada", "--reason", "seen", *file])
    assert added.output.startswith(f"pinned {name} of asks, broken by worse, in ")
    words = ["regression", "waive", "--id", name, "--reason", "known", *file]
    waived = shell.invoke(app, [*words, "--owner", "Bob", "--expires", "2999-12-31"])
    assert waived.output == f"{name} waived until 2999-12-31 by Bob: known\n"
    listed = shell.invoke(app, ["regression", "list", *file])
    assert listed.output.splitlines() == [
        f"{name}  {today()}  Ada: seen  [waived until 2999-12-31 by Bob: known]",
        f"1 pinned cases in {FILE}",
    ]
    assert shell.invoke(app, [*words, "--owner", "Bob"]).exit_code == 2
    for options, message in {
        ("--owner", "Bob", "--expires", "2000-01-01"): "is past",
        ("--owner", " ", "--expires", "2999-01-01"): "--owner: give one line",
        ("--owner", "Bob", "--expires", "2999-01-01", "--id", "x"): "is not pinned",
    }.items():
        refused = shell.invoke(app, [*words, *options])
        assert isinstance(refused.exception, HarnessError)
        assert message in str(refused.exception)


def test_pinned_rows_without_a_candidate_change_nothing(repo):
    """The base by itself is judged on the pool."""
    pinned(345)
    run_gate(repo, "--run-dir", "alone", "-k", "guard")
    (verdict,) = json.loads(Path("alone/run.json").read_text())["verdicts"]
    assert (verdict["gate"], verdict["outcome"]) == ("measured", Outcome.PASS)
