"""Gates with several chances: two looks at the rows, and candidate after candidate, for one error between them."""

import io
import json

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.errors import NotMeasured
from harness.gates import Gate
from harness.runs import sha256
from harness.spending import Terms, share_of, shared
from harness.store import Store
from harness.types import Outcome
from harness.verify import verify
from reports.terminal import print_verdicts
from tests.playground import calls, finished_run, make_model, make_suite, run_gate
from tests.results import paired, result

pytest_plugins = "pytester"

PASS, FAIL, INCONCLUSIVE, *_ = Outcome
DROP = Gate("accuracy", max_drop=0.05)
EXTEND = ("--on-inconclusive", "extend", "--limit")
SPEND = ("--attempts", "spend")


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository with one gate on a drop of 5 points and 400 rows."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates='Gate("exact_match", max_drop=0.05)')
    make_model(pytester.path / "base", right=360)
    make_model(pytester.path / "good", right=361)
    make_model(pytester.path / "near", right=342)
    make_model(pytester.path / "poor", right=150)
    return pytester


def at_looks(gate, lost, first, n=400):
    """The verdict of two looks, at `first` and at n rows, when those at `lost` are lost."""
    values = [0.0 if i in lost else 1.0 for i in range(n)]
    return Terms(0.0, first=first).decide(gate, result([1.0] * n, model="base"), result(values))


def test_the_error_is_shared_and_never_grows():
    """Two looks have half of it each; the shares of all candidates there may ever be add up to less than one."""
    assert shared(DROP, 0.5).error == pytest.approx(0.025)
    assert [share_of(m) for m in (1, 2, 3)] == pytest.approx([1 / 2, 1 / 6, 1 / 12])
    assert sum(map(share_of, range(1, 5000))) == pytest.approx(1 - 1 / 5000)


@pytest.mark.parametrize(
    ("lost", "first", "outcome", "read"),
    [
        ((), 150, PASS, 150),
        ((), 60, PASS, 400),  # 5 points need 73 rows at 2.5 %, whatever they show
        (range(60), 100, FAIL, 100),
        (range(0, 400, 20), 100, INCONCLUSIVE, 400),
        (range(300, 400), 150, PASS, 150),  # what comes after the look that decided is not read
    ],
)
def test_the_first_look_that_decides_is_the_verdict(lost, first, outcome, read):
    """The reason says how many rows were read, and at which error."""
    verdict = at_looks(DROP, set(lost), first)
    assert (verdict.outcome, verdict.read, verdict.n) == (outcome, read, 400)
    assert f"read {read} of 400 rows" in verdict.reason
    assert "each of two looks is one-sided at 2.50%" in verdict.reason


def test_a_look_is_stricter_than_a_test_that_looks_once():
    """What just passes at 5 % does not pass at the half of it, at either look."""
    base, candidate = paired(0, 0, 65)
    once = Terms(0.0).decide(DROP, base, candidate)
    twice = Terms(0.0, first=60).decide(DROP, base, candidate)
    assert "examples would decide" in twice.reason
    assert (once.read, twice.read) == (None, 65)
    assert once.observed.low > twice.observed.low


def test_rows_that_end_between_two_looks_are_an_error():
    """Rows of the first look that did not decide are no INCONCLUSIVE, but a measurement that is missing."""
    base, some = result([1.0] * 400, model="base"), result([1.0] * 60)
    with pytest.raises(NotMeasured, match=r"60 of 400 rows were read, and gate .* had not decided"):
        Terms(0.0, first=60).decide(DROP, base, some)
    assert not Terms(0.0, first=60).settled([DROP], base, some)
    assert Terms(0.0, first=60).settled([Gate("accuracy", max_drop=0.5)], base, some)


def test_a_later_candidate_needs_more_evidence():
    """The tenth may err in 5 / 110 %, and what passes as the first alone does not pass as the tenth."""
    base, candidate = paired(0, 2, 400, both_right=398)
    outcomes = {m: Terms(0.0, number=m).decide(DROP, base, candidate) for m in (1, 10, 1000)}
    assert [each.outcome for each in outcomes.values()] == [PASS, PASS, INCONCLUSIVE]
    assert "candidate 10 on these rows, so one-sided at 0.05% in place of 5%" in outcomes[10].reason


def test_the_store_numbers_candidates_once_and_for_all(tmp_path):
    """In the order in which they asked, for each set of rows; another process sees the same."""
    store = Store(tmp_path)
    assert [store.number(model, "rows") for model in ("a", "b", "a", "c")] == [1, 2, 1, 3]
    assert store.number("c", "other rows") == 1
    store.close()
    again = Store(tmp_path)
    assert [again.number(model, "rows") for model in ("c", "d")] == [3, 4]
    again.close()


def test_a_slice_that_decides_saves_the_other_rows(repo):
    """The candidate answers the rows of --limit alone, the run is whole, and verification agrees."""
    assert run_gate(repo, "--adapter", "good", *EXTEND, "150").ret == 0
    run_dir, run = finished_run(repo)
    assert sum(call.startswith("good") for call in calls(repo)) == 150
    assert (run["partial"], run["verdicts"][0]["read"], run["verdicts"][0]["n"]) == (False, 150, 400)
    assert [each["unread"] for each in run["results"]] == [0, 250]
    assert "bounds are wider than 95%" in _printed(run)
    assert verify(run_dir).outcome is Outcome.PASS


def test_a_slice_that_does_not_decide_is_extended(repo):
    """60 rows cannot pass a drop of 5 points; all 400 do."""
    assert run_gate(repo, "--adapter", "good", *EXTEND, "60").ret == 0
    run_dir, run = finished_run(repo)
    assert run["verdicts"][0]["read"] == sum(call.startswith("good") for call in calls(repo)) == 400
    assert run["plan"]["suites"][0]["first"] == 60
    assert verify(run_dir).outcome is Outcome.PASS


def test_what_all_rows_leave_open_stays_red(repo):
    """`extend` forgives nothing: exit 10, and no rows are left to offer."""
    assert run_gate(repo, "--adapter", "near", *EXTEND, "100").ret == 10
    _, run = finished_run(repo)
    assert "the first 100 had not decided" in run["verdicts"][0]["reason"]
    assert "unused" not in run["verdicts"][0]["reason"]


def test_a_poor_candidate_is_not_extended(repo):
    """FAIL is a decision too."""
    assert run_gate(repo, "--adapter", "poor", *EXTEND, "100").ret == 1
    assert finished_run(repo)[1]["verdicts"][0]["read"] == 100


def test_sequential_gates_read_on_beyond_the_limit(repo):
    """They look as often as ever at the rows of the limit, then at the others; a gate beside them looks twice."""
    both = 'Gate("exact_match", max_drop=0.10, sequential=True), Gate("exact_match", max_drop=0.05)'
    make_suite(repo.path, gates=both)
    assert run_gate(repo, "--adapter", "good", *EXTEND, "60").ret == 0
    run_dir, run = finished_run(repo)
    early, fixed = (verdict["read"] for verdict in run["verdicts"])
    assert 60 < early < fixed == 400
    assert verify(run_dir).outcome is Outcome.PASS


def test_records_cut_to_a_look_that_did_not_decide_are_refused(repo):
    """With all sums mended: the rows of the first look are a planned end only where they decide."""
    run_gate(repo, "--adapter", "good", *EXTEND, "60")
    run_dir, run = finished_run(repo)
    file = run_dir / "records/asks--good.jsonl"
    cut = b"".join(file.read_bytes().splitlines(keepends=True)[:60])
    file.write_bytes(cut)
    run["receipt"]["records"]["records/asks--good.jsonl"] |= {"rows": 60, "sha256": sha256(cut)}
    (run_dir / "run.json").write_text(json.dumps(run))
    found = verify(run_dir)
    assert found.outcome is Outcome.INVALID
    assert any("had not decided" in line for line in found.disagreements)


def test_rows_that_the_base_chooses_are_not_extended(repo):
    """Such a suite is measured on the slice as ever: the run is partial, and says which rows lie unused."""
    kept = 'keep=passed_by_base("exact_match", at_least=250, repeats=1)'
    make_suite(repo.path, gates='Gate("exact_match", max_drop=0.05)', extra=kept)
    run_gate(repo, "--adapter", "near", *EXTEND, "300")
    _, run = finished_run(repo)
    assert run["partial"]
    assert run["plan"]["suites"][0]["first"] is None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((*EXTEND[:2], "--adapter", "good"), "all rows are read already; add --limit"),
        ((*EXTEND, "100"), "there is no candidate to read on for"),
        ((*EXTEND, "100", "--adapter", "good", "--prompting", "few-shot"), "beside --prompting"),
        ((*EXTEND, "100", "--adapter", "good", "--checkpoints"), "beside --checkpoints"),
        ((*SPEND, "--sweep", "rank=8,16"), "--attempts spend beside --sweep"),
    ],
)
def test_a_policy_without_a_use_is_one_line(repo, args, said):
    """Exit 4, and what to do."""
    done = run_gate(repo, *args)
    assert done.ret == 4
    assert said in done.stderr.str()


def test_candidates_after_the_first_are_judged_more_strictly(repo):
    """Counting is on in every run, spending only where it is asked for; a candidate keeps its number."""
    for name in ("poor", "near"):
        run_gate(repo, "--adapter", name, "--run-dir", f"was-{name}")
    assert run_gate(repo, "--adapter", "good", *SPEND).ret == 0
    run_dir, run = finished_run(repo)
    assert run["numbers"] == {"asks": {"good": 3}}
    assert "candidate 3 on these rows, so one-sided at 0.42% in place of 5%" in run["verdicts"][0]["reason"]
    assert "bounds are wider than 95%" in _printed(run)
    assert "wider" not in _printed(json.loads((repo.path / "was-near/run.json").read_text()))
    assert verify(run_dir).outcome is Outcome.PASS
    run_gate(repo, "--adapter", "poor", "--run-dir", "again", *SPEND)
    assert json.loads((repo.path / "again/run.json").read_text())["numbers"] == {"asks": {"poor": 1}}


def test_the_number_of_a_candidate_cannot_be_lowered_afterwards(repo):
    """It is under the receipt, and the verdict follows from it."""
    run_gate(repo, "--adapter", "poor", "--run-dir", "before")
    run_gate(repo, "--adapter", "good", *SPEND)
    run_dir, run = finished_run(repo)
    run["numbers"]["asks"]["good"] = 1
    (run_dir / "run.json").write_text(json.dumps(run))
    assert any("candidates before" in line for line in verify(run_dir).disagreements)
    from harness.fingerprint import digest

    run["receipt"]["numbers_sha256"] = digest(run["numbers"])
    (run_dir / "run.json").write_text(json.dumps(run))
    assert any("reason not as the records give" in line for line in verify(run_dir).disagreements)
    run["numbers"] = {}
    run["receipt"]["numbers_sha256"] = digest(run["numbers"])
    (run_dir / "run.json").write_text(json.dumps(run))
    assert any("does not say which candidate" in line for line in verify(run_dir).disagreements)


def _printed(run):
    out = io.StringIO()
    print_verdicts(run, file=out, color=False)
    return out.getvalue()
