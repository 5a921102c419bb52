"""What a judge may spend: in a run, for a suite, in a day over all runs and processes."""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE

import openai  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
import pytest
import scipy.optimize
import scipy.stats  # noqa: F401
import statsmodels.regression.linear_model  # noqa: F401

from harness.errors import BudgetSpent
from harness.judge import Caps, Kind, Question
from harness.judge.asked import read_address
from harness.judge.budget import UNBOUNDED, Budget, Price, Purse
from harness.judge.daybook import DayBook
from harness.judge.endpoint import EndpointJudge, Limits
from harness.judge.options import _calls, _money
from harness.store import Store
from tests.judge.courtroom import RUBRIC, answers, court, hold
from tests.judge.fake_judge import Reply, completion, fake_judge, grade
from tests.judge.test_judged_gate import honest

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[2]

QUESTIONS = [Question(f"q{i}", Kind.POINT, f"Question {i}?", "The reference.", ("An answer.",)) for i in range(20)]
DAY = "2026-01-01"
SPEND = """
import sys
from pathlib import Path
from harness.errors import BudgetSpent
from harness.judge.daybook import DayBook

def allow(calls, _money):
    if calls >= 100:
        raise BudgetSpent("no more")

book, allowed = DayBook(Path(sys.argv[1])), 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(60):
    try:
        book.add("2026-01-01", 1, 0.5, allow)
        allowed += 1
    except BudgetSpent:
        pass
print(allowed)
"""
"""One process that asks for 60 calls on a day that may have 100, and says how many it was allowed."""


def spent(folder, day=DAY):
    """Calls and money of a day."""
    seen = []
    DayBook(folder).add(day, 0, 0.0, lambda *found: seen.append(found))
    return seen[0]


def judge_of(server, purse):
    """An endpoint's judge that pays from `purse`."""
    limits = Limits(deadline_s=5.0, attempts=3, first_wait_s=0.01, patience=1_000)
    return EndpointJudge(read_address(server.asked), "", Budget(purse, Price(1.0, 1.0)), limits)


@pytest.mark.parametrize(
    ("text", "caps"),
    [
        ("100", Caps(100)),
        ("100,suite=20,day=500", Caps(100, 20, 500)),
        ("day=7", Caps(day=7)),
        (" suite=3 , 9", Caps(9, 3)),
    ],
)
def test_caps_are_read_in_any_order(text, caps):
    """A number for the run, and names for suite and day."""
    assert _calls(text) == caps


@pytest.mark.parametrize("text", ["", "0", "1.5", "week=3", "5,6", "day=0", "day=1,day=2", "day=", "suite=x", "-1"])
def test_what_is_no_cap_is_refused(text):
    """Each with what is wrong."""
    with pytest.raises(argparse.ArgumentTypeError, match="is no"):
        _calls(text)


def test_money_may_have_decimals():
    """Amounts above 0, and nothing that is no number."""
    assert _money("2.5,day=10") == Caps(2.5, day=10.0)
    with pytest.raises(argparse.ArgumentTypeError):
        _money("nan")


def test_a_cap_for_each_suite_binds_each_by_itself(tmp_path):
    """Four calls for the first suite and four for the second, however many there are in all."""
    store = Store(tmp_path)
    with fake_judge(grade(honest)) as server:
        judge = judge_of(server, Purse(Caps(100, suite=4), UNBOUNDED))
        for suite in ("first", "second"):
            with pytest.raises(BudgetSpent, match=rf"4 calls for suite '{suite}' is used up.*raise --judge-calls"):
                judge.ask(QUESTIONS, RUBRIC, store, lambda _done, _total: None, suite=suite)
            store.close()
            store = Store(tmp_path / suite)  # so that the second suite's questions are not known already
        assert len(server.bodies) == 1 + 4 + 4
    store.close()


def test_a_cap_for_a_day_holds_over_commands(tmp_path):
    """What the first command sent counts for the second, whether or not the first had a cap for the day."""
    store = Store(tmp_path)
    with fake_judge(grade(honest)) as server:
        judge_of(server, Purse(Caps(6), UNBOUNDED, DayBook(tmp_path))).ask(
            QUESTIONS[:5], RUBRIC, store, lambda _done, _total: None
        )
        second = judge_of(server, Purse(Caps(day=9), UNBOUNDED, DayBook(tmp_path)))
        with pytest.raises(BudgetSpent, match=r"9 calls for 20..-..-.. \(UTC\) is used up"):
            second.ask(QUESTIONS, RUBRIC, store, lambda _done, _total: None)
        assert len(server.bodies) == 9
    store.close()


def test_money_of_a_day_is_what_was_used_and_not_what_was_set_aside(tmp_path):
    """A reservation is replaced by the cost; one that was never settled, because the process died, counts whole."""
    book = DayBook(tmp_path)
    budget = Budget(Purse(UNBOUNDED, Caps(day=1.0), book), Price(1000.0, 1000.0))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    first = budget.reserve(100, 100)
    assert budget.settle(first, (10, 20)) == pytest.approx(0.03)
    assert spent(tmp_path, day) == (1, pytest.approx(0.03))
    budget.reserve(100, 100)
    assert spent(tmp_path, day) == (2, pytest.approx(0.23))
    other = Budget(Purse(UNBOUNDED, Caps(day=0.4), book), Price(1000.0, 1000.0))
    with pytest.raises(BudgetSpent, match=r"0\.2300 of 0\.4 for .* the next request may cost 0\.2000"):
        other.reserve(100, 100)
    assert spent(tmp_path, day) == (2, pytest.approx(0.23))


def test_processes_at_once_never_pass_the_cap_of_a_day(tmp_path):
    """Three of them ask for 180 calls together; 100 are allowed, and 100 are in the book."""
    command = [sys.executable, "-c", SPEND, str(tmp_path)]
    started = [subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True) for _ in range(3)]
    assert {process.stdout.readline() for process in started} == {"ready\n"}
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sum(int(process.communicate()[0]) for process in started) == 100
    assert spent(tmp_path) == (100, 50.0)


def test_a_gate_stops_at_the_cap_of_its_day_and_goes_on_with_a_larger_one(pytester, monkeypatch):
    """Exit 12 and no receipt; a fresh run on the same day sends nothing; a larger cap continues the first."""
    monkeypatch.delenv("TUNEGATE_JUDGE_KEY", raising=False)
    root = court(pytester, rows=50)
    answers(root, "base", lambda i: f"level 3 of answer {i}", rows=50)
    answers(root, "tuned", lambda i: f"level 4 of answer {i}", rows=50)
    with fake_judge(grade(honest)) as server:
        asked = ("--judge", server.asked, "--judge-calls")
        first = hold(pytester, *asked, "day=20", "--run-dir", "run")
        assert (first.ret, len(server.bodies)) == (12, 20)
        first.stdout.fnmatch_lines(["*budget of 20 calls for 20* (UTC) is used up*with --run-dir run*"])
        assert hold(pytester, *asked, "day=20", "--run-dir", "other").ret == 12
        assert len(server.bodies) == 20
        assert hold(pytester, *asked, "500,day=400", "--run-dir", "run").ret == 11  # not calibrated, so nothing decides
    assert json.loads((root / "run" / "run.json").read_text())["judge"][0]["calls"] > 20


def test_a_reply_that_tells_no_tokens_costs_its_whole_reservation(tmp_path):
    """In the purse and in the day book alike."""
    with fake_judge(lambda _body, _number: _uncounted()) as server:
        purse = Purse(Caps(5), UNBOUNDED, DayBook(tmp_path))
        judge = judge_of(server, purse)
        with pytest.raises(Exception, match="gave no verdict"):
            judge.prepare(RUBRIC)
    assert purse.run.money == pytest.approx(spent(tmp_path, f"{datetime.now(UTC):%Y-%m-%d}")[1])
    assert purse.run.money > 3 * 1024 / 1e6


def _uncounted():
    body = json.loads(completion("no verdict"))
    return Reply(json.dumps({**body, "usage": None}).encode())
