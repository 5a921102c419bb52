"""Tasks of lm-eval whose answers are written: asked and scored as lm-eval does, row by row."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness._lm_eval_load import load
from harness._lm_eval_written import Decoding, greedy, is_rate
from harness.answers import Engine
from harness.backends.hf import HfBackend
from harness.backends.scripted import ScriptedBackend
from harness.errors import BadExamples, BadSpec, ModelProblem, NotMeasured
from harness.gates import Gate
from harness.lm_eval_task import LmEvalTask, LmEvalTasks
from harness.store import Store
from harness.types import FinishReason, ModelRef
from tests.tiny import make_adapter, make_base

STRICT, FLEXIBLE = "exact_match,strict-match", "exact_match,flexible-extract"


def sums(count, start=0):
    """Rows in GSM8K's columns: `n + 1`."""
    return [
        {"question": f"What is {n} plus one?", "answer": f"One more than {n} is {n + 1}.\n#### {n + 1}"}
        for n in range(start, start + count)
    ]


def write(path, rows):
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty rows to measure, and thirty from which five are shown before each."""
    path = tmp_path_factory.mktemp("gsm8k")
    write(path / "test.jsonl", sums(40))
    write(path / "train.jsonl", sums(30, start=100))
    return path


@pytest.fixture
def gsm8k(folder):
    """GSM8K as lm-eval ships it, on those rows."""
    return LmEvalTask(
        name="gsm8k",
        version=1,
        task="gsm8k",
        gates=[Gate(STRICT, max_drop=0.3)],
        metrics=(STRICT, FLEXIBLE),
        data=str(folder),
    )


def prompts(task):
    """What lm-eval itself asks, row by row, when all rows are measured."""
    loaded = load(task.task, task.data)
    loaded.reseed()
    return [loaded.task.fewshot_context(doc, loaded.shots) for doc in loaded.task.eval_docs]


def scripted(path, answers, default="no idea"):
    """A model that says `answers` by prompt."""
    path.write_text(json.dumps({"answers": answers, "default": default}))
    return ScriptedBackend().identify(ModelRef("base", str(path)))


@pytest.fixture
def model(gsm8k, tmp_path):
    """Right and marked below row 10, right without a mark below 20, right too late at 20, cut at 21, else lost."""
    asked = prompts(gsm8k)
    said = {
        **{asked[n]: f" It is.\n#### {n + 1}\n\nQuestion: and then? #### 7" for n in range(10)},
        **{asked[n]: f" It is {n + 1}" for n in range(10, 20)},
        asked[20]: " Well.\n\nQuestion: what is it?\n#### 21",
        asked[21]: {"text": " It is 22, no, 2", "truncated": True},
    }
    return scripted(tmp_path / "model.json", said)


def test_gsm8k_is_asked_cut_and_scored_as_lm_eval_does(gsm8k, model, tmp_path):
    """Five worked examples, text up to the first `until`, both filters, and what each filter left of the answer."""
    result = gsm8k.measure(model, gsm8k.plan(), Engine(ScriptedBackend(), Store(tmp_path)))
    assert [row.prompt for row in result.rows] == prompts(gsm8k)
    assert result.rows[0].prompt.count("Question:") == 6
    assert [row.score(STRICT).value for row in result.rows] == [1.0] * 10 + [0.0] * 30
    assert [row.score(FLEXIBLE).value for row in result.rows] == [1.0] * 20 + [0.0] * 20
    first, late = result.rows[0], result.rows[20]
    assert (first.output, first.score(STRICT).answer, first.target) == (
        " It is.\n#### 1\n\n",
        "1",
        sums(1)[0]["answer"],
    )
    assert (late.output, late.score(FLEXIBLE).answer, late.finish_reason) == (
        " Well.\n\n",
        "[invalid]",
        FinishReason.STOP,
    )


def test_a_truncated_answer_keeps_lm_eval_s_score_and_is_flagged(gsm8k, tmp_path):
    """lm-eval scores what there is; the row says that it was cut, and a note counts such rows."""
    asked = prompts(gsm8k)
    long = {"text": "#### 22", "truncated": True}
    over = {**long, "text": "#### 24\n\nQuestion: and what is"}
    model = scripted(tmp_path / "m.json", {asked[21]: long, asked[22]: {**long, "text": "x" * 300}, asked[23]: over})
    result = gsm8k.measure(model, gsm8k.plan(), Engine(ScriptedBackend(), Store(tmp_path)))
    right, wrong, ended = result.rows[21:24]
    assert (ended.finish_reason, ended.score(STRICT).value) == (FinishReason.STOP, 1.0)  # what was lost is cut anyway
    assert (right.finish_reason, right.score(STRICT).value) == (FinishReason.LENGTH, 1.0)
    assert (wrong.finish_reason, wrong.score(STRICT).reason_code, wrong.new_tokens) == (
        FinishReason.LENGTH,
        "truncated",
        256,
    )
    assert result.notes == (
        "2 of 40 answers were cut at 256 tokens; they are scored as far as they go, as lm-eval does",
    )


def test_the_store_answers_the_second_time_and_a_slice_asks_the_same(gsm8k, model, tmp_path):
    """Worked examples are drawn alike for every model, and alike for a row whatever else is measured."""
    store = Store(tmp_path)
    whole = gsm8k.measure(model, gsm8k.plan(), Engine(ScriptedBackend(), store))
    again = gsm8k.measure(model, gsm8k.plan(), Engine(ScriptedBackend(), store))
    some = gsm8k.measure(model, gsm8k.plan(12), Engine(ScriptedBackend(), store))
    assert (whole.fresh, again.fresh, some.fresh) == (40, 0, 0)
    assert again.rows == whole.rows
    by_id = {row.id: row for row in whole.rows}
    assert [by_id[row.id] for row in some.rows] == list(some.rows)


def test_asking_otherwise_shows_in_its_layer(gsm8k, folder, tmp_path):
    """Other worked examples are another prompt; where and how text ends is another decoding."""
    before = gsm8k.fingerprint(gsm8k.plan())
    write(tmp_path / "test.jsonl", sums(40))
    write(tmp_path / "train.jsonl", sums(30, start=500))
    other = replace(gsm8k, data=str(tmp_path)).fingerprint(gsm8k.plan())
    assert {layer for layer in before if before[layer] != other[layer]} == {"prompt"}
    trivia = write(tmp_path / "trivia.jsonl", [{"question": "Who", "answer": {"aliases": ["A", "B"]}}])
    assert load("triviaqa", str(trivia)).decoding == Decoding(256, ("\n", ".", ","))
    assert load("gsm8k", str(folder)).decoding == Decoding(256, ("Question:", "</s>", "<|im_end|>"))


def test_tasks_that_are_asked_for_get_a_gate_on_their_first_metric(folder):
    """`--lm-eval gsm8k` gates the first of lm-eval's filters; guessing scores nothing."""
    (suite,) = LmEvalTasks(max_drop=0.02).asked(["gsm8k"], {"gsm8k": str(folder)})
    assert (suite.metrics, suite.chance) == ((STRICT, FLEXIBLE), 0.0)
    assert [str(gate) for gate in suite.gates] == [f"{STRICT}-drop<=0.02"]


def test_several_right_answers_are_all_taken(tmp_path):
    """TriviaQA knows aliases; each of them is right, in any case, and the record names all."""
    rows = [{"question": f"Who is {n}", "answer": {"aliases": [f"Ann {n}", f"Mrs {n}"]}} for n in range(3)]
    data = write(tmp_path / "triviaqa.jsonl", rows)
    (suite,) = LmEvalTasks(max_drop=0.5).asked(["triviaqa"], {"triviaqa": str(data)})
    asked = {f"Question: Who is {n}?\nAnswer:": text for n, text in enumerate((" ann 0", " Mrs 1\nbecause", " Bob"))}
    model = scripted(tmp_path / "m.json", asked)
    result = suite.measure(model, suite.plan(), Engine(ScriptedBackend(), Store(tmp_path)))
    assert [row.scores[0].value for row in result.rows] == [1.0, 1.0, 0.0]
    assert result.rows[1].target == '["Ann 1", "Mrs 1"]'
    assert result.rows[1].scores[0].answer == "Mrs 1"


def test_a_task_that_is_code_of_lm_eval_is_measured_on_its_own_rows(monkeypatch, tmp_path):
    """squad_completion is a class; it says itself how answers end, and --data cannot replace its rows."""
    import datasets

    rows = datasets.Dataset.from_list([{"text": f"The sky of {n} is", "value": "blue"} for n in range(4)])
    monkeypatch.setattr(datasets, "load_dataset", lambda *_args, **_options: {"validation": rows})
    load.cache_clear()
    (suite,) = LmEvalTasks(max_drop=0.5).asked(["squad_completion"], {})
    model = scripted(tmp_path / "m.json", {"The sky of 1 is": " light blue today", "The sky of 2 is": " red\n\nblue"})
    result = suite.measure(model, suite.plan(), Engine(ScriptedBackend(), Store(tmp_path)))
    assert [row.score("contains").value for row in result.rows] == [0.0, 1.0, 0.0, 0.0]
    assert load("squad_completion").decoding == Decoding(256, ("\n\n",))
    with pytest.raises(BadSpec, match="fetches its own rows; leave --data out"):
        load("squad_completion", str(write(tmp_path / "x.jsonl", [{"text": "a", "value": "b"}])))
    load.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["gsm8k", "triviaqa"])
def test_real_weights_and_lm_eval_s_own_model_agree(task, tmp_path):
    """On a tiny model and its adapter, texts and scores equal those of lm-eval's own class for transformers."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    made = {
        "gsm8k": {"test": sums(6), "train": sums(20, start=50)},
        "triviaqa": {"validation": [{"question": f"Who is {n}", "answer": {"aliases": ["z", "\t"]}} for n in range(5)]},
    }
    made["triviaqa"]["train"] = made["triviaqa"]["validation"]
    for split, rows in made[task].items():
        write(tmp_path / f"{split}.jsonl", rows)
    base = make_base(tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "lora")
    backend = HfBackend("cpu", batch_size=8)
    (suite,) = LmEvalTasks(max_drop=0.5).asked([task], {task: str(tmp_path)})
    loaded, texts = load(task, suite.data), set()
    for ref in (ModelRef("base", str(base)), ModelRef("lora", str(base), adapter=str(adapter))):
        model = backend.identify(ref)
        result = suite.measure(model, suite.plan(), Engine(backend, Store(tmp_path / "store")))
        held = backend.loaded(model)
        plain = HFLM(pretrained=held.model, tokenizer=held.tokenizer, batch_size=8)
        loaded.reseed()
        del loaded.task.build_all_requests
        given = {"tasks": {task: loaded.task}, "groups": {}, "group_map": {}}
        found = evaluate(lm=plain, task_dict=given, bootstrap_iters=0)["samples"][task]
        said = {(entry["doc_id"], entry["filter"]): entry for entry in found}
        for place, row in enumerate(result.rows):
            for metric in suite.metrics:
                entry = said[place, metric.partition(",")[2]]
                assert row.output == entry["resps"][0][0]
                assert row.score(metric).value == entry["exact_match"]
        texts |= {row.output for row in result.rows}
    assert len(texts) > len(result.rows)


def test_a_prompt_beyond_the_context_loses_its_start(tmp_path, gsm8k):
    """As with lm-eval, and the reader is told how many; a context without room for any prompt is refused."""
    base = make_base(tmp_path / "base", max_position_embeddings=300)
    backend = HfBackend("cpu", batch_size=8)
    model = backend.identify(ModelRef("base", str(base)))
    result = gsm8k.measure(model, gsm8k.plan(4), Engine(backend, Store(tmp_path / "store")))
    assert "4 of 4 prompts exceed the model's context and were cut at the start" in result.notes
    assert {row.prompt_tokens for row in result.rows} == {300 - 256}
    held = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**held, "max_position_embeddings": 256}))
    with pytest.raises(ModelProblem, match="no room for a prompt beside an answer of 256"):
        gsm8k.measure(model, gsm8k.plan(4), Engine(backend, Store(tmp_path / "store")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_sample": True, "temperature": 0.7}, "draws its answers"),
        ({"temperature": 0.7}, "draws its answers"),
        ({"do_sample": False, "num_beams": 4}, "sets num_beams=4"),
    ],
)
def test_decoding_that_is_not_reproduced_is_refused(settings, message):
    """Sampling and beams are refused in one line; what greedy decoding ignores is not."""
    with pytest.raises(BadSpec, match=message):
        greedy({"until": ["\n"], **settings}, "x")
    assert greedy({"until": "\n", "do_sample": False, "top_p": 0.9, "max_gen_toks": 7}, "x") == Decoding(7, ("\n",))


def test_a_task_that_samples_or_repeats_is_refused_by_name(folder):
    """Self-consistency draws 64 answers to each row."""
    with pytest.raises(BadSpec, match="asks every row 64 times"):
        load("gsm8k_cot_self_consistency", str(folder))


def test_worked_examples_need_their_own_split(tmp_path):
    """One file has no rows to show; the message names the folder that has."""
    data = write(tmp_path / "gsm8k.jsonl", sums(3))
    with pytest.raises(BadSpec, match=r"one file does not have; give a folder with a \.jsonl file for each split"):
        load("gsm8k", str(data))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadExamples, match=r"holds no \.jsonl file"):
        load("gsm8k", str(empty))
    write(empty / "train.jsonl", sums(8))
    with pytest.raises(BadExamples, match=r"holds no test\.jsonl, which the task reads"):
        load("gsm8k", str(empty))


def test_rows_without_an_answer_are_refused(tmp_path):
    """An empty answer would be matched by silence."""
    data = write(tmp_path / "t.jsonl", [{"question": "Who", "answer": {"aliases": []}}])
    with pytest.raises(BadExamples, match=r"right answer of row 1 is \[\], which is none"):
        load("triviaqa", str(data))


def test_a_score_that_is_no_rate_is_not_measured(gsm8k, model, tmp_path, monkeypatch):
    """A metric that leaves [0, 1] on some answer cannot be gated."""
    task = load("gsm8k", gsm8k.data).task
    monkeypatch.setattr(task, "process_results", lambda _doc, _said: {"exact_match": 1.5})
    with pytest.raises(NotMeasured, match=r"suite 'gsm8k': lm-eval gave row \w+ exact_match,strict-match=1.5"):
        gsm8k.measure(model, gsm8k.plan(), Engine(ScriptedBackend(), Store(tmp_path)))


def test_rates_are_numbers_within_0_and_1():
    """Whatever type lm-eval's metrics give; text, lists, nothing and NaN are none."""
    import numpy as np

    assert all(map(is_rate, (0, 1, 0.5, True, np.float64(1.0), np.bool_(False), np.int64(1))))
    assert not any(map(is_rate, (-0.1, 1.5, math.nan, "1", None, [1.0], {}, np.float64("nan"))))


def test_a_metric_that_is_no_rate_is_not_offered(tmp_path, monkeypatch):
    """Metrics are tried on right answers first; a task without any that fits is refused."""
    from lm_eval.api.task import ConfigurableTask

    monkeypatch.setattr(ConfigurableTask, "process_results", lambda _task, _doc, _said: {"exact_match": 100.0})
    data = write(tmp_path / "t.jsonl", [{"question": "Who", "answer": {"aliases": ["A"]}}])
    with pytest.raises(BadSpec, match="has no metric that is a mean of rates"):
        load("triviaqa", str(data))


def test_the_real_gsm8k_is_asked_as_lm_eval_asks_it(tmp_path):
    """Set TUNEGATE_DATA to a folder with gsm8k/*.jsonl: right answers to real rows are right by both filters."""
    home = os.environ.get("TUNEGATE_DATA")
    if not home:
        pytest.skip("TUNEGATE_DATA is not set: the real GSM8K rows are not part of the project")
    file = min((Path(home) / "gsm8k").glob("*.jsonl"))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    write(tmp_path / "train.jsonl", rows[:20])
    write(tmp_path / "test.jsonl", rows[20:])
    (suite,) = LmEvalTasks(max_drop=0.02).asked(["gsm8k"], {"gsm8k": str(tmp_path)})
    answers = dict(zip(prompts(suite), (row["answer"].rpartition("\n")[2] for row in rows[20:]), strict=True))
    model = scripted(tmp_path / "m.json", answers)
    result = suite.measure(model, suite.plan(), Engine(ScriptedBackend(), Store(tmp_path)))
    assert len(result.rows) == len(rows) - 20 > 100
    assert {score.value for row in result.rows for score in row.scores} == {1.0}
