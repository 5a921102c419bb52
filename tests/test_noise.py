"""The base against itself: what is counted, kept and shown, and how a verdict respects it."""

import json
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
import vl_convert  # noqa: F401  # likewise

import harness.aa
from harness import session
from harness._lm_eval_model import _chunks
from harness.aa import measure, tell
from harness.arguments import read_arguments
from harness.compare import Comparison
from harness.errors import UsageProblem
from harness.gates import Gate
from harness.noise import Noise, known_noise, noise_of, read_noise, tempered
from harness.stats import tango, wilson
from harness.store import Store
from harness.suite_files import read_suites
from harness.types import Outcome
from harness.verify import verify
from reports.html import write_report
from tests.playground import FakeBackend, finished_run, make_model, make_suite, run_gate
from tests.results import paired, result

pytest_plugins = "pytester"

NOW = "2026-01-02T03:04:05+00:00"
GATES = 'Gate("exact_match", max_drop=0.05), Gate("exact_match", min_gain=0.01, advisory=True)'


class FlakyBackend(FakeBackend):
    """Answers the last prompt of each batch wrongly, so that who shares a batch matters."""

    def generate(self, model, prompts, sampling, on_batch):
        """Twist what comes back."""
        from dataclasses import replace

        def twist(batch):
            *most, (index, last) = batch
            on_batch([*most, (index, replace(last, text="no"))])

        super().generate(model, prompts, sampling, twist)


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository with a suite of 400 rows and a base that is right on all of them."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    monkeypatch.setattr(harness.aa, "make_backend", lambda _options: FakeBackend())
    make_suite(pytester.path, gates=GATES)
    make_model(pytester.path / "base", right=400)
    make_model(pytester.path / "good", right=396)
    return pytester


def self_test(repo, *words):
    """What `tunegate aa suites --model base` finds."""
    paths, options = read_arguments([str(repo.path / "suites"), "--model", "base", *words])
    return measure(read_suites(paths), options)


def noise(flips, n=400):
    """What was measured when so many rows flipped, half of them to the better."""
    gained = flips // 2
    base, again = paired(gained, flips - gained, n)
    return noise_of(base, again, "accuracy", NOW)


def test_flips_are_counted_with_their_interval():
    """Rows whose score differs, whichever way; the bound is the farther end of the difference's interval."""
    found = noise(8)
    rate, moved = wilson(8, 400), tango(4, 4, 400, 0.90)
    assert (found.n, found.flips, found.low, found.high) == (400, 8, rate.low, rate.high)
    assert found.bound == pytest.approx(moved.high)


def test_without_flips_there_is_no_bound():
    """None of 400 is a rate of at most 1 %, and holds nothing back."""
    assert (noise(0).bound, noise(0).high) == (0.0, wilson(0, 400).high)


def test_a_row_that_is_scored_only_once_is_a_flip():
    """An answer that could be scored the first time and not the second is noise too."""
    assert noise_of(result([1.0, 1.0]), result([1.0, None]), "accuracy", NOW).flips == 1


@pytest.mark.parametrize(
    ("gained", "lost", "outcome"), [(0, 0, Outcome.PASS), (0, 9, Outcome.PASS), (0, 80, Outcome.FAIL)]
)
def test_an_effect_beyond_the_noise_stands(gained, lost, outcome):
    """A verdict that is farther from its limit than the base moves by itself is left alone."""
    verdict = Gate("accuracy", max_drop=0.05).check(Comparison(*paired(gained, lost, 400)))
    assert verdict.outcome is outcome
    assert tempered(verdict, [noise(8)]) == verdict


@pytest.mark.parametrize(("gained", "lost", "outcome"), [(0, 10, Outcome.PASS), (0, 36, Outcome.FAIL)])
def test_an_effect_within_the_noise_is_inconclusive(gained, lost, outcome):
    """A base that moves by 4 points against itself leaves neither a PASS nor a FAIL 3 or 4 points from the limit."""
    verdict = Gate("accuracy", max_drop=0.05).check(Comparison(*paired(gained, lost, 400)))
    assert verdict.outcome is outcome
    doubted = tempered(verdict, [Noise("accuracy", 400, 60, 0.1, 0.2, 0.045, NOW)])
    assert doubted.outcome is Outcome.INCONCLUSIVE
    assert "the base moves by up to 4.5 points against itself" in doubted.reason


def test_noise_of_another_metric_or_none_changes_nothing():
    """Only the gate's own metric counts; what was not measured is left to the report."""
    verdict = Gate("accuracy", max_drop=0.05).check(Comparison(*paired(0, 10, 400)))
    other = Noise("f1", 400, 60, 0.1, 0.2, 0.5, NOW)
    assert tempered(verdict, [other]) == tempered(verdict, None) == verdict


def test_aa_of_an_exact_engine_finds_nothing(repo):
    """The same answers in any batch: 0 of 400 flips, and no gate is wrong about the base."""
    (found,) = self_test(repo)
    assert [each.flips for each in found.noise] == [0]
    assert [(each.says, each.count) for each in found.alarms] == [(Outcome.FAIL, 0), (Outcome.PASS, 0)]
    assert tell([found])[0] == "asks: exact_match: 0 of 400 rows flipped, 0.00% [0.00%, 0.95%]"


def test_aa_of_a_flaky_engine_counts(repo, monkeypatch):
    """Where batches matter, rows flip, and the store keeps it for this base, suite and engine alone."""
    monkeypatch.setattr(harness.aa, "make_backend", lambda _options: FlakyBackend())
    (found,) = self_test(repo)
    (flips,) = found.noise
    assert 5 <= flips.flips <= 15  # 7 batches, then twice 4
    store = Store(repo.path / ".tunegate")
    keys = [row[0] for row in store._db.execute("SELECT key FROM answers WHERE value LIKE '%flips%'")]
    assert [known_noise(store, key) for key in keys] == [(flips,)]
    store.close()


def test_a_loud_engine_is_told():
    """Flips that all go one way look like a change of the model, and the command says so."""
    base, again = result([1.0] * 400, model="base"), result([0.0] * 60 + [1.0] * 340, model="base")
    alarm = harness.aa._alarm(Gate("accuracy", max_drop=0.05), Comparison(base, again))
    assert alarm.loud
    assert "too often" in tell([harness.aa.SelfTest("asks", (), (alarm,))])[0]


def test_alarms_resample_whole_sources():
    """Ten rows of one source come and go together, and shares are judged by their mean."""
    clusters = [f"c{i // 10}" for i in range(400)]
    base, again = (result([value] * 400, model="base", clusters=clusters) for value in (0.9, 0.5))
    assert harness.aa._alarm(Gate("accuracy", max_drop=0.05), Comparison(base, again)).count == harness.aa.RESAMPLES
    assert harness.aa._alarm(Gate("accuracy", max_drop=0.5), Comparison(base, again)).count == 0


def test_a_repetition_asks_in_other_company():
    """Questions through lm-eval share their batches with others the second time, and none is lost."""
    prompts = [f"question {number}" for number in range(100)]
    once, again = (list(_chunks(prompts, 16, repeat)) for repeat in (0, 1))
    assert all(sorted(each for chunk in chunks for each in chunk) == sorted(prompts) for chunks in (once, again))
    assert {frozenset(chunk) for chunk in once}.isdisjoint(map(frozenset, again))


def test_reports_and_verdicts_know_of_the_noise(repo, monkeypatch):
    """After `tunegate aa` the run shows the rate, respects it, and verifies; before, it says what to run."""
    assert run_gate(repo, "--adapter", "good", "--run-dir", "before").ret == 0
    assert "not measured: run tunegate aa" in write_report(repo.path / "before").read_text()
    assert json.loads((repo.path / "before/run.json").read_text())["aa"] == {"asks": None}
    monkeypatch.setattr(
        harness.aa, "noise_of", lambda _once, _again, metric, now: Noise(metric, 400, 40, 0.07, 0.13, 0.045, now)
    )
    self_test(repo)
    assert run_gate(repo, "--adapter", "good", "--run-dir", "after").ret == 10
    run = json.loads((repo.path / "after/run.json").read_text())
    assert [verdict["outcome"] for verdict in run["verdicts"]] == ["INCONCLUSIVE", "INCONCLUSIVE"]
    assert "40 of 400 (7.0% to 13.0%)" in write_report(repo.path / "after").read_text()
    assert verify(repo.path / "after").outcome is Outcome.INCONCLUSIVE


def test_verify_lets_nobody_forget_the_noise(repo, monkeypatch):
    """A run from which the noise was taken out, with the verdicts as they were without it, is not accepted."""
    run_gate(repo, "--adapter", "good", "--run-dir", "before")
    before = json.loads((repo.path / "before/run.json").read_text())
    monkeypatch.setattr(
        harness.aa, "noise_of", lambda _once, _again, metric, now: Noise(metric, 400, 40, 0.07, 0.13, 0.045, now)
    )
    self_test(repo)
    run_gate(repo, "--adapter", "good", "--run-dir", "after")
    run = json.loads((repo.path / "after/run.json").read_text())
    forged = run | {key: before[key] for key in ("aa", "verdicts", "outcome")}
    (repo.path / "after/run.json").write_text(json.dumps(forged))
    assert verify(repo.path / "before").outcome is Outcome.PASS
    found = verify(repo.path / "after")
    assert found.outcome is Outcome.INVALID
    assert found.disagreements == ("aa: is not what the receipt says of the base against itself; it was edited",)


def test_another_engine_or_limit_is_another_measurement(repo):
    """What was found on all rows says nothing of a slice."""
    self_test(repo)
    run_gate(repo, "--adapter", "good", "--limit", "100")
    assert finished_run(repo)[1]["aa"] == {"asks": None}


@pytest.mark.parametrize("value", [None, 7, [7], [{"metric": "x"}], "text"])
def test_what_is_no_noise_is_not_believed(value):
    """A stored value of another shape counts as not measured."""
    assert read_noise(value) is None


@pytest.mark.parametrize(
    "words", [["--model", "nowhere/at/all"], ["--no-such-option"], ["--limit", "0"], ["--backend", "magic"]]
)
def test_wrong_words_are_one_line(words):
    """The options of the gate are checked as pytest checks them."""
    with pytest.raises(UsageProblem):
        read_arguments(["suites", *words])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "defines a `suite`"),
        ({"test_a.py": "1 / 0"}, r"test_a.py: cannot be read as a suite \(ZeroDivisionError"),
        ({"test_a.py": "x = 1"}, "defines a `suite`"),
    ],
)
def test_folders_without_suites_are_refused(tmp_path, files, said):
    """Nothing to measure, or a file that cannot be read, is an error with its path."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageProblem, match=said):
        read_suites([tmp_path])


def test_the_project_s_own_suites_are_found():
    """All of them, without pytest; a path that is not there is said."""
    root = Path(__file__).parents[1] / "suites"
    assert {"valid_json", "exact_match", "mmlu_forgetting", "regression"} <= {s.name for s in read_suites([root])}
    with pytest.raises(UsageProblem, match="no such Python file"):
        read_suites([root / "nothing"])
