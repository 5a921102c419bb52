"""Perplexity on response tokens: transformers' own loss, whatever the batch, from the store the second time."""

import json
import math

import pytest

from harness import _response_loss
from harness.answers import Engine
from harness.backends.hf import HfBackend
from harness.backends.scripted import ScriptedBackend
from harness.chat import answer_ids, render
from harness.datasets import jsonl
from harness.errors import BadExamples, BadSpec, ModelProblem, NotMeasured
from harness.gates import Gate
from harness.perplexity_suite import PerplexitySuite
from harness.prompts import chat
from harness.store import Store
from harness.suite import Measurable
from harness.types import ModelRef
from tests.tiny import make_adapter, make_base

ROWS = [{"input": f"question {i}?", "output": "yes " * (1 + i % 5)} for i in range(9)]
ROWS[3]["output"] = {"a": "é"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny base and an adapter on it, identified."""
    folder = tmp_path_factory.mktemp("tiny")
    base = make_base(folder / "base")
    adapter = make_adapter(base, folder / "lora")
    refs = (ModelRef("base", str(base)), ModelRef("lora", str(base), adapter=str(adapter)))
    return [HfBackend("cpu").identify(ref) for ref in refs]


def make(tmp_path, rows=ROWS, **settings):
    """A suite of these rows."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fine = {"name": "perplexity", "version": 1, "examples": jsonl(path), "render": chat("Be brief.")}
    return PerplexitySuite(**fine | settings)


def engine(tmp_path, batch_size=4, repeat=0):
    """The tiny model's backend, with a store."""
    return Engine(HfBackend("cpu", batch_size=batch_size), Store(tmp_path / "store"), repeat=repeat)


def reference_loss(backend, ref, suite, example):
    """Mean loss over the answer's tokens as transformers computes it from labels, one row at a time."""
    import torch

    loaded = backend.loaded(ref)
    model, tokenizer = loaded.model, loaded.tokenizer
    messages = suite.render.messages(example)
    prompt = render(tokenizer, messages).token_ids
    target = example.target if isinstance(example.target, str) else json.dumps(example.target, ensure_ascii=False)
    answer = answer_ids(tokenizer, messages, target, stop_ids=frozenset({tokenizer.eos_token_id}))
    ids = torch.tensor([[*prompt, *answer]])
    labels = torch.tensor([[*[-100] * len(prompt), *answer]])
    with torch.inference_mode():
        return float(model(ids, labels=labels).loss), len(answer)


@pytest.mark.parametrize("which", [0, 1])
def test_loss_is_that_of_transformers(tiny, tmp_path, which):
    """Every row's likelihood is exp(-loss) of its answer's tokens, end token included, with and without adapter."""
    suite, asked = make(tmp_path), engine(tmp_path)
    planned = suite.plan()
    result = suite.measure(tiny[which], planned, asked)
    for example, row in zip(planned, result.rows, strict=True):
        loss, tokens = reference_loss(asked.backend, tiny[which], suite, example)
        assert row.score("token_likelihood").value == pytest.approx(math.exp(-loss), rel=1e-4)
        assert row.new_tokens == tokens


def test_the_suite_s_perplexity_weights_tokens_and_says_so(tiny, tmp_path):
    """The note is exp of all losses over all tokens, which is no mean of the rows' perplexities."""
    suite = make(tmp_path)
    result = suite.measure(tiny[0], suite.plan(), engine(tmp_path))
    tokens = sum(row.new_tokens for row in result.rows)
    nats = sum(-math.log(row.scores[0].value) * row.new_tokens for row in result.rows)
    size = sum(len(row.target.encode()) for row in result.rows)
    (note,) = result.notes
    assert note.startswith(f"perplexity {math.exp(nats / tokens):.4g} on {tokens:,} response tokens")
    assert note.endswith(f"{nats / math.log(2) / size:.4g} bits a byte")
    mean = sum(1 / row.scores[0].value for row in result.rows) / len(result.rows)
    assert f"{mean:.4g}" not in note


def test_batches_change_nothing_and_a_known_loss_is_not_computed_again(tiny, tmp_path):
    """Any batch size gives the same numbers, and the second time all come from the store without loading weights."""
    suite = make(tmp_path)
    first = suite.measure(tiny[0], suite.plan(), engine(tmp_path))
    again = engine(tmp_path)
    second = suite.measure(tiny[0], suite.plan(), again)
    assert (first.fresh, second.fresh, second.seconds) == (9, 0, 0.0)
    assert second.rows == first.rows
    assert again.backend._residency.loads == 0
    alone = suite.measure(tiny[0], suite.plan(), engine(tmp_path, batch_size=1))
    assert alone.fresh == 9
    values = [row.scores[0].value for row in first.rows]
    assert [row.scores[0].value for row in alone.rows] == pytest.approx(values, rel=1e-5)


@pytest.mark.parametrize("change", ["model", "answer", "prompt", "repeat"])
def test_what_can_change_a_loss_is_another_question_to_the_store(tiny, tmp_path, change):
    """Another adapter, reference, system text or repetition is computed anew."""
    suite = make(tmp_path)
    suite.measure(tiny[0], suite.plan(), engine(tmp_path))
    rows = [{**row, "output": "no"} for row in ROWS] if change == "answer" else ROWS
    other = make(tmp_path, rows, render=chat("Be long." if change == "prompt" else "Be brief."))
    model = tiny[change == "model"]
    assert other.measure(model, other.plan(), engine(tmp_path, repeat=int(change == "repeat"))).fresh == 9


def test_memory_that_runs_out_halves_the_batch(tiny, tmp_path, monkeypatch):
    """Batches above two rows fail here, and every row still gets its loss."""
    import torch

    whole = _response_loss._pass
    sizes = []

    def small(model, rows, name):
        sizes.append(len(rows))
        if len(rows) > 2:
            raise torch.OutOfMemoryError("too large")
        return whole(model, rows, name)

    suite = make(tmp_path)
    expected = suite.measure(tiny[0], suite.plan(), engine(tmp_path / "other"))
    monkeypatch.setattr(_response_loss, "_pass", small)
    result = suite.measure(tiny[0], suite.plan(), engine(tmp_path))
    assert max(sizes) == 4
    assert [row.scores[0].value for row in result.rows] == pytest.approx(
        [row.scores[0].value for row in expected.rows], rel=1e-5
    )


def test_what_cannot_be_measured_says_why(tiny, tmp_path):
    """Rows beyond the context, an end token in the reference, and a backend without likelihoods are errors."""
    suite = make(tmp_path, [{"input": "long " * 300, "output": "yes"}])
    with pytest.raises(ModelProblem, match="the longest prompt with its answer has"):
        suite.measure(tiny[0], suite.plan(), engine(tmp_path))
    suite = make(tmp_path, [{"input": "q", "output": "yes<|end|>no"}])
    with pytest.raises(BadExamples, match=r"suite 'perplexity', row \w+: the answer holds an end token"):
        suite.measure(tiny[0], suite.plan(), engine(tmp_path))
    script = tmp_path / "model.json"
    script.write_text("{}")
    model = ScriptedBackend().identify(ModelRef("base", str(script)))
    suite = make(tmp_path)
    with pytest.raises(NotMeasured, match="'scripted' gives no likelihoods; use --backend hf"):
        suite.measure(model, suite.plan(), Engine(ScriptedBackend(), Store(tmp_path / "s")))


def test_it_needs_no_gate_and_takes_one(tmp_path):
    """It is reported by default; a gate on its metric may be put on it, on another one not."""
    assert isinstance(make(tmp_path), Measurable)
    assert make(tmp_path).gates == ()
    assert make(tmp_path, gates=[Gate("token_likelihood", max_drop=0.05, advisory=True)]).gates
    with pytest.raises(BadSpec, match="no metric scores 'perplexity'"):
        make(tmp_path, gates=[Gate("perplexity", max_drop=0.05)])
