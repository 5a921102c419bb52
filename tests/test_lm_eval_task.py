"""Tasks of lm-eval by name: its own prompts and scores on local rows, nothing from outside that computes."""

import json
import os
from pathlib import Path

import pytest

from harness._lm_eval_load import load
from harness.answers import Engine
from harness.backends.hf import HfBackend
from harness.backends.scripted import ScriptedBackend
from harness.errors import BadExamples, BadSpec, HarnessError
from harness.gates import Gate
from harness.lm_eval_task import LmEvalTask, LmEvalTasks
from harness.questions import Questions, examples, mmlu_dir
from harness.store import Store
from harness.suite import Measurable
from harness.types import ModelRef
from tests.tiny import make_adapter, make_base

YAML = """
task: colours
dataset_path: json
output_type: multiple_choice
test_split: test
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: "{{options}}"
doc_to_target: "{{options.index(right)}}"
metric_list:
  - metric: acc
  - metric: acc_norm
"""


def arc_row(number, labels="ABCD"):
    """A row as ARC's columns are; the right option is the one that repeats the number."""
    right = number % len(labels)
    texts = [f"{'very ' * place}{number if place == right else 'other'}" for place in range(len(labels))]
    return {
        "id": f"r{number}",
        "question": f"Which is {number}?",
        "choices": {"text": texts, "label": list(labels)},
        "answerKey": labels[right],
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Forty questions in ARC's columns; a fifth one repeats the first."""
    path = tmp_path_factory.mktemp("arc") / "arc.jsonl"
    made = [arc_row(number) for number in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*made, made[0]]))
    return path


@pytest.fixture
def arc(rows):
    """ARC on those questions."""
    return LmEvalTask(
        name="arc",
        version=1,
        task="arc_easy",
        gates=[Gate("acc", max_drop=0.3)],
        metrics=("acc", "acc_norm"),
        chance=0.25,
        data=str(rows),
    )


@pytest.fixture
def scripted(tmp_path):
    """A model that is right about every question below 10."""
    path = tmp_path / "model.json"
    said = {f"Question: Which is {n}?\nAnswer:": f"{'very ' * (n % 4)}{n}" for n in range(10)}
    path.write_text(json.dumps({"choices": said}))
    return ScriptedBackend().identify(ModelRef("base", str(path)))


def test_a_packaged_task_is_asked_as_lm_eval_asks_it(arc, scripted, tmp_path):
    """Prompt and options are lm-eval's for arc_easy; rows are right where it says so, repeated ones share a cluster."""
    planned = arc.plan()
    assert isinstance(arc, Measurable)
    assert len(planned) == 41
    assert planned[-1].cluster == planned[0].id != planned[-1].id
    result = arc.measure(scripted, planned, Engine(ScriptedBackend(), Store(tmp_path)))
    first = result.rows[1]
    assert first.prompt == "Question: Which is 1?\nAnswer:"
    assert (first.target, first.output) == ("very 1", "very 1")
    wrong = [row for row in result.rows if row.score("acc").value == 0]
    assert {row.prompt for row in wrong} <= {f"Question: Which is {n}?\nAnswer:" for n in range(10, 40)}
    right = {row.prompt for row in result.rows if row.score("acc").value == 1}
    assert {f"Question: Which is {n}?\nAnswer:" for n in range(10)} <= right
    assert [score.metric for score in first.scores] == ["acc", "acc_norm"]


def test_a_slice_asks_its_own_rows_and_the_store_answers_the_second_time(arc, scripted, tmp_path):
    """`--limit` measures the planned rows in order, whatever their place in the file, and nothing is asked twice."""
    store, planned = Store(tmp_path), arc.plan(12)
    first = arc.measure(scripted, planned, Engine(ScriptedBackend(), store))
    again = arc.measure(scripted, planned, Engine(ScriptedBackend(), store))
    assert [row.id for row in first.rows] == [example.id for example in planned]
    assert [row.target for row in first.rows] == [example.target for example in planned]
    assert (again.fresh, again.rows) == (0, first.rows)
    whole = {row.id: row for row in arc.measure(scripted, arc.plan(), Engine(ScriptedBackend(), store)).rows}
    assert all(whole[row.id].scores == row.scores for row in first.rows)


@pytest.mark.slow
def test_real_weights_and_lm_eval_s_own_model_agree(arc, tmp_path):
    """On a tiny model and its adapter the rows are right exactly where lm-eval's own class for transformers says so."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    base = make_base(tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "lora")
    backend = HfBackend("cpu", batch_size=8)
    for ref in (ModelRef("base", str(base)), ModelRef("lora", str(base), adapter=str(adapter))):
        model = backend.identify(ref)
        result = arc.measure(model, arc.plan(), Engine(backend, Store(tmp_path / "store")))
        loaded, task = backend.loaded(model), load("arc_easy", arc.data).task
        plain = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=8, softmax_dtype="float32")
        given = {"tasks": {"arc_easy": task}, "groups": {}, "group_map": {}}
        said = evaluate(lm=plain, task_dict=given, bootstrap_iters=0)["samples"]["arc_easy"]
        for metric in arc.metrics:
            assert [row.score(metric).value for row in result.rows] == [entry[metric] for entry in said]


def test_each_change_shows_in_its_layer_alone(arc, rows):
    """Another task with the same rows asks otherwise; other rows are other data."""
    before = arc.fingerprint(arc.plan())
    assert before == arc.fingerprint(arc.plan())
    fewer = arc.fingerprint(arc.plan(20))
    assert {name for name in before if before[name] != fewer[name]} == {"data"}
    assert load("arc_easy", str(rows)).prompt != load("arc_challenge", str(rows)).prompt


def test_tasks_that_are_asked_for_become_suites(rows):
    """Each has a gate on its first metric, all metrics that can be gated, and what guessing scores."""
    (suite,) = LmEvalTasks(max_drop=0.02).asked(["arc_easy"], {"arc_easy": str(rows)})
    assert (suite.name, suite.chance, suite.metrics) == ("lm_eval-arc_easy", 0.25, ("acc", "acc_norm"))
    assert [str(gate) for gate in suite.gates] == ["acc-drop<=0.02"]
    assert LmEvalTasks(max_drop=0.02).asked([], {}) == ()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("arc_eazy", "lm-eval has no such task; did you mean arc_easy"),
        ("qqqqqqqq", "lm-eval has no such task; `lm-eval ls tasks` lists them"),
        ("ai2_arc", "is a group of tasks"),
    ],
)
def test_tasks_that_cannot_be_gated_row_by_row_are_refused(task, message):
    """Unknown names, groups, and tasks that roll over whole texts, each in one line and before any data."""
    with pytest.raises(BadSpec, match=message):
        load(task)


def test_a_task_without_its_data_says_what_to_do(monkeypatch):
    """Where the Hub is not to be had, the message names --data."""
    import datasets

    def offline(*_args, **_options):
        raise ConnectionError("no network here")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(BadExamples, match=r"cannot be loaded \(ConnectionError.*give its rows with --data boolq=FILE"):
        load("boolq")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "1: not JSON"),
        ("[1]", "1: is no object"),
        (json.dumps(arc_row(1) | {"answerKey": "Z"}), "cannot be loaded|right answer of row 1"),
    ],
)
def test_bad_rows_are_refused_with_their_line(tmp_path, line, message):
    """Malformed rows and rows without a right answer decide nothing."""
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(HarnessError, match=message):
        load("arc_easy", str(path))


def colours(tmp_path, text=YAML):
    """A task file of one's own, and its rows."""
    data = tmp_path / "colours.jsonl"
    data.write_text(
        "".join(
            json.dumps({"question": f"colour {n}?", "options": ["red", "blue"], "right": "red"}) + "\n"
            for n in range(9)
        )
    )
    path = tmp_path / "colours.yaml"
    path.write_text(text)
    return str(path), str(data)


def test_a_task_file_that_only_describes_is_measured(tmp_path, scripted):
    """A YAML file outside of lm-eval, with templates, on local rows."""
    task, data = colours(tmp_path)
    (suite,) = LmEvalTasks(max_drop=0.5).asked([task], {"colours": data})
    result = suite.measure(scripted, suite.plan(), Engine(ScriptedBackend(), Store(tmp_path / "store")))
    assert {row.prompt for row in result.rows} == {f"Q: colour {n}?\nA:" for n in range(9)}
    assert {row.target for row in result.rows} == {"red"}
    assert suite.chance == 0.5


HOSTILE = "{{ ''.__class__.__mro__[1].__subclasses__() }}"


CODE = {
    "function": (lambda text: text + "process_docs: !function evil.run\n", "holds code or is no YAML"),
    "template": (lambda text: text.replace("doc_to_text:", "doc_to_text: !function evil.run #"), "holds code"),
    "python tag": (lambda text: text + "class: !!python/name:os.system\n", "holds code or is no YAML"),
    "include": (lambda text: text + "include: other.yaml\n", "'include' is not taken"),
    "rows": (lambda text: text + "process_docs: evil.run\n", "'process_docs' is not taken"),
    "prompt": (lambda text: text + "use_prompt: promptsource:x\n", "'use_prompt' is not taken"),
    "metric": (
        lambda text: text.replace("metric: acc_norm", "metric: evil"),
        "metrics of a task file are",
    ),
    "hub": (
        lambda text: text.replace("metric: acc_norm", "metric: acc\n    hf_evaluate: true"),
        "metrics of a task file",
    ),
    "jinja": (lambda text: text.replace("{{question}}", HOSTILE), "tries what is not allowed"),
    "nameless": (lambda text: text.replace("task: colours\n", ""), "names no `task`"),
    "torn": (lambda _text: "task: [\n", "holds code or is no YAML"),
}


@pytest.mark.parametrize("kind", CODE)
def test_a_task_file_with_code_is_refused_and_never_run(tmp_path, kind):
    """Functions, includes, metrics from the Hub and templates that reach for Python objects are refused by name."""
    (tmp_path / "evil.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\nrun = print\n"
    )
    change, message = CODE[kind]
    task, data = colours(tmp_path, change(YAML))
    with pytest.raises(BadSpec, match=message):
        load(task, data)
    assert not (tmp_path / "ran").exists()


def test_the_sandbox_is_taken_away_again(tmp_path):
    """Packaged tasks keep lm-eval's own templates."""
    import lm_eval.utils

    before = lm_eval.utils.env
    load(*colours(tmp_path))
    assert lm_eval.utils.env is before


def test_the_packaged_mmlu_asks_real_rows_as_our_own_suite_does(tmp_path):
    """Set TUNEGATE_DATA to a folder with mmlu/test: lm-eval's own task and `mmlu_dir` give the same prompts."""
    home = os.environ.get("TUNEGATE_DATA")
    if not home:
        pytest.skip("TUNEGATE_DATA is not set: the real MMLU files are not part of the project")
    subject = min((Path(home) / "mmlu" / "test").glob("*_test.csv")).stem.removesuffix("_test")
    questions = [each for each in mmlu_dir(Path(home) / "mmlu").read().test if each.subject == subject]
    rows = tmp_path / "rows.jsonl"
    made = [{"question": each.text, "choices": list(each.options), "answer": each.answer} for each in questions]
    rows.write_text("".join(json.dumps(row) + "\n" for row in made))
    loaded = load(f"mmlu_{subject}", str(rows))
    ours = examples(Questions(tuple(questions)), 0)
    assert [row.target for row in loaded.rows] == [example.target for example in ours]
    assert [loaded.task.fewshot_context(doc, 0) for doc in loaded.task.eval_docs] == [example.input for example in ours]


def test_a_metric_that_the_task_does_not_score_is_refused(arc):
    """The gate would look at nothing."""
    other = LmEvalTask(
        name="a", version=1, task="arc_easy", gates=[Gate("f1", max_drop=0.3)], metrics=("f1",), data=arc.data
    )
    with pytest.raises(BadSpec, match="arc_easy scores acc, acc_norm, not 'f1'"):
        other.plan()
