"""Answers from the store: how old the base's are, how to have them measured again, and how many were damaged."""

import json
import sqlite3

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
import vl_convert  # noqa: F401  # and so does the drawing library

from harness import session
from harness.ages import notes_on
from harness.store import Reads, Store
from reports.html import write_report
from tests.playground import calls, make_model, make_suite, run_gate

pytest_plugins = "pytester"
DAY = 86_400


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository with a suite of 120 rows, a base and a candidate."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, rows=120, gates='Gate("exact_match", max_drop=0.1)')
    make_model(pytester.path / "base", right=110)
    make_model(pytester.path / "good", right=115)
    return pytester


def run(repo, name, *words):
    """run.json of a finished run, how many answers it computed of base and candidate, and what it printed."""
    before = len(calls(repo))
    done = run_gate(repo, "--adapter", "good", "--run-dir", name, *words)
    assert done.ret == 0, done.stdout.str()
    asked = [call.split()[0] for call in calls(repo)[before:]]
    told = json.loads((repo.path / name / "run.json").read_text())
    return told, (asked.count("base"), asked.count("good")), done.stdout.str()


def notes(told, model):
    """The notes on a model's only metric."""
    return next(entry["notes"] for entry in told["results"] if entry["model"] == model)


def age(repo, days):
    """Let everything that is stored be older."""
    with sqlite3.connect(repo.path / ".tunegate" / "store.sqlite") as db:
        db.execute("UPDATE ages SET stored_at = stored_at - ?", (days * DAY,))
    db.close()


def test_the_age_of_the_base_is_told_and_it_can_be_measured_again(repo):
    """Stored answers of the base carry their age into run.json and the report; --fresh-base asks for the base alone."""
    told, asked, _ = run(repo, "first")
    assert (asked, notes(told, "base")) == ((120, 120), [])
    age(repo, 12)
    told, asked, _ = run(repo, "second")
    (said,) = notes(told, "base")
    assert asked == (0, 0)
    assert said.startswith("120 answers come from the store, the oldest of 20")
    assert said.endswith(", 12 days ago; --fresh-base measures the base again")
    assert notes(told, "good") == []
    assert "12 days ago" in write_report(repo.path / "second").read_text()
    told, asked, _ = run(repo, "third", "--fresh-base")
    assert (asked, notes(told, "base")) == ((120, 0), [])
    assert told["plan"]["options"]["fresh_base"] is True
    told, asked, _ = run(repo, "fourth")
    assert asked == (0, 0)
    assert ", today; " in notes(told, "base")[0]


def test_a_fresh_base_that_was_killed_goes_on_where_it_was(repo):
    """What the interrupted run computed of the base is fresh enough for the run that continues it."""
    run(repo, "first")
    age(repo, 1)
    words = ("--adapter", "good", "--run-dir", "again", "--fresh-base")
    rule = repo.path / "base" / "rule.json"
    whole = rule.read_text()
    rule.write_text(json.dumps(json.loads(whole) | {"interrupt": 60}))
    assert run_gate(repo, *words).ret == 13
    rule.write_text(whole)
    before = len(calls(repo))
    assert run_gate(repo, *words).ret == 0
    assert 0 < len(calls(repo)) - before < 120


def test_damaged_answers_are_counted_and_told(repo):
    """Asked again, and named in the terminal, run.json and the report."""
    told, _, said = run(repo, "first")
    assert told["store"] == {"damaged": 0}
    assert "store: " not in said
    with sqlite3.connect(repo.path / ".tunegate" / "store.sqlite") as db:
        some = "SELECT key FROM answers WHERE value LIKE '%yes%' LIMIT 3"
        db.execute(f"UPDATE answers SET value = replace(value, 'yes', 'no') WHERE key IN ({some})")
    db.close()
    told, asked, said = run(repo, "second")
    assert (sum(asked), told["store"]) == (3, {"damaged": 3})
    assert "store: 3 stored answers were damaged and asked again" in said
    assert "damaged and asked again" in write_report(repo.path / "second").read_text()
    assert run(repo, "third")[0]["store"] == {"damaged": 0}


def test_answers_of_a_store_without_ages_are_of_an_unknown_time(tmp_path):
    """A store of an earlier version keeps its answers; they are told as undated, and are not fresh."""
    store = Store(tmp_path)
    store.put_many({"old": 1, "new": 2})
    store.close()
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        db.execute("DELETE FROM ages WHERE key = 'old'")
    db.close()
    store = Store(tmp_path)
    with store.reading() as reads:
        assert store.get_many(["old", "new"]) == {"old": 1, "new": 2}
    assert (reads.answers, reads.oldest) == (2, None)
    (note,) = notes_on(reads, base=True, now=0.0)
    assert "the oldest of an unknown time, before ages were kept" in note
    with store.reading(since=1.0) as fresh:
        assert store.get_many(["old", "new"]) == {"new": 2}
    assert fresh.answers == 1


@pytest.mark.parametrize(("hours", "words"), [(1, "today"), (25, "1 day ago"), (50, "2 days ago"), (-5, "today")])
def test_ages_are_words(hours, words):
    """Whole days; a clock that was turned back makes no answer younger than today."""
    reads = Reads(answers=1, oldest=10 * DAY)
    (note,) = notes_on(reads, base=True, now=10 * DAY + hours * 3600)
    assert f"the oldest of 1970-01-11, {words};" in note
    assert list(notes_on(reads, base=False, now=0.0)) == []
