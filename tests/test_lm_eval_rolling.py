"""Tasks of lm-eval on whole documents: as likely as lm-eval says, kept, reported, and gated by nobody."""

import json
import math
from pathlib import Path

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness._lm_eval_load import load
from harness._lm_eval_model import StoredModel
from harness.answers import Engine
from harness.backends.hf import HfBackend
from harness.backends.scripted import ScriptedBackend
from harness.errors import BadSpec, NotMeasured
from harness.gates import Gate
from harness.lm_eval_rolling import LmEvalRolling
from harness.lm_eval_suite import evaluate
from harness.lm_eval_task import LmEvalTask, LmEvalTasks
from harness.store import Store
from harness.suite import Measurable
from harness.types import ModelRef, Outcome
from harness.verify import verify
from tests.tiny import make_base

pytest_plugins = "pytester"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Five documents in wikitext's columns; one is longer than the tiny base's context, the last repeats the first."""
    path = tmp_path_factory.mktemp("wikitext") / "test.jsonl"
    texts = [f"Page {n} tells of the river , and of the {'boats ' * (2 + 200 * (n == 3))}on it ." for n in range(4)]
    path.write_text("".join(json.dumps({"page": text}) + "\n" for text in [*texts, texts[0]]))
    return path


@pytest.fixture
def wikitext(pages):
    """Wikitext as lm-eval ships it, on those documents."""
    (suite,) = LmEvalTasks(max_drop=0.02).asked(["wikitext"], {"wikitext": str(pages)})
    return suite


@pytest.fixture(scope="module")
def backend():
    """The engine, on a CPU."""
    return HfBackend("cpu", batch_size=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory, backend):
    """A tiny base with random weights."""
    return backend.identify(ModelRef("base", str(make_base(tmp_path_factory.mktemp("tiny") / "base"))))


def test_documents_are_as_likely_as_lm_eval_says(wikitext, model, backend, tmp_path):
    """lm-eval's own class on the same weights reports the same three numbers, and the rows give them."""
    result = wikitext.measure(model, wikitext.plan(), Engine(backend, Store(tmp_path)))
    loaded = backend.loaded(model)
    from lm_eval.models.huggingface import HFLM

    plain = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=2, softmax_dtype="float32")
    said = evaluate(plain, {"wikitext": load("wikitext", wikitext.data).task})["results"]["wikitext"]
    (note,) = result.notes
    told = dict(part.rsplit(" ", 1) for part in note.partition(": ")[2].split(", "))
    assert list(told) == ["word_perplexity", "byte_perplexity", "bits_per_byte"]
    assert all(float(told[name]) == pytest.approx(said[f"{name},none"], rel=1e-3) for name in told)
    sizes = [len(json.loads(line)["page"].encode()) for line in Path(wikitext.data).read_text().splitlines()]
    nats = [math.log(row.score("byte_likelihood").value) * size for row, size in zip(result.rows, sizes, strict=True)]
    assert -sum(nats) / sum(sizes) / math.log(2) == pytest.approx(said["bits_per_byte,none"], rel=1e-6)


def test_it_is_reported_kept_and_not_asked_again(wikitext, model, backend, tmp_path):
    """No gate, four documents computed for five rows, none the second time; a repeated row shares its cluster."""
    assert isinstance(wikitext, Measurable)
    assert (wikitext.name, wikitext.gates, wikitext.metric_names) == ("lm_eval-wikitext", (), ("byte_likelihood",))
    store, planned = Store(tmp_path), wikitext.plan()
    assert planned[4].cluster == planned[0].id != planned[4].id
    first = wikitext.measure(model, planned, Engine(backend, store))
    again = wikitext.measure(model, planned, Engine(backend, store))
    assert (first.fresh, again.fresh, again.rows) == (4, 0, first.rows)
    assert first.rows[3].new_tokens > 200 > first.rows[0].new_tokens > 0
    some = wikitext.measure(model, wikitext.plan(2), Engine(backend, store))
    assert {row.id: row for row in first.rows} | {row.id: row for row in some.rows} == {
        row.id: row for row in first.rows
    }


def test_a_spoiled_answer_is_asked_again(model, backend, tmp_path):
    """A stored value of another shape, or a likelihood above 1, is a miss."""
    from lm_eval.api.instance import Instance

    store = Store(tmp_path)
    asked = [Instance("loglikelihood_rolling", {}, ("The river.",), 0)]
    (right,) = StoredModel(Engine(backend, store), model, suite="s").loglikelihood_rolling(asked)
    (key,) = [row[0] for row in store._db.execute("SELECT key FROM answers")]
    for spoiled in ({"nats": 1.0, "tokens": 3}, {"nats": right}, {"nats": right, "tokens": 0}, 5):
        store.put_many({key: spoiled})
        again = StoredModel(Engine(backend, store), model, suite="s")
        assert (again.loglikelihood_rolling(asked), again.fresh) == ([right], 1)


def test_what_gives_no_likelihood_says_so(wikitext, tmp_path):
    """A scripted model has none of documents."""
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"answers": {}, "default": "x"}))
    scripted = ScriptedBackend().identify(ModelRef("base", str(path)))
    with pytest.raises(NotMeasured, match="gives no likelihood of documents; use --backend hf"):
        wikitext.measure(scripted, wikitext.plan(), Engine(ScriptedBackend(), Store(tmp_path / "store")))


def test_each_kind_of_task_has_its_own_suite(pages):
    """A task that asks is none that rolls, and the other way round; documents have no rate to gate by name."""
    with pytest.raises(BadSpec, match="arc_easy does not roll over documents; use LmEvalTask"):
        LmEvalRolling(name="x", version=1, task="arc_easy", data=str(_arc(pages.parent))).plan()
    with pytest.raises(BadSpec, match="scores word_perplexity, byte_perplexity, bits_per_byte, not 'acc'"):
        LmEvalTask(name="x", version=1, task="wikitext", gates=[Gate("acc", max_drop=0.3)], data=str(pages)).plan()


def _arc(folder):
    path = folder / "arc.jsonl"
    row = {"id": "r", "question": "Which?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"}
    path.write_text(json.dumps(row) + "\n")
    return path


@pytest.mark.slow
def test_the_command_line_reports_it_and_decides_nothing(pytester, pages):
    """`--lm-eval wikitext` is an advisory item that says it was measured; alone it is no evidence, and it verifies."""
    (pytester.path / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    (pytester.path / "suites").mkdir()
    shipped = Path(__file__).parents[1] / "suites" / "test_lm_eval.py"
    (pytester.path / "suites" / "test_lm_eval.py").write_text(shipped.read_text())
    make_base(pytester.path / "base")
    done = pytester.runpytest_subprocess(
        "suites", "--device=cpu", "--model=base", "--lm-eval=wikitext", f"--data=wikitext={pages}", "--run-dir=run"
    )
    done.stdout.fnmatch_lines(["*1 passed*"])
    (verdict,) = json.loads((pytester.path / "run" / "run.json").read_text())["verdicts"]
    assert (verdict["gate"], verdict["outcome"], verdict["advisory"]) == ("measured", "PASS", True)
    assert (verify(pytester.path / "run").outcome, done.ret) == (Outcome.INVALID, 11)
