"""Runs on tasks of lm-eval whose answers are written: scored again, and held against the suite files that lie here."""

import json
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness._lm_eval_load import load
from harness.checkout import Checkout, hold_against
from harness.gates import Gate
from harness.lm_eval_task import LmEvalTask
from harness.runs import sha256
from harness.types import Outcome
from harness.verify import verify
from tests.test_lm_eval_written import FLEXIBLE, STRICT, prompts, scripted, sums, write

pytest_plugins = "pytester"


@pytest.fixture(scope="module", autouse=True)
def libraries():
    """Imported before pytester notes which modules it may forget: pyarrow registers its types only once."""
    import datasets  # noqa: F401
    import lm_eval.tasks  # noqa: F401


@pytest.fixture
def finished(pytester):
    """A repository whose gate on GSM8K passed: the base is right below 35, the candidate everywhere."""
    load.cache_clear()  # `.` was another folder in the test before
    (pytester.path / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    (pytester.path / "suites").mkdir()
    shipped = Path(__file__).parents[1] / "suites" / "test_lm_eval.py"
    text = shipped.read_text().replace("max_drop=0.02", "max_drop=0.15")
    (pytester.path / "suites" / "test_lm_eval.py").write_text(text)
    rows = sums(60)
    write(pytester.path / "test.jsonl", rows)
    write(pytester.path / "train.jsonl", sums(30, start=100))
    asked = prompts(
        LmEvalTask(
            name="gsm8k",
            version=1,
            task="gsm8k",
            gates=[Gate(STRICT, max_drop=0.3)],
            metrics=(STRICT, FLEXIBLE),
            data=str(pytester.path),
        )
    )
    for name, right in (("base", 35), ("good", 60)):
        (pytester.path / name).mkdir()
        scripted(pytester.path / name / "script.json", {asked[n]: f"#### {n + 1}" for n in range(right)})
    done = pytester.runpytest_inprocess(
        "suites", "--backend=scripted", "--model=base", "--adapter=good", "--lm-eval=gsm8k",
        "--data=gsm8k=.", "--run-dir=run", *(f"-pno:{name}" for name in ("cacheprovider", "xdist", "hypothesispytest")),
    )  # fmt: skip
    assert done.ret == 0, done.stdout.str()
    return pytester.path / "run"


def test_a_gate_on_a_written_task_runs_and_verifies(finished):
    """From the command line to a receipt: a verdict on the first filter, and answers that score the same again."""
    found = verify(finished)
    assert (found.outcome, found.disagreements, found.unchecked) == (Outcome.PASS, (), ())
    run = json.loads((finished / "run.json").read_text())
    (verdict,) = run["verdicts"]
    assert (verdict["gate"], verdict["gained"], verdict["lost"]) == (f"{STRICT}-drop<=0.15", 25, 0)
    assert {entry["metric"]: entry["value"] for entry in run["results"] if entry["model"] == "good"} == {
        STRICT: 1.0,
        FLEXIBLE: 1.0,
    }


def test_an_answer_that_scores_otherwise_is_found(finished):
    """An answer exchanged in the records and a receipt made to fit: the task's own scoring says otherwise."""
    record = finished / "records" / "lm_eval-gsm8k--good.jsonl"
    record.write_text(record.read_text().replace('"#### 7"', '"#### 8"'))
    run = json.loads((finished / "run.json").read_text())
    run["receipt"]["records"][f"records/{record.name}"]["sha256"] = sha256(record.read_bytes())
    (finished / "run.json").write_text(json.dumps(run))
    (said,) = verify(finished).disagreements
    assert said.startswith("lm_eval-gsm8k on good: row ")
    assert said.endswith(f"is recorded with {STRICT}=1.0, its answer scores 0.0")


def test_answers_that_cannot_be_scored_again_are_told(finished):
    """Without the rows, or with others, verdicts still follow from the records, and a line says what was not done."""
    repository = finished.parent
    write(repository / "train.jsonl", sums(30, start=900))
    load.cache_clear()
    (said,) = verify(finished).unchecked
    assert "its answers were not scored again: prompt of . or of lm-eval here are not those of the run" in said
    write(repository / "test.jsonl", sums(60, start=7))
    load.cache_clear()
    assert "not scored again: data, prompt of" in verify(finished).unchecked[0]
    (repository / "test.jsonl").unlink()
    load.cache_clear()
    found = verify(finished)
    assert "not scored again: .: holds no test.jsonl" in found.unchecked[0]
    assert found.outcome is Outcome.PASS


def held(finished, **how):
    """What holding the run against the suite files beside it finds."""
    return hold_against(finished, Checkout((finished.parent / "suites",), **how))


def test_a_run_on_tasks_is_held_against_the_suite_files(finished):
    """Tasks and rows were chosen by options: each must be asked for here, and then gates and rows are compared."""
    asked, rows = held(finished).faults
    assert asked.endswith("the run measured --lm-eval gsm8k too; if that is meant, add --lm-eval gsm8k")
    assert rows.endswith("the run took rows from --data, not from the suite files; see --as-measured")
    assert "--as-measured" in held(finished, tasks=("gsm8k",)).faults[0]
    found = held(finished, tasks=("gsm8k",), as_measured=True)
    assert (found.faults, found.believed) == ((), ())
    suite = finished.parent / "suites" / "test_lm_eval.py"
    suite.write_text(suite.read_text().replace("max_drop=0.15", "max_drop=0.2"))
    line, whole = held(finished, tasks=("gsm8k",), as_measured=True).faults
    assert whole.startswith("policy: is ")
    assert f"gates of 'lm_eval-gsm8k' are not those of the suite here (run: {STRICT}-drop<=0.15" in line
    write(finished.parent / "test.jsonl", sums(60, start=7))
    load.cache_clear()
    assert any("layer 'data'" in line for line in held(finished, tasks=("gsm8k",), as_measured=True).faults)


def test_a_task_that_the_run_left_out_is_said(finished):
    """What CI asks for must have been measured."""
    data = write(finished.parent / "trivia.jsonl", [{"question": "Who", "answer": {"aliases": ["A"], "value": "A"}}])
    plan = json.loads((finished / "plan.json").read_text())
    plan["options"]["data"]["triviaqa"] = str(data)
    (finished / "plan.json").write_text(json.dumps(plan))
    (line,) = held(finished, tasks=("gsm8k", "triviaqa"), as_measured=True).faults
    assert line == "suites: 'lm_eval-triviaqa' is here and the run did not measure it"
