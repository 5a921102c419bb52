"""Gates that decide early: what they say, what is measured, and what verification makes of it."""

import json

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
import vl_convert  # noqa: F401  # likewise

from harness import session
from harness.decide import decide
from harness.errors import BadSpec, NotMeasured
from harness.gates import Gate
from harness.sequential import check_in_order, decided, looks
from harness.types import Outcome
from harness.verify import verify
from tests.playground import calls, finished_run, make_model, make_suite, run_gate
from tests.results import result

pytest_plugins = "pytester"

PASS, FAIL, INCONCLUSIVE, INVALID, *_ = Outcome
DROP = Gate("accuracy", max_drop=0.10, sequential=True)
ANY_GAIN = Gate("accuracy", min_gain=0.0, sequential=True)
RATE = Gate("accuracy", at_least=0.5, sequential=True)
EARLY = 'Gate("exact_match", max_drop=0.10, sequential=True)'


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository whose only gate may decide early, on 400 rows."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates=EARLY)
    make_model(pytester.path / "base", right=360)
    make_model(pytester.path / "good", right=380)
    make_model(pytester.path / "poor", right=150)
    return pytester


def check(gate, base, candidate):
    """The verdict on rows in this order."""
    return check_in_order(gate, result(base, model="base"), result(candidate))


def test_looks_end_with_the_last_row():
    """After every 25 rows, or twenty times, and always after all of them."""
    assert looks(60) == (25, 50, 60)
    assert looks(1000) == tuple(range(50, 1001, 50))
    assert looks(1) == (1,)
    assert max(len(looks(n)) for n in range(1, 3000, 7)) <= 20


@pytest.mark.parametrize(
    ("gate", "base", "candidate", "outcome"),
    [
        (DROP, [1.0] * 400, [1.0] * 400, PASS),
        (DROP, [1.0] * 400, [0.0] * 400, FAIL),
        (ANY_GAIN, [0.0] * 400, [1.0] * 400, PASS),
        (ANY_GAIN, [1.0] * 400, [0.0] * 400, FAIL),
        (RATE, [1.0] * 400, [1.0] * 400, PASS),
        (RATE, [1.0] * 400, [0.0] * 400, FAIL),
    ],
)
def test_clear_cases_are_decided_before_the_end(gate, base, candidate, outcome):
    """The verdict counts planned rows, says how many were read, and rests on those."""
    verdict = check(gate, base, candidate)
    assert verdict.outcome is outcome
    assert verdict.n == 400
    assert verdict.read == verdict.observed.n < 400
    assert f"read {verdict.read} of 400 rows in the plan's order; the other {400 - verdict.read} were" in verdict.reason


@pytest.mark.parametrize(
    ("gate", "base", "candidate"),
    [
        (DROP, [1.0] * 400, [0.0, *[1.0] * 9] * 40),
        (ANY_GAIN, [1.0, 0.0] * 200, [0.0, 1.0] * 200),
        (RATE, [0.0] * 400, [1.0, 0.0] * 200),
    ],
)
def test_rows_that_do_not_decide_are_inconclusive(gate, base, candidate):
    """Scores on the edge of the limit: all rows are read, and none of the looks is called a decision."""
    verdict = check(gate, base, candidate)
    assert (verdict.outcome, verdict.read) == (INCONCLUSIVE, 400)
    assert "were not needed" not in verdict.reason


def test_the_first_decision_stands():
    """What comes after the look that decided is not read, whatever it would say."""
    verdict = check(DROP, [1.0] * 400, [1.0] * 200 + [0.0] * 200)
    assert (verdict.outcome, verdict.read) == (PASS, check(DROP, [1.0] * 400, [1.0] * 400).read)


def test_rows_that_end_before_a_decision_are_an_error():
    """Half of the rows without a decision is no INCONCLUSIVE, but a measurement that is missing."""
    base, some = result([1.0] * 400, model="base"), result([1.0] * 25)
    with pytest.raises(NotMeasured, match=r"25 of 400 rows were read, and gate accuracy-drop<=0\.1 had not decided"):
        check_in_order(DROP, base, some)
    assert not decided([DROP], base, some)


def test_missing_scores_are_taken_at_their_worst_at_every_look():
    """A look decides only if the unscored rows could not turn it."""
    whole, holes = check(DROP, [1.0] * 400, [1.0] * 400), check(DROP, [1.0] * 400, [None, *[1.0] * 9] * 40)
    assert whole.outcome is PASS
    assert holes.outcome is INCONCLUSIVE
    assert "missing data" in holes.reason


def test_a_score_that_is_no_number_is_invalid():
    """One NaN among the rows read makes it INVALID."""
    assert check(DROP, [1.0] * 400, [float("nan")] * 400).outcome is INVALID


def test_shares_decide_too():
    """Scores between 0 and 1 are bet on like any others."""
    assert check(ANY_GAIN, [0.2] * 400, [0.8] * 400).outcome is PASS
    assert check(ANY_GAIN, [0.2] * 400, [0.8] * 400).observed.method == "betting"
    assert check(ANY_GAIN, [0.0] * 400, [1.0] * 400).observed.method == "e-process"


def test_decide_reads_in_order_with_and_without_a_candidate():
    """Both ways into a verdict know sequential gates."""
    base = result([1.0] * 400, model="base")
    assert decide(RATE, base, None, chance=0.0).read < 400
    assert decide(DROP, base, result([1.0] * 400), chance=0.0).read < 400


def test_measuring_stops_when_the_gates_have_decided(repo):
    """The candidate answers only the rows of the looks that were needed, in the plan's order; the rest is said."""
    assert run_gate(repo, "--adapter", "good").ret == 0
    run_dir, run = finished_run(repo)
    read = run["verdicts"][0]["read"]
    assert 0 < read < 400
    assert sum(call.startswith("good") for call in calls(repo)) == read
    own = next(entry for entry in run["results"] if entry["model"] == "good")
    assert (own["n"], own["unread"]) == (read, 400 - read)
    assert own["notes"] == [f"{400 - read} of 400 planned rows were not read, because every gate had decided before"]
    plan = run["plan"]["suites"][0]
    recorded = [json.loads(line)["id"] for line in (run_dir / "records/asks--good.jsonl").read_text().splitlines()]
    assert recorded == [example for example, _ in plan["examples"]][:read]
    assert plan["looks"] == list(looks(400))
    assert verify(run_dir).outcome is Outcome.PASS


def test_the_order_is_drawn_before_and_for_all(repo):
    """The rows of the plan are not in the order of the file, and another run draws the same order."""
    orders = []
    for name in ("one", "two"):
        run_gate(repo, "--adapter", "good", "--run-dir", name)
        orders.append(
            [id_ for id_, _ in json.loads((repo.path / name / "plan.json").read_text())["suites"][0]["examples"]]
        )
    assert orders[0] == orders[1]
    assert orders[0] != [json.loads(line) for line in (repo.path / "suites/data/asks.jsonl").read_text().splitlines()]
    asked = [int(call.split()[1]) for call in calls(repo) if call.startswith("good")]
    assert asked != sorted(asked)


def test_a_poor_candidate_fails_early_and_the_report_shows_what_was_read(repo):
    """FAIL comes early too, and the page shows planned and analysed rows."""
    from reports.html import write_report

    assert run_gate(repo, "--adapter", "poor").ret == 1
    run_dir, run = finished_run(repo)
    page = write_report(run_dir).read_text(encoding="utf-8")
    assert run["verdicts"][0]["read"] < 400
    assert f'<td class="num">400</td><td class="num">{run["verdicts"][0]["read"]}</td>' in page


def test_one_gate_that_waits_makes_all_rows_be_measured(repo):
    """Beside a gate that needs all rows nothing is saved, and each still decides in its own way."""
    make_suite(repo.path, gates=f'{EARLY}, Gate("exact_match", at_least=0.8)')
    assert run_gate(repo, "--adapter", "good").ret == 0
    run_dir, run = finished_run(repo)
    assert [entry["unread"] for entry in run["results"]] == [0, 0]
    assert [verdict["read"] is None for verdict in run["verdicts"]] == [False, True]
    assert verify(run_dir).outcome is Outcome.PASS


def test_verify_refuses_rows_that_end_too_early(repo):
    """Records cut to an earlier look, with all sums mended, are not accepted: that look had not decided."""
    from harness.runs import sha256

    run_gate(repo, "--adapter", "good")
    run_dir, run = finished_run(repo)
    file = run_dir / "records/asks--good.jsonl"
    cut = b"".join(file.read_bytes().splitlines(keepends=True)[:25])
    file.write_bytes(cut)
    run["receipt"]["records"]["records/asks--good.jsonl"] |= {"rows": 25, "sha256": sha256(cut)}
    (run_dir / "run.json").write_text(json.dumps(run))
    found = verify(run_dir)
    assert found.outcome is Outcome.INVALID
    assert any("had not decided" in line for line in found.disagreements)


@pytest.mark.parametrize(
    ("gates", "extra", "said"),
    [
        (EARLY, 'keep=passed_by_base("exact_match", at_least=100, repeats=1)', "cannot choose rows by the base first"),
        ('Gate("exact_match", min_gain=0.1, sequential=True, over="best_prompt")', "", "sequential has no over="),
    ],
)
def test_sequential_where_it_has_no_meaning_is_refused(repo, gates, extra, said):
    """Rows that the base chooses, or another base for each look, have no order of their own."""
    make_suite(repo.path, gates=gates, extra=extra)
    done = run_gate(repo, "--adapter", "good")
    assert done.ret != 0
    assert said in done.stdout.str() + done.stderr.str()


def test_rows_that_share_a_source_are_refused(repo):
    """Bets assume that rows come one by one; sources of several rows do not."""
    data = repo.path / "suites/data/asks.jsonl"
    rows = [
        json.loads(line) | {"cluster": "same" if i < 2 else str(i)}
        for i, line in enumerate(data.read_text().splitlines())
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run_gate(repo, "--adapter", "good")
    assert done.ret == 4
    assert "rows share clusters" in done.stderr.str()


def test_a_sequential_gate_with_another_base_is_refused():
    """`over` and `sequential` exclude each other."""
    with pytest.raises(BadSpec, match="drop one of the two"):
        Gate("accuracy", min_gain=0.1, over="best_prompt", sequential=True)
