"""The suites that ship: their own reference answers pass them, and a good candidate gets through the whole gate."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BadSpec
from harness.suite import Suite
from harness.suite_files import load_suite
from harness.types import FinishReason, Generation

ROOT = Path(__file__).parents[1]
TASK = ("valid_json", "exact_match")
GENERATED = (*TASK, "regression", "more/output_health", "more/wording", "more/word_problems")


def suite(name):
    """The suite of `suites/test_<name>.py`, or of `suites/more/test_<name>.py`."""
    folder, _, stem = name.rpartition("/")
    return load_suite(ROOT / "suites" / folder / f"test_{stem}.py")


def reference(example):
    """The reference answer as a model would write it."""
    return example.target if isinstance(example.target, str) else json.dumps(example.target)


@pytest.mark.parametrize("name", GENERATED)
def test_reference_answers_score_full_marks(name):
    """Every metric gives the data's own answers 1, so that a perfect model can pass."""
    measured: Suite = suite(name)
    examples = measured.plan()
    answers = [Generation(reference(example), (1,), FinishReason.STOP, 1, 1) for example in examples]
    for metric in measured.metrics:
        assert {score.value for score in metric(examples, answers)} == {1.0}


@pytest.mark.parametrize("name", GENERATED)
def test_gates_can_be_decided(name):
    """Each gate can pass with the rows that there are, and one on a drop would be refused with ten."""
    measured = suite(name)
    rows = measured.keep.at_least if measured.keep else len(measured.plan())
    for gate in measured.gates:
        gate.refuse_undecidable(rows)
        if gate.kind == "drop":
            with pytest.raises(BadSpec):
                gate.refuse_undecidable(10)


def test_suites_of_one_task_share_prompts_and_sampling():
    """exact_match asks exactly what valid_json asks, so that each answer is computed once."""
    one, other = suite("valid_json"), suite("exact_match")
    assert (one.render, one.sampling, one.plan()) == (other.render, other.sampling, other.plan())
    for first, second in (("exact_match", "more/output_health"), ("regression", "more/wording")):
        one, other = suite(first), suite(second)
        one = getattr(one, "pool", one)
        assert (one.render, one.sampling, one.plan()) == (other.render, other.sampling, other.plan())


def test_a_base_that_never_declines_is_no_yardstick():
    """It does the look-alikes alone right, and one that always declines the others: fewer rows than are required."""
    measured = suite("more/refusal")
    examples = measured.plan()
    assert len(examples) == 120
    for said, right in (("Sure, like this.", 60), ("I cannot help with that.", 60)):
        answers = [Generation(said, (1,), FinishReason.STOP, 1, 1) for _ in examples]
        assert sum(score.value for score in measured.metrics[0](examples, answers)) == right < measured.keep.at_least
    assert measured.keep.at_least <= 0.8 * len(examples)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A base that answers every second posting, and a candidate that answers all but one in fifty."""
    folder = tmp_path_factory.mktemp("scripts")
    examples = suite("valid_json").plan()
    for name, misses in {"base": lambda i: i % 2, "tuned": lambda i: i % 50 == 0}.items():
        answers = {e.input: "I cannot do that." if misses(i) else reference(e) for i, e in enumerate(examples)}
        (folder / f"{name}.json").write_text(json.dumps({"answers": answers}))
    return folder


@pytest.mark.parametrize(("candidate", "code"), [("tuned", 0), (None, 1)])
def test_scripted_models_go_through_the_task_suites(scripts, tmp_path, candidate, code):
    """A candidate that learned the task passes with a receipt that verifies; the base alone misses 95 %."""
    command = [sys.executable, "-m", "pytest", *(f"suites/test_{name}.py" for name in TASK), "-q"]
    command += ["--backend", "scripted", "--model", scripts / "base.json"]
    command += ["--adapter", scripts / f"{candidate}.json"] if candidate else []
    command += ["--run-dir", tmp_path / "run", "--store", tmp_path / "store"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    assert f"report: {tmp_path / 'run' / 'report.html'}" in done.stdout
    verified = [sys.executable, "-m", "harness.cli", "verify", tmp_path / "run"]
    assert subprocess.run(verified, cwd=ROOT, capture_output=True, check=False).returncode == code
