"""The demo as a newcomer meets it: train on the embedded base, gate, verify. Minutes long; `make test-demo` runs it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.demo
ROOT = Path(__file__).parents[1]


def run(*words):
    """Run a module of the project from its root, as the README does."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where adapters, answers and runs of this module lie."""
    return tmp_path_factory.mktemp("demo")


def train(home, name):
    """The adapter of a shipped configuration."""
    out = home / name
    done = run("trainers", f"trainers/{name}.toml", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def default(home):
    """The default LoRA."""
    return train(home, "default")


@pytest.fixture(scope="module")
def overtrained(home):
    """The warning example."""
    return train(home, "overtrained")


def gate(home, name, *options):
    """Run the suites; exit code and run.json."""
    run_dir = home / name
    done = run("pytest", "suites/", "-q", "--store", home / "store", "--run-dir", run_dir, *options)
    return done.returncode, json.loads((run_dir / "run.json").read_text(encoding="utf-8")), run_dir


def rate(document, suite, metric, model):
    """A measured rate of run.json."""
    (found,) = [
        entry["value"]
        for entry in document["results"]
        if (entry["suite"], entry["metric"], entry["model"]) == (suite, metric, model)
    ]
    return found


@pytest.fixture(scope="module")
def shipped(home, default):
    """The demo's own run: (exit code, run.json, directory)."""
    labels = ("--labels", "suites/data/judge.labels.jsonl", "--store", home / "store")
    calibrated = run("harness.cli", "calibrate-judge", "--judge", "embedded", *labels)
    assert calibrated.returncode == 0, calibrated.stderr
    return gate(home, "shipped", "--adapter", default, "--judge", "embedded")


def decided(document):
    """The verdicts that decide."""
    return [each for each in document["verdicts"] if not each["advisory"]]


def test_the_default_lora_passes_every_gate(shipped):
    """Exit 0, outcome PASS, no gate left out."""
    code, document, _ = shipped
    assert document["outcome"] == "PASS", [each["reason"] for each in document["verdicts"]]
    assert code == 0
    assert document["partial"] is False
    assert len(decided(document)) == 5


def test_the_embedded_judge_informs_and_says_what_it_is_worth(shipped):
    """It judges its own base, so it only informs; its agreement with the labels stands in the run and in the report."""
    _, document, run_dir = shipped
    judged = [each for each in document["verdicts"] if each["suite"] == "judge"]
    assert len(judged) == 2
    assert all(each["advisory"] for each in judged)
    (entry,) = document["judge"]
    assert -1 <= entry["low"] <= entry["kappa"] <= entry["high"] <= 1
    assert "the judge is itself a model under test, or its base" in entry["objections"]
    assert f"{entry['kappa']:.2f}" in (run_dir / "report.html").read_text(encoding="utf-8")


def test_base_and_adapter_are_where_the_card_says(shipped):
    """The base knows part of the task and most facts, and misses the gate's 95 %; the adapter has learned the task."""
    _, document, _ = shipped
    assert 0.55 <= rate(document, "valid_json", "valid_json", "base") <= 0.93
    assert 0.30 <= rate(document, "exact_match", "exact_match", "base") <= 0.50
    assert 0.65 <= rate(document, "mmlu_forgetting", "acc", "base") <= 0.85
    assert rate(document, "valid_json", "valid_json", "default") >= 0.98
    assert rate(document, "exact_match", "exact_match", "default") >= 0.80


def test_verify_accepts_the_run_and_rejects_it_after_one_edit(shipped, home):
    """A second process agrees with the receipt, and notices one changed score."""
    _, _, run_dir = shipped
    assert run("harness.cli", "verify", run_dir).returncode == 0
    edited = home / "edited"
    shutil.copytree(run_dir, edited)
    record = edited / "records" / "exact_match--default.jsonl"
    record.write_text(record.read_text(encoding="utf-8").replace('"value": 0.0', '"value": 1.0', 1), encoding="utf-8")
    assert run("harness.cli", "verify", edited).returncode == 11


def test_a_second_run_measures_nothing(shipped, home, default):
    """Every answer comes from the store, and the verdicts are the same."""
    _, before, _ = shipped
    code, document, _ = gate(home, "again", "--adapter", default, "--judge", "embedded")
    assert code == 0
    assert {entry["fresh"] for entry in document["results"]} == {0}
    assert document["judge"][0]["calls"] == 0
    assert [each["observed"] for each in document["verdicts"]] == [each["observed"] for each in before["verdicts"]]


@pytest.mark.usefixtures("shipped")
def test_the_base_by_itself_fails(home):
    """Without adapter the absolute gate decides: the base misses .95."""
    code, document, _ = gate(home, "alone")
    assert (code, document["outcome"]) == (1, "FAIL")
    assert [each["suite"] for each in document["verdicts"] if each["outcome"] == "FAIL"] == ["valid_json"]


def test_overtraining_is_caught_by_the_forgetting_gate(home, shipped, overtrained):
    """The over-trained adapter loses knowledge beyond doubt, and far more than the default one."""
    code, document, _ = gate(home, "overtrained-run", "--adapter", overtrained)
    outcomes = {each["suite"]: each["outcome"] for each in document["verdicts"]}
    assert code == 1
    assert outcomes["mmlu_forgetting"] == "FAIL"
    lost = rate(document, "mmlu_forgetting", "acc", "base") - rate(document, "mmlu_forgetting", "acc", "overtrained")
    kept = rate(shipped[1], "mmlu_forgetting", "acc", "base") - rate(shipped[1], "mmlu_forgetting", "acc", "default")
    assert lost > kept + 0.03


@pytest.mark.usefixtures("shipped")
def test_two_adapters_are_green_only_together(home, default, overtrained):
    """One bad candidate is enough for a red run, and each has its own verdicts."""
    code, document, _ = gate(home, "both", "--adapter", default, "--adapter", overtrained)
    assert code == 1
    assert {each["model"] for each in document["verdicts"]} == {"default", "overtrained"}
    assert {each["outcome"] for each in decided(document) if each["model"] == "default"} == {"PASS"}


@pytest.mark.usefixtures("shipped")
def test_a_selection_is_partial(home, default):
    """`-k valid_json` passes, says that it is partial, and verify does not take it for the whole gate."""
    code, document, run_dir = gate(home, "selected", "--adapter", default, "-k", "valid_json")
    assert code == 0
    assert document["partial"] is True
    assert run("harness.cli", "verify", run_dir).returncode == 11
    assert run("harness.cli", "verify", run_dir, "--allow-partial").returncode == 0


@pytest.mark.parametrize("batch_size", [1, 3])
def test_answers_do_not_depend_on_the_batch_size(home, shipped, batch_size):
    """In fp32 on a CPU the greedy answers of the base are those of batch size 64."""
    select = ("-k", "exact_match", "--limit", "60", "--batch-size", batch_size)
    _, _, one = gate(home, f"batch{batch_size}", *select)
    outputs = [json.loads(line) for line in (one / "records/exact_match--base.jsonl").read_text().splitlines()]
    expected = {
        row["id"]: row["output"]
        for row in map(json.loads, (shipped[2] / "records/exact_match--base.jsonl").read_text().splitlines())
    }
    assert len(outputs) >= 60
    assert all(row["output"] == expected[row["id"]] for row in outputs)
