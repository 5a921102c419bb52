"""Halving: who is cut is decided on the select half alone, said in a word of its own, and can be worked out again."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from harness import session
from harness.decide import undecided
from harness.errors import BadSpec
from harness.gates import aggregate
from harness.halving import Cuts, Halving, Rung, Rungs, Standing, best, plan_cuts
from harness.records import read_rows
from harness.runs import RUNGS
from harness.sweeps import in_confirm
from harness.types import Outcome
from harness.verify import verify
from tests.playground import calls, finished_run, make_model, run_gate
from tests.test_sweeps import repo, sweep, trained  # noqa: F401  # a fixture

pytest_plugins = "pytester"

FOUR = sweep("a=390:4", "b=380:3", "c=200:2", "d=100:1")


def rungs(text, points):
    """The rungs as plain text: part and how many go on."""
    return [(str(part), stay) for part, stay in Halving.read(text).rungs(points)]


@pytest.mark.parametrize(
    ("text", "points", "expected"),
    [
        ("eta=2", 8, [("1/4", 2), ("1/2", 1)]),
        ("eta=2,first=0", 8, [("1/8", 4), ("1/4", 2), ("1/2", 1)]),
        ("eta=2,first=0", 5, [("1/8", 3), ("1/4", 2), ("1/2", 1)]),
        ("eta=3", 9, [("1/3", 1)]),
        ("eta=3,first=0", 10, [("1/27", 4), ("1/9", 2), ("1/3", 1)]),
        ("eta=8", 8, [("1/8", 1)]),
        ("eta=2", 2, [("1/2", 1)]),
        ("eta=2", 1, []),
        ("eta=2,keep=2", 8, [("1/4", 4), ("1/2", 2)]),
        ("eta=4,keep=3", 8, [("1/4", 3)]),
        ("eta=2,keep=8", 8, []),
        ("eta=2,first=1/4", 8, [("1/4", 2), ("1/2", 1)]),
        ("eta=2, keep=2, first=0.3", 16, [("1/2", 2)]),
        ("eta=2,first=0.9", 8, []),
    ],
)
def test_rungs_are_as_many_as_the_points_need(text, points, expected):
    """The last lies at 1/eta of the steps; one in eta goes on, rounded up, to `keep`; none lies before `first`.

    Where `first` is not given none but the last lies before 1/4.
    """
    assert rungs(text, points) == expected


def test_steps_that_halving_saves():
    """Eight points at eta 2 take three trainings of steps; cut from the first eighth on, two and a half."""

    def spent(text, points):
        total, after, alive = Fraction(0), Fraction(0), points
        for part, stay in Halving.read(text).rungs(points):
            total, after, alive = total + alive * (part - after), part, stay
        return total + alive * (1 - after)

    assert spent("eta=2", 8) == 3
    assert spent("eta=2,first=0", 8) == Fraction(5, 2)
    assert spent("eta=3,first=0", 9) == Fraction(7, 3)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "eta", "eta=", "eta=1", "eta=0", "eta=-2", "eta=2.5", "eta=x", "eta=1e3", "eta=²", "eta=99999"),
        *("keep=1", "eta=2,keep=0", "eta=2,keep=", "eta=2,eta=3", "eta=2,,", "eta=2,more=1", "eta=2;keep=1"),
        *("eta=2,first=1", "eta=2,first=3/2", "eta=2,first=1/0", "eta=2,first=-1/4", "eta=2,first=nan"),
        *("eta=2,first=1/4/2", "eta=2,first=1_0/99", "eta=2,first=１/４", "eta = 2"),
    ],
)
def test_hostile_values_are_refused_in_one_line(text):
    """The message repeats what was given, says what it may be, and holds no line break."""
    with pytest.raises(BadSpec, match=r"^--halving .*(give eta=2|whole number|part of the steps)") as told:
        Halving.read(text)
    assert "\n" not in str(told.value)


def test_a_tie_cuts_nobody():
    """Whoever scores as the last one that goes on goes on too; below it nobody does."""
    assert best({"a": 0.5, "b": 0.4, "c": 0.4, "d": 0.3}, 2) == {"a", "b", "c"}
    assert best({"a": 0.0, "b": 0.0, "c": 0.0}, 1) == {"a", "b", "c"}
    assert best({"a": 0.5, "b": 0.4}, 5) == {"a", "b"}
    assert best({}, 1) == frozenset()


def test_who_was_not_measured_neither_goes_on_nor_is_cut():
    """It takes no place of those that go on, and its reason is another one than a score."""
    past = Rungs(Cuts("eta=2", (Rung(Fraction(1, 2), 1),), ("a", "b", "c"), {}))
    past.decide([Standing("a", 5, 10, None, False), Standing("b", 5, 10, 0.2, False), Standing("c", 5, 10, 0.1, False)])
    assert past.alive == ("b",)
    assert past.cut("a") == past.cut("b") == ""
    assert past.cut("c") == (
        "cut at step 5 of 10, rung 1 of 1: 10.0% on the select half, where the one that went on has 20.0%; "
        "its gates were not asked"
    )


def test_points_that_cannot_be_stopped_are_left_out_of_the_rungs():
    """They count for no rung, and what is left may be too little to halve."""
    cuts = plan_cuts("eta=2", ("a", "b", "full", "c"), {"full": "method full", "other": "not asked"}, judged=False)
    assert cuts.points == ("a", "b", "c")
    assert cuts.uncut == {"full": "method full"}
    assert Cuts.read({"sweep": {"halving": json.loads(json.dumps(cuts.spec()))}}) == cuts
    with pytest.raises(
        BadSpec, match=r"--halving eta=2: 1 of 2 points can be stopped on the way \(others: method full\)"
    ):
        plan_cuts("eta=2", ("a", "full"), {"full": "method full"}, judged=False)
    with pytest.raises(
        BadSpec, match="a judge grades the suite that ranks the points; name another one with --rank-by"
    ):
        plan_cuts("eta=2", ("a", "b"), {}, judged=True)


@pytest.fixture
def halved(repo):  # noqa: F811  # the fixture
    """A finished run of four points, of which one came to the end."""
    done = run_gate(repo, *FOUR, "--halving", "eta=2")
    return repo, done, *finished_run(repo)


def test_the_best_come_to_the_end_and_the_others_are_cut(halved):
    """Who is cut is skipped with where and why, has a verdict CUT that is no PASS, and the outcome is the winner's."""
    repo, done, run_dir, run = halved  # noqa: F811
    done.assert_outcomes(passed=2, skipped=6)
    assert (done.ret, run["outcome"], run["sweep"]["winner"]) == (0, "PASS", "a")
    outcomes = {(each["model"], each["outcome"], each["advisory"]) for each in run["verdicts"]}
    assert outcomes == {("a", "PASS", False), *((name, "CUT", True) for name in "bcd")}
    reasons = {each["model"]: each["reason"] for each in run["verdicts"]}
    assert reasons["b"].startswith("cut at step 5 of 10, rung 2 of 2: 81.7% on the select half, where the one that")
    assert reasons["d"].startswith(
        "cut at step 3 of 10, rung 1 of 2: 16.3% on the select half, where the last of the 2"
    )
    assert trained(repo) == [*(f"{name}@0-1/4" for name in "abcd"), "a@1/4-1/2", "b@1/4-1/2", "a"]
    assert run["trained"] == 4
    done.stdout.fnmatch_lines(["trained: 4; winner: a, best of 1 on the select half (*%); cut on the way: 3*"])
    assert not any("not ranked" in note for note in run["sweep"]["notes"])
    assert verify(run_dir).outcome is Outcome.PASS


def test_cuts_look_at_the_select_half_alone(halved):
    """No row of the other half is asked of a point before it came to the end, so nothing there was chosen by."""
    repo, _, run_dir, run = halved  # noqa: F811
    files = sorted((run_dir / RUNGS).iterdir())
    assert len(files) == len(run["receipt"]["rungs"]) == 6
    for file in files:
        rows = read_rows(file.read_bytes())
        assert len(rows) == run["sweep"]["select_rows"]
        assert not any(map(in_confirm, rows))
    asked = {name: sum(line.startswith(f"{name} ") for line in calls(repo)) for name in "abcd"}
    select, whole = run["sweep"]["select_rows"], 400
    assert asked == {"a": 2 * select + whole, "b": 2 * select, "c": select, "d": select}


def test_a_cut_point_counts_as_one_that_was_tried(halved):
    """All that were compared on these rows count as models that were tried on them: base, winner, three cut."""
    run = halved[3]
    assert {each["tried"] for each in run["results"]} == {5}
    assert run["numbers"] == {"asks": {"a": 1}}


def test_a_cut_is_never_green():
    """Where it counts it makes the whole INVALID, as what was never run does; only a winner makes it advisory."""
    said = {"suite": "asks", "model": "a", "metric": "exact_match", "n": 1, "reason": ""}
    cut, passed = (undecided(outcome, None, **said) for outcome in (Outcome.CUT, Outcome.PASS))
    assert aggregate([passed]) is Outcome.PASS
    assert aggregate([cut]) is aggregate([passed, cut]) is Outcome.INVALID
    assert aggregate([passed, replace(cut, advisory=True)]) is Outcome.PASS


def test_what_a_point_had_become_is_kept_in_the_run(halved):
    """Its model is the one of its last rung, identified, so that the page has its curve as far as it went."""
    run = halved[3]
    models = {model["name"]: model for model in run["models"]}
    assert models["b"]["adapter"].endswith("b.at-1-2")
    assert models["c"]["adapter"].endswith("c.at-1-4")
    assert all(models[name]["fingerprint"] for name in "abcd")


def test_a_second_run_trains_nothing_and_computes_nothing(halved):
    """The same points come to the end, from what lies in the store, and verdicts and cuts are equal."""
    repo, _, _, first = halved  # noqa: F811
    before = calls(repo), trained(repo)
    run_gate(repo, *FOUR, "--halving", "eta=2", "--run-dir", "again")
    again = json.loads((repo.path / "again" / "run.json").read_text())
    assert (calls(repo), trained(repo)) == before
    assert again["trained"] == 0
    assert again["verdicts"] == first["verdicts"]
    assert again["sweep"] == first["sweep"]
    assert verify(repo.path / "again").outcome is Outcome.PASS


def test_a_slow_starter_is_cut_and_the_page_cannot_know(repo):  # noqa: F811
    """What scores late is lost, which is the price of halving; the whole grid finds it."""
    points = sweep("slow=400:1:late=1", "b=380:1:x=1", "c=200:1:x=1", "d=100:1:x=1")
    run_gate(repo, *points, "--halving", "eta=2", "--run-dir", "one")
    assert json.loads((repo.path / "one" / "run.json").read_text())["sweep"]["winner"] == "b"
    run_gate(repo, *points, "--run-dir", "two")
    assert json.loads((repo.path / "two" / "run.json").read_text())["sweep"]["winner"] == "slow"


@pytest.mark.parametrize(
    ("points", "code", "outcome", "told"),
    [
        (
            ["a=390", "b=380", "c=fails", "d=fails"],
            0,
            "PASS",
            {"a": "PASS", "b": "CUT", "c": "INVALID", "d": "INVALID"},
        ),
        (["a=fails", "b=fails"], 11, "INVALID", {"a": "INVALID", "b": "INVALID"}),
        (["a=390:1:dies=1", "b=200:1:x=1"], 11, "INVALID", {"a": "INVALID", "b": "CUT"}),
        (["a=200", "b=100"], 1, "FAIL", {"a": "FAIL", "b": "CUT"}),
        (["solo=390", "b=380", "c=100"], 0, "PASS", {"solo": "PASS", "b": "PASS", "c": "CUT"}),
    ],
)
def test_what_became_of_the_points(repo, points, code, outcome, told):  # noqa: F811
    """A point that diverges is INVALID as ever; with nobody at the end so is the run; the winner's verdict decides."""
    done = run_gate(repo, *sweep(*points), "--halving", "eta=2")
    run_dir, run = finished_run(repo)
    assert (done.ret, run["outcome"]) == (code, outcome)
    worst = {}
    for each in run["verdicts"]:
        if worst.get(each["model"], "PASS") == "PASS":
            worst[each["model"]] = each["outcome"]
    assert worst == told
    assert verify(run_dir).outcome == outcome


def test_a_point_with_a_row_without_a_score_is_not_ranked(repo, monkeypatch):  # noqa: F811
    """It is INVALID, not cut: nobody knows its score, and 0 would be a guess."""
    real = session.Ranking.mean
    monkeypatch.setattr(
        session.Ranking, "mean", lambda self, result: None if result.model == "a" else real(self, result)
    )
    run_gate(repo, *sweep("a=390", "b=380", "c=100"), "--halving", "eta=2,keep=2")
    _, run = finished_run(repo)
    told = {each["model"]: (each["outcome"], each["reason"]) for each in run["verdicts"]}
    assert told["a"][0] == "INVALID"
    assert "at step 5 of 10 a row of the select half has no score, so it cannot be ranked" in told["a"][1]
    assert [told[name][0] for name in "bc"] == ["PASS", "FAIL"]


def test_an_interrupted_rung_goes_on(repo):  # noqa: F811
    """Ctrl-C while a point is measured on the way: the same command goes on and asks nothing twice."""
    make_model(repo.path / ".tunegate" / "adapters" / "b.at-1-2", right=190, interrupt=64)
    points = [*sweep("a=390", "b=380"), "--halving", "eta=2", "--run-dir", "run"]
    assert run_gate(repo, *points).ret == 13
    (repo.path / ".tunegate" / "adapters" / "b.at-1-2" / "rule.json").write_text('{"right": 190}')
    assert run_gate(repo, *points).ret == 0
    asked = [line for line in calls(repo) if line.startswith("b ")]
    assert len(asked) == len(set(asked)) > 64
    assert verify(repo.path / "run").outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--halving", "eta=2"], "*--halving: has no use without --sweep; add --sweep rank=8,16*"),
        ([*FOUR, "--halving", "eta=1"], "*--halving eta=1: eta is a whole number from 2 to 1000*"),
        ([*FOUR, "--halving", "eta=2,keep=4"], "*--halving eta=2,keep=4: 4 of 4 points can be stopped*none of them*"),
        (
            [*sweep("solo=390", "b=380"), "--halving", "eta=2"],
            "*1 of 2 points can be stopped*others: it is no adapter*",
        ),
    ],
)
def test_halving_that_halves_nothing_is_refused(repo, args, message):  # noqa: F811
    """One line and 4 before anything is trained."""
    done = run_gate(repo, *args)
    assert done.ret == 4
    done.stderr.fnmatch_lines([message])
    assert trained(repo) == []


def test_only_selected_points_take_part(repo):  # noqa: F811
    """What was deselected is not trained on the way either."""
    run_gate(repo, *FOUR, "--halving", "eta=2", "-k", "-a] or -c]")
    assert {line[0] for line in trained(repo)} == {"a", "c"}
    assert finished_run(repo)[1]["partial"]


def spoil(run_dir, change) -> Outcome:
    """What `verify` makes of a run.json that was changed."""
    run = json.loads((run_dir / "run.json").read_text())
    change(run)
    (run_dir / "run.json").write_text(json.dumps(run))
    return verify(run_dir).outcome


def swap(run):
    """Say that the point that was cut went on, and the other one not."""
    for point in run["sweep"]["halving"]["rungs"][1]["points"]:
        point["stays"] = not point["stays"]


@pytest.mark.parametrize(
    "change",
    [
        swap,
        lambda run: run["sweep"]["halving"]["rungs"][0]["points"][3].update(select=0.9),
        lambda run: run["sweep"]["halving"]["rungs"].pop(),
        lambda run: run["sweep"].update(halving=None),
        lambda run: run["verdicts"][2].update(reason="cut because we say so"),
        lambda run: run["verdicts"][0].update(outcome="CUT"),
        lambda run: run["verdicts"][2].update(advisory=False),
        lambda run: run["receipt"].update(rungs={}),
    ],
    ids=["who", "score", "a rung", "all of it", "reason", "a passed gate", "advisory", "receipt"],
)
def test_verify_works_the_cuts_out_again(halved, change):
    """Who was cut, by which score, and why, follows from the rows of the rungs, or the run is INVALID."""
    run_dir = halved[2]
    assert verify(run_dir).outcome is Outcome.PASS
    assert spoil(run_dir, change) is Outcome.INVALID


def test_verify_notices_rows_of_a_rung_that_were_changed(halved):
    """A missing, added, edited or shortened file is named."""
    run_dir = halved[2]
    file = run_dir / RUNGS / "asks--b.rung2.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"value": 0.0', b'"value": 1.0', 1))
    assert "rungs/asks--b.rung2.jsonl: differs from the receipt" in verify(run_dir).disagreements[0]
    file.unlink()
    assert verify(run_dir).disagreements == ("rungs/asks--b.rung2.jsonl: is missing",)
    file.write_bytes(whole)
    extra = run_dir / RUNGS / "asks--d.rung2.jsonl"
    extra.write_bytes(whole)
    assert verify(run_dir).disagreements == ("rungs/asks--d.rung2.jsonl: is not in the receipt",)
    extra.unlink()
    file.unlink()
    file.symlink_to(run_dir / RUNGS / "asks--a.rung2.jsonl")
    assert "is no plain file" in verify(run_dir).disagreements[0]


def test_rows_of_the_other_half_cannot_decide_a_cut(halved):
    """A receipt that was made to fit rows that are not the select half's is noticed by their ids."""
    run_dir = halved[2]
    rows = (run_dir / "records" / "asks--a.jsonl").read_bytes()
    file = run_dir / RUNGS / "asks--a.rung2.jsonl"
    file.write_bytes(rows)

    def change(run) -> None:
        from harness.runs import sha256

        run["receipt"]["rungs"]["rungs/asks--a.rung2.jsonl"] |= {"sha256": sha256(rows), "rows": 400}

    assert spoil(run_dir, change) is Outcome.INVALID
    assert any("its rows are not the" in line for line in verify(run_dir).disagreements)


def test_rungs_that_nobody_planned_are_noticed(repo):  # noqa: F811
    """A sweep without halving has no rungs to tell of."""
    run_gate(repo, *FOUR)
    run_dir, run = finished_run(repo)
    assert run["sweep"]["halving"] is None
    assert not Path(run_dir, RUNGS).exists()
    assert spoil(run_dir, lambda run: run["verdicts"][2].update(outcome="CUT")) is Outcome.INVALID
