"""The gate as users meet it: items, exit codes, run directory, resume, options."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.fingerprint import digest
from reports.plugin import pytest_tunegate_report
from tests.playground import calls, finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"


@pytest.fixture
def repo(pytester, monkeypatch):
    """A repository with one suite, a base that answers 360 of 400, and a good and a bad adapter."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    make_suite(pytester.path)
    for name, right in {"base": 360, "good": 380, "bad": 300}.items():
        make_model(pytester.path / name, right=right)
    return pytester


@pytest.mark.parametrize(
    ("args", "code", "outcome", "passed", "failed"),
    [
        (["--adapter", "good"], 0, "PASS", 2, 0),
        (["--adapter", "bad"], 1, "FAIL", 0, 2),
        (["--adapter", "good", "--adapter", "bad"], 1, "FAIL", 2, 2),
        ([], 0, "PASS", 1, 0),
        (["--adapter", "good", "--limit", "26"], 10, "INCONCLUSIVE", 0, 2),
        (["--base", "bad"], 0, "PASS", 2, 0),
    ],
)
def test_exit_code_is_the_outcome(repo, args, code, outcome, passed, failed):
    """Each outcome has its exit code, and run.json says the same."""
    result = run_gate(repo, *args)
    assert result.ret == code
    result.assert_outcomes(passed=passed, failed=failed)
    assert finished_run(repo)[1]["outcome"] == outcome


def test_base_alone_below_its_absolute_gate_fails(repo):
    """Without adapter the absolute gates judge the base itself."""
    assert run_gate(repo, model="bad").ret == 1


def test_suite_without_absolute_gate_gets_the_item_measured(repo):
    """On the base alone a suite of paired gates still has one item, which asks for a sound measurement."""
    make_suite(repo.path, gates='Gate("exact_match", max_drop=0.05)')
    result = run_gate(repo, "-v")
    result.stdout.fnmatch_lines(["*test_asks.py::test_gate[[]measured-base[]] PASSED*"])
    assert result.ret == 0


def test_items_are_gate_by_candidate(repo):
    """Node ids name the gate and the adapter's folder; equal folder names are told apart."""
    make_model(repo.path / "other" / "good", right=380)
    result = run_gate(repo, "--adapter", "good", "--adapter", "other/good", "--collect-only", "-q")
    result.stdout.fnmatch_lines(
        [
            "suites/test_asks.py::test_gate[[]exact_match>=0.8-good[]]",
            "suites/test_asks.py::test_gate[[]exact_match-drop<=0.05-good[]]",
            "suites/test_asks.py::test_gate[[]exact_match>=0.8-good-2[]]",
            "suites/test_asks.py::test_gate[[]exact_match-drop<=0.05-good-2[]]",
        ]
    )


def test_collection_says_what_is_planned_and_writes_nothing(repo):
    """--collect-only shows base, candidates and sizes, and leaves no run directory."""
    result = run_gate(repo, "--adapter", "good", "--collect-only")
    result.stdout.fnmatch_lines(["base: base; candidates: good", "suites: asks; 400 examples planned on each model"])
    assert not (repo.path / "runs").exists()
    assert not (repo.path / ".tunegate").exists()


def test_collection_is_light(repo):
    """Collecting imports neither torch nor transformers, lm_eval, datasets or scipy."""
    probe = (
        "import sys, pytest; code = pytest.main(['suites', '--model', 'base', '--collect-only', '-q']); "
        "heavy = {'torch', 'transformers', 'lm_eval', 'datasets', 'scipy', 'peft'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_store_makes_the_second_run_compute_nothing(repo):
    """The base and every candidate are answered once per store, and a run from the store is no new attempt."""
    run_gate(repo, "--adapter", "good", "--run-dir", "one")
    computed = calls(repo)
    assert len(computed) == 800
    run_gate(repo, "--adapter", "good", "--run-dir", "two")
    assert calls(repo) == computed
    results = json.loads((repo.path / "two" / "run.json").read_text())["results"]
    assert [(entry["fresh"], entry["attempts"], entry["seconds"]) for entry in results] == [(0, 1, 0.0), (0, 1, 0.0)]


def test_two_suites_share_their_answers(repo):
    """Equal prompts and sampling are answered once, whichever suites ask."""
    suite = make_suite(repo.path, "again")
    suite.write_text(suite.read_text().replace("data/again.jsonl", "data/asks.jsonl"))
    assert run_gate(repo, "--adapter", "good").ret == 0
    assert len(calls(repo)) == 800


def test_interrupted_run_continues_where_it_was(repo):
    """Ctrl-C ends with 13 and no receipt; the same command takes up the rest and computes no answer twice."""
    rule = repo.path / "good" / "rule.json"
    settled = rule.read_text()
    rule.write_text(json.dumps({"right": 380, "interrupt": 100}))
    first = run_gate(repo, "--adapter", "good", "--run-dir", "run")
    assert first.ret == 13
    assert not (repo.path / "run" / "run.json").exists()
    assert len(calls(repo)) == 400 + 128
    rule.write_text(settled)
    second = run_gate(repo, "--adapter", "good", "--run-dir", "run")
    assert second.ret == 0
    assert len(calls(repo)) == 800
    assert json.loads((repo.path / "run" / "run.json").read_text())["outcome"] == "PASS"


def test_killed_run_loses_at_most_its_last_batch(repo):
    """After SIGKILL the same command continues the run and computes only what was not stored yet."""
    make_model(repo.path / "dies", right=380, kill=100)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites",
        "--model",
        "base",
        "--adapter",
        "dies",
        "--run-dir",
        "run",
        "-q",
    ]
    assert subprocess.run(command, cwd=repo.path, capture_output=True, check=False).returncode == -9
    assert len(calls(repo)) == 400 + 128
    again = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout
    assert len(calls(repo)) == 800


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("finished", "holds a finished run"),
        ("other plan", "another plan"),
        ("foreign", "no readable plan.json"),
        ("in use", "is running in it"),
    ],
)
def test_run_directory_that_is_not_ours_is_refused(repo, change, message):
    """A finished, foreign, busy or differently planned directory is a usage error before anything is measured."""
    if change == "foreign":
        (repo.path / "run").mkdir()
    else:
        run_gate(repo, "--adapter", "good", "--run-dir", "run")
    if change in {"other plan", "in use"}:
        (repo.path / "run" / "run.json").unlink()
    adapter = "bad" if change == "other plan" else "good"
    if change == "in use":
        import fcntl

        with (repo.path / "run" / ".lock").open("r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            result = run_gate(repo, "--adapter", adapter, "--run-dir", "run")
    else:
        result = run_gate(repo, "--adapter", adapter, "--run-dir", "run")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{message}*"])


@pytest.mark.parametrize(
    "args",
    [
        ["--adapter", "missing"],
        ["--model", "no/such/folder/here"],
        ["--limit", "0"],
        ["--limit", "many"],
        ["--batch-size", "-1"],
        ["--dtype", "float8"],
        ["--quantization", "int3"],
        ["--backend", "vllm"],
        ["--mmlu-dir", "missing"],
        ["--mmlu-revision", "main"],
        ["--base", "good", "--adapter", "bad"],
        ["--adapter", "empty"],
    ],
)
def test_wrong_option_is_one_line_and_exit_4(repo, args):
    """Every wrong option ends with 4 before a run directory is made, and names itself."""
    (repo.path / "empty").mkdir()
    result = run_gate(repo, *args)
    assert result.ret == 4
    assert args[-2] in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    assert not (repo.path / "runs").exists()


def test_junit_properties_carry_the_verdict(repo):
    """Each item's JUnit properties are the numbers of its verdict in run.json, with both means and the fingerprint."""
    run_gate(repo, "--adapter", "good", "--junitxml", "junit.xml")
    _, run = finished_run(repo)
    cases = ET.parse(repo.path / "junit.xml").iter("testcase")
    means = {entry["model"]: entry["value"] for entry in run["results"]}
    for case, verdict in zip(cases, run["verdicts"], strict=True):
        told = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
        same = ("suite", "metric", "gate", "n", "observed", "low", "high", "required", "outcome", "advisory")
        assert {name: told[name] for name in same} == {name: str(verdict[name]) for name in same}
        assert (told["base_score"], told["candidate_score"]) == (str(means["base"]), str(means["good"]))
        paired = verdict["lost"] is not None
        assert told["delta"] == (str(verdict["observed"]) if paired else "")
        assert (told["gained"], told["lost"]) == (
            (str(verdict["gained"]), str(verdict["lost"])) if paired else ("", "")
        )
        assert told["fingerprint"] == digest(run["plan"]["suites"][0]["fingerprint"])
        assert (told["base"], told["candidate"], told["report"]) == ("base", "good", "report.html#suites")


def test_sessions_without_suites_notice_nothing(pytester):
    """Ordinary tests run as if the plugin were not there."""
    pytester.makeconftest('pytest_plugins = ["harness.plugin"]')
    pytester.makepyfile("def test_fine(): pass")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert result.ret == 0
    assert "base:" not in result.stdout.str()
    assert "outcome" not in result.stdout.str()
    assert not (pytester.path / "runs").exists()


def test_regression_keeps_what_the_base_passes(repo):
    """A `keep` suite compares only pool rows that the base passed, and says why repetitions were skipped."""
    make_suite(
        repo.path,
        gates='Gate("exact_match", max_drop=0.05)',
        extra='keep=passed_by_base("exact_match", at_least=300, repeats=3)',
    )
    result = run_gate(repo, "--adapter", "good")
    assert result.ret == 0
    run_dir, run = finished_run(repo)
    assert [(entry["n"], entry["value"]) for entry in run["results"]] == [(360, 1.0), (360, 1.0)]
    assert "identical by design" in run["results"][0]["notes"][0]
    assert sorted(path.name for path in (run_dir / "records").iterdir()) == [
        "asks--base.jsonl",
        "asks--base.pool0.jsonl",
        "asks--good.jsonl",
    ]


def test_regression_measures_the_base_again_where_answers_may_differ(repo, monkeypatch):
    """On a GPU the pool is measured three times and the base once more for the comparison, all stored apart."""
    from tests.playground import FakeBackend

    monkeypatch.setattr(FakeBackend, "device", "cuda")
    make_suite(
        repo.path,
        gates='Gate("exact_match", max_drop=0.05)',
        extra='keep=passed_by_base("exact_match", at_least=300, repeats=3)',
    )
    assert run_gate(repo, "--adapter", "good").ret == 0
    asked = calls(repo)
    assert (sum(call.startswith("base") for call in asked), sum(call.startswith("good") for call in asked)) == (
        1600,
        400,
    )


def test_regression_pool_too_small_is_invalid(repo):
    """A pool of which the base passes too little decides nothing."""
    make_suite(
        repo.path,
        gates='Gate("exact_match", max_drop=0.05)',
        extra='keep=passed_by_base("exact_match", at_least=380, repeats=3)',
    )
    result = run_gate(repo, "--adapter", "good")
    assert result.ret == 11
    result.stdout.fnmatch_lines(["*INVALID: suite 'asks': the base passes 360 of 400 pool rows*"])


def test_a_slice_of_a_pool_says_what_it_lifts(repo):
    """Under `--limit` the base need not pass so many rows; the plan says so beside the rows that are left out."""
    keep = 'keep=passed_by_base("exact_match", at_least=380, repeats=3)'
    make_suite(repo.path, gates='Gate("exact_match", max_drop=0.05)', extra=keep)
    assert run_gate(repo, "--adapter", "good", "--limit", "200").ret == 0
    assert finished_run(repo)[1]["plan"]["partial_reasons"] == [
        "--limit: 200 of 400 rows of suite 'asks'; that the base passes 380 of them is not required"
    ]


def test_sigterm_is_an_interruption(repo):
    """A machine that is taken back ends the run like Ctrl-C: 13, no receipt, everything computed kept."""
    make_model(repo.path / "taken", right=380, terminate=100)
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", "--adapter", "taken", "--run-dir", "run"]
    done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode == 13, done.stdout
    assert "the same command with --run-dir run continues it" in done.stdout
    assert not (repo.path / "run" / "run.json").exists()


def test_workers_are_refused(repo):
    """With xdist each worker would load the model and the verdicts would be scattered; it is refused."""
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", "--adapter", "good", "-n", "1"]
    done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "run them without -n" in done.stdout
    assert not (repo.path / "runs").exists()


def test_other_tests_may_have_a_fixture_of_that_name(repo):
    """A test module without a suite keeps its own `check`, also beside suites in one session."""
    (repo.path / "suites" / "test_own.py").write_text(
        "import pytest\n@pytest.fixture\ndef check(): return 7\ndef test_own(check): assert check == 7\n"
    )
    result = run_gate(repo, "--adapter", "good")
    result.assert_outcomes(passed=3)
    assert result.ret == 0


def test_check_outside_a_suite_is_an_error(repo):
    """Our `check` in a module without a suite says what is missing, and the session is not green."""
    (repo.path / "suites" / "test_own.py").write_text("def test_own(check): check('x')\n")
    result = run_gate(repo, "--adapter", "good")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*test_own.py::test_own: is not in the plan*"])


def test_failing_ordinary_test_keeps_the_session_red(repo):
    """A green gate does not hide a failure elsewhere."""
    (repo.path / "suites" / "test_own.py").write_text("def test_own(): assert False\n")
    assert run_gate(repo, "--adapter", "good").ret == 1
    assert finished_run(repo)[1]["outcome"] == "PASS"


def test_report_failure_is_loud_and_changes_nothing(tmp_path):
    """A report that cannot be written is said with its cause and the way to repeat it; no exception escapes."""
    line = pytest_tunegate_report(tmp_path / "no-run")
    assert line.startswith("NO REPORT: ")
    assert line.endswith(f"tunegate report {tmp_path / 'no-run'}")


def test_every_user_repository_gets_the_verdict_line(repo):
    """Without a composition root that prints a table, the plugin itself says outcome and evidence."""
    result = run_gate(repo, "--adapter", "good", "--limit", "300")
    result.stdout.fnmatch_lines(
        ["outcome: PASS (partial: not the whole gate)", "evidence: runs/*; check it with: tunegate verify *"]
    )
