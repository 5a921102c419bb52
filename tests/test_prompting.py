"""Prompting first: the base with worked examples or constrained decoding, beside the candidates and over them."""

import json

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.closing import closing_lines
from harness.errors import BadSpec
from harness.gates import Gate
from harness.prompting import best_prompt, prompting
from harness.types import Example, Outcome, Sampling
from harness.verify import verify
from tests.playground import calls, finished_run, make_model, make_suite, run_gate
from tests.results import result

pytest_plugins = "pytester"

SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
EXTRA = "prompting=prompting(shots=jsonl('shots.jsonl'), count=2)"
BACKEND = """
class Asked(FakeBackend):
    def generate(self, model, prompts, sampling, on_batch):
        def better(pairs):
            shown = [prompts[index].text.count("assistant: yes") for index, _ in pairs]
            on_batch([
                (index, replace(answer, text="yes") if shots == 2 and index < FEW else answer)
                for (index, answer), shots in zip(pairs, shown)
            ])
        super().generate(model, prompts, sampling, better)
harness.session.make_backend = lambda options: Asked()
"""


@pytest.fixture
def repo(pytester, monkeypatch):
    """A base that answers 300 of 400, and 340 once it was shown two examples."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    suite = make_suite(pytester.path, gates=GATES, extra=EXTRA)
    suite.write_text("from harness.prompting import prompting\n" + suite.read_text())
    shots = ({"input": f"worked example {number}", "output": "yes"} for number in range(3))
    (suite.parent / "shots.jsonl").write_text("".join(json.dumps(shot) + "\n" for shot in shots))
    conftest = pytester.path / "conftest.py"
    conftest.write_text(f"from dataclasses import replace\nFEW = 340\n{conftest.read_text()}{BACKEND}")
    make_model(pytester.path / "base", right=300)
    make_model(pytester.path / "good", right=390)
    make_model(pytester.path / "like-a-prompt", right=342)
    return pytester


GATES = 'Gate("exact_match", min_gain=0.05, over="best_prompt")'


@pytest.mark.parametrize(("adapter", "code", "outcome"), [("good", 0, "PASS"), ("like-a-prompt", 1, "FAIL")])
def test_adapter_must_beat_the_best_prompt(repo, adapter, code, outcome):
    """An adapter that gains 10 points over the bare base and none over two examples is not worth it."""
    done = run_gate(repo, "--adapter", adapter, "--prompting", "few-shot")
    run_dir, run = finished_run(repo)
    assert (done.ret, run["outcome"]) == (code, outcome)
    assert verify(run_dir).outcome == outcome
    reason = run["verdicts"][0]["reason"]
    assert reason.startswith("over base+few-shot, the best of 2 prompts: ")
    assert ("the adapter is not worth it" in reason) == (outcome == "FAIL")


def test_prompted_rows_are_measured_and_never_judged(repo):
    """The row stands in models, results and records; items and verdicts are the candidate's alone."""
    done = run_gate(repo, "--adapter", "good", "--prompting", "few-shot")
    _, run = finished_run(repo)
    assert [model["name"] for model in run["models"]] == ["base", "good", "base+few-shot"]
    values = {entry["model"]: entry["value"] for entry in run["results"]}
    assert values == {"base": 0.75, "good": 0.975, "base+few-shot": 0.85}
    assert {verdict["model"] for verdict in run["verdicts"]} == {"good"}
    (beyond,) = run["prompting"]
    assert (beyond["model"], beyond["over"], beyond["value"]) == ("good", "base+few-shot", pytest.approx(0.125))
    done.stdout.fnmatch_lines(["asks: good minus base+few-shot, the best prompt: +12.5 points *"])


def test_the_share_of_the_gain_that_prompting_has(repo):
    """Two examples take the base from 75 to 85 %, the adapter takes it to 97.5 %: four ninths of the gain are free."""
    done = run_gate(repo, "--adapter", "good", "--prompting", "few-shot")
    (beyond,) = finished_run(repo)[1]["prompting"]
    assert beyond["share"] == pytest.approx(40 / 90)
    assert beyond["share_low"] < 40 / 90 < beyond["share_high"]
    done.stdout.fnmatch_lines(["*; base+few-shot alone has 44% of the gain"])


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (-3.33, "base+few-shot alone has none of the gain, it is below the bare base"),
        (0.0, "base+few-shot alone has 0% of the gain"),
        (1.0, "base+few-shot alone has 100% of the gain"),
        (2.5, "base+few-shot alone gains 2.5 times as much"),
    ],
)
def test_a_share_that_is_no_part_is_put_into_words(share, words):
    """A prompt that loses has no negative percentage of a gain, and one that gains more has no part of it."""
    entry = dict.fromkeys(("value", "low", "high"), 0.1) | {"suite": "asks", "metric": "m", "model": "good"}
    run = {"sweep": None, "judge": [], "trajectory": None, "plan": {"trajectory": None}, "store": {"damaged": 0}}
    (line,) = closing_lines(run | {"prompting": [{**entry, "over": "base+few-shot", "share": share}]})
    assert line.endswith(f"; {words}")


def with_context(repo, rows):
    """The suite with retrieved text; the base answers 340 when it holds what the fake engine looks for."""
    suite = repo.path / "suites" / "test_asks.py"
    suite.write_text(suite.read_text().replace(EXTRA, "prompting=prompting(context=jsonl('context.jsonl'))"))
    found = [
        {"input": f"asks: question {n}", "output": f"assistant: yes, assistant: yes, page {n}"} for n in range(rows)
    ]
    (suite.parent / "context.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))


def test_context_is_what_retrieval_would_have_done(repo):
    """Each question is asked with its own retrieved text before it, in one turn, and the row is one of the prompts."""
    with_context(repo, 400)
    done = run_gate(repo, "--adapter", "good", "--prompting", "context")
    run_dir, run = finished_run(repo)
    assert {entry["model"]: entry["value"] for entry in run["results"]}["base+context"] == 0.85
    assert run["prompting"][0]["over"] == "base+context"
    assert (done.ret, verify(run_dir).disagreements) == (0, ())
    rows = [json.loads(line) for line in (run_dir / "records" / "asks--base+context.jsonl").read_text().splitlines()]
    assert rows[7]["prompt"] == "user: assistant: yes, assistant: yes, page 7\n\nasks: question 7"


def test_a_question_without_context_is_not_asked_without(repo):
    """A row that nothing was retrieved for makes the run INVALID, rather than a plain question among others."""
    with_context(repo, 399)
    done = run_gate(repo, "--adapter", "good", "--prompting", "context")
    assert done.ret == 11
    done.stdout.fnmatch_lines(["*1 of 400 examples have no context, first *"])


def test_context_in_the_rows_reaches_base_and_adapter_alike(repo):
    """Retrieved text in a row's input is read by both, so that retrieval and adapter are measured together."""
    data = repo.path / "suites" / "data" / "asks.jsonl"
    data.write_text(data.read_text().replace('"input": "', '"input": "found: a page. '))
    run_gate(repo, "--adapter", "good")
    run_dir, _ = finished_run(repo)
    for model in ("base", "good"):
        rows = (run_dir / "records" / f"asks--{model}.jsonl").read_text().splitlines()
        assert all(json.loads(row)["prompt"].startswith("user: found: a page. asks:") for row in rows)


def test_the_base_s_scores_are_spoken_about_in_the_notes(repo):
    """A base that answers nothing, and one that answers nearly everything, are noted; one between is not."""
    for right, said in ((0, "capability absent: base gets"), (385, "base headroom: base scores"), (300, "")):
        make_model(repo.path / f"base{right}", right=right)
        run_gate(repo, "--adapter", "good", "--run-dir", f"run{right}", model=f"base{right}")
        results = json.loads((repo.path / f"run{right}" / "run.json").read_text())["results"]
        notes = {entry["model"]: " ".join(entry["notes"]) for entry in results}
        assert said in notes["base"]
        assert bool(notes["base"]) == bool(said)
        assert notes["good"] == ""


def test_suite_without_schema_is_asked_as_the_base(repo):
    """Where a suite has nothing for a way of prompting, the base's answers stand, and a note says so."""
    run_gate(repo, "--adapter", "good", "--prompting", "constrained")
    _, run = finished_run(repo)
    (row,) = [entry for entry in run["results"] if entry["model"] == "base+constrained"]
    assert (row["value"], row["fresh"]) == (0.75, 0)
    assert "nothing for constrained prompting" in row["notes"][0]
    assert len(calls(repo)) == 800


def test_verify_recomputes_what_an_adapter_adds(repo):
    """A difference over the best prompt that the records do not give is noticed."""
    run_gate(repo, "--adapter", "good", "--prompting", "few-shot")
    run_dir, run = finished_run(repo)
    run["prompting"][0]["low"] = 0.3
    (run_dir / "run.json").write_text(json.dumps(run))
    assert verify(run_dir).outcome is Outcome.INVALID


def test_measured_example_is_no_worked_example(repo):
    """A shot that the suite asks would give its answer away; the run is INVALID."""
    shots = repo.path / "suites" / "shots.jsonl"
    shots.write_text("".join(json.dumps({"input": f"asks: question {n}", "output": "yes"}) + "\n" for n in (1, 2)))
    done = run_gate(repo, "--adapter", "good", "--prompting", "few-shot")
    assert done.ret == 11
    done.stdout.fnmatch_lines(["*worked example 'asks: question 1' is measured too*"])


def test_unknown_way_is_a_usage_error(repo):
    """The option names the ways there are."""
    done = run_gate(repo, "--prompting", "beg")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*'beg' is no way of prompting; give few-shot or constrained or context*"])


def test_schema_enters_the_sampling():
    """Only the constrained row is held to the schema."""
    spec = prompting(schema=SCHEMA)
    assert json.loads(spec.constrain("constrained", Sampling(4)).schema) == SCHEMA
    assert spec.constrain("few-shot", Sampling(4)) == Sampling(4)
    assert spec.turns("constrained", []) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (prompting, "give shots, a schema, or both"),
        (lambda: prompting(schema=SCHEMA, count=0), "at least 1"),
        (lambda: prompting(shots=Few(), count=2).turns("few-shot", []), "1 worked examples, 2 are wanted"),
        (lambda: Gate("m", max_drop=0.1, over="best_prompt"), "goes with min_gain"),
        (lambda: Gate("m", min_gain=0.1, over="nothing"), "is 'base' or 'best_prompt'"),
    ],
)
def test_specification_that_makes_no_sense_is_refused(make, message):
    """Nothing to prompt with, too few examples, and a gain over something else are refused by name."""
    with pytest.raises(BadSpec, match=message):
        make()


class Few:
    """A source of one worked example."""

    def read(self):
        """The one."""
        return (Example("1", "in", "out"),)


def test_best_prompt_of_equals_is_the_plainest():
    """When examples bring nothing, the base itself is what must be beaten."""
    rows = [result([1.0, 0.0], model="base"), result([0.0, 1.0], model="base+few-shot")]
    assert best_prompt("accuracy", rows).model == "base"
    assert str(Gate("m", min_gain=0.1, over="best_prompt")) == "m-gain>=0.1-over-best-prompt"
