"""lm-eval suites: real lm-eval decides which rows are right, and our store answers what it knows."""

import json
import os
from pathlib import Path

import pytest

from harness._lm_eval_model import _chunks, _Scorer
from harness.answers import Engine
from harness.backends.hf import HfBackend
from harness.backends.scripted import ScriptedBackend
from harness.errors import BadSpec, ModelProblem, NotMeasured, UsageProblem
from harness.gates import Gate
from harness.lm_eval_suite import LmEvalSuite
from harness.questions import mc_csv
from harness.store import Store
from harness.suite import Measurable
from harness.types import ModelRef
from tests.tiny import make_adapter, make_base

HEADER = "subject,question,choice0,choice1,choice2,choice3,answer\n"


@pytest.fixture
def suite(tmp_path):
    """Thirty questions of three subjects; row i is right with the letter i % 4; the last one is a repetition."""
    rows = [f"s{i % 3},question {i}?,one {i},two,three,four,{i % 4}\n" for i in range(29)]
    path = tmp_path / "own.csv"
    path.write_text(HEADER + "".join(rows) + rows[0])
    return LmEvalSuite(name="knowledge", version=1, source=mc_csv(path), gates=[Gate("acc", max_drop=0.5)])


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def scripted(tmp_path):
    """A model that always says B, but C to question 2."""
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"default_choice": "B", "choices": {"question 2?": "C"}}))
    return ScriptedBackend().identify(ModelRef("base", str(path)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny base and an adapter on it, identified."""
    folder = tmp_path_factory.mktemp("tiny")
    base = make_base(folder / "base")
    adapter = make_adapter(base, folder / "lora")
    backend = HfBackend("cpu", batch_size=8)
    refs = (ModelRef("base", str(base)), ModelRef("lora", str(base), adapter=str(adapter)))
    return backend, [backend.identify(ref) for ref in refs]


def test_it_has_the_surface_of_every_suite(suite):
    """The plugin and the evaluator need not know which kind of suite they hold."""
    assert isinstance(suite, Measurable)
    assert suite.metric_names == ("acc",)
    assert suite.chance == 0.25


def test_rows_say_what_was_asked_chosen_and_right(suite, store, scripted):
    """The scripted model is right where the answer is B, and on question 2."""
    planned = suite.plan()
    result = suite.measure(scripted, planned, Engine(ScriptedBackend(), store))
    assert [row.id for row in result.rows] == [example.id for example in planned]
    right = {row.prompt.split("\n")[2] for row in result.rows if row.score("acc").value == 1}
    assert right == {"question 2?", *(f"question {i}?" for i in range(1, 29, 4))}
    first = result.rows[0]
    assert (first.target, first.output, first.score("acc").answer) == ("A", "B", "B")
    assert first.score("acc").reason_code == "wrong_value"
    assert first.prompt.endswith("question 0?\nA. one 0\nB. two\nC. three\nD. four\nAnswer:")
    assert result.notes == ("1 of 30 rows repeat another one and share its cluster",)


def test_a_measured_model_is_never_asked_again(suite, store, scripted):
    """The second measurement is answered by the store, costs no time, and gives the same rows."""
    backend = ScriptedBackend()
    first = suite.measure(scripted, suite.plan(), Engine(backend, store))
    asked = len(backend.asked)
    again = suite.measure(scripted, suite.plan(), Engine(backend, store))
    assert (first.fresh, again.fresh, again.seconds) == (29, 0, 0.0)
    assert len(backend.asked) == asked == 29 * 4
    assert again.rows == first.rows


def test_a_killed_measurement_resumes_with_the_chunk_that_was_lost(suite, store, scripted):
    """Chunks that were finished are stored at once, and only the others are computed."""

    class Killed(Exception):  # stands for a signal
        """What ends the first measurement."""

    def kill(_model, _suite, done, _planned):
        if done:
            raise Killed

    with pytest.raises(Killed):
        suite.measure(scripted, suite.plan(), Engine(ScriptedBackend(batch_size=2), store, progress=kill))
    backend = ScriptedBackend(batch_size=2)
    result = suite.measure(scripted, suite.plan(), Engine(backend, store))
    assert result.fresh == 29 - 8
    assert len(backend.asked) == (29 - 8) * 4
    whole = suite.measure(scripted, suite.plan(), Engine(ScriptedBackend(), store, repeat=1))
    assert result.rows == whole.rows


def test_what_can_change_an_answer_is_another_question_to_the_store(suite, store, scripted, tmp_path):
    """Model, batch size and repetition enter the keys; a slice of the same questions is known already."""
    suite.measure(scripted, suite.plan(), Engine(ScriptedBackend(), store))
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"default_choice": "D"}))
    model = ScriptedBackend().identify(ModelRef("other", str(other)))
    assert suite.measure(model, suite.plan(), Engine(ScriptedBackend(), store)).fresh == 29
    assert suite.measure(scripted, suite.plan(), Engine(ScriptedBackend(batch_size=7), store)).fresh == 29
    assert suite.measure(scripted, suite.plan(), Engine(ScriptedBackend(), store, repeat=1)).fresh == 29
    assert suite.measure(scripted, suite.plan(9), Engine(ScriptedBackend(), store)).fresh == 0


def test_chunks_do_not_depend_on_the_order_of_the_rows(suite, store, scripted, tmp_path):
    """Which prompts share a batch follows from the set of rows, so that a shuffled file measures the same."""
    planned = suite.plan()
    forwards, backwards = ScriptedBackend(batch_size=2), ScriptedBackend(batch_size=2)
    first = suite.measure(scripted, planned, Engine(forwards, store))
    other = Store(tmp_path / "other")
    second = suite.measure(scripted, planned[::-1], Engine(backwards, other))
    other.close()
    assert forwards.asked == backwards.asked
    assert second.rows == first.rows[::-1]


def test_slices_are_nested_and_spread_over_subjects(suite):
    """`--limit` takes from every subject, and a larger limit only adds rows."""
    six, twelve = suite.plan(6), suite.plan(12)
    assert {example.id for example in six} < {example.id for example in twelve}
    assert {example.tags[0] for example in six} == {"s0", "s1", "s2"}


def test_a_model_that_was_not_identified_is_not_measured(suite, store):
    """Its answers could not be told from another model's."""
    with pytest.raises(NotMeasured, match="not identified"):
        suite.measure(ModelRef("base", "anything"), suite.plan(), Engine(ScriptedBackend(), store))


def test_log_likelihoods_equal_those_of_the_model_itself(suite, store, tiny):
    """Each row chooses the letter whose token the model finds likeliest, computed here without lm-eval."""
    import torch

    backend, (base, _) = tiny
    result = suite.measure(base, suite.plan(), Engine(backend, store))
    loaded = backend.loaded(base)
    for row in result.rows[:8]:
        letters = [loaded.tokenizer(f"{row.prompt} {letter}")["input_ids"] for letter in "ABCD"]
        with torch.inference_mode():
            logprobs = loaded.model(torch.tensor(letters)).logits.log_softmax(-1)
        scores = [
            float(sum(logprobs[i, at - 1, ids[at]] for at in range(len(ids) - 2, len(ids))))
            for i, ids in enumerate(letters)
        ]
        assert "ABCD"[scores.index(max(scores))] == row.output
        assert row.prompt_tokens == len(letters[0]) - 2


def test_base_and_adapter_are_told_apart_on_one_set_of_weights(suite, store, tiny):
    """The adapter changes choices; measuring it leaves the base as it was."""
    backend, (base, lora) = tiny
    plain, adapted, again = (
        suite.measure(model, suite.plan(), Engine(backend, store, repeat=repeat))
        for model, repeat in ((base, 0), (lora, 0), (base, 1))
    )
    assert again.fresh == 29
    assert [row.output for row in plain.rows] != [row.output for row in adapted.rows]
    assert again.rows == plain.rows


def test_choices_do_not_depend_on_the_batch_size(suite, store, tiny):
    """In float32 on a CPU, padding and neighbours change no choice."""
    backend, (base, _) = tiny
    outputs = [
        [row.output for row in suite.measure(base, suite.plan(), Engine(engine, store)).rows]
        for engine in (backend, HfBackend("cpu", 1), HfBackend("cpu", 64))
    ]
    assert outputs[0] == outputs[1] == outputs[2]


def test_prompts_beyond_the_context_are_counted(tmp_path, store, tiny):
    """A question that lost its start is measured as lm-eval does, and the reader is told how many there are."""
    path = tmp_path / "long.csv"
    path.write_text(HEADER + f"s,{'word ' * 300}?,a,b,c,d,0\ns,short?,a,b,c,d,0\n")
    suite = LmEvalSuite(name="long", version=1, source=mc_csv(path), gates=[Gate("acc", max_drop=0.5)])
    backend, (base, _) = tiny
    for fresh in (2, 0):
        result = suite.measure(base, suite.plan(), Engine(backend, store))
        assert result.fresh == fresh
        assert result.notes == ("1 of 2 prompts exceed the model's context and were cut at the start",)


def test_likelihoods_that_are_not_finite_are_not_measured(suite, store, tmp_path):
    """A model whose numbers overflow has no accuracy; 0 or chance would be a made-up one."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = make_base(tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] *= torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    backend = HfBackend("cpu", 8)
    with pytest.raises(ModelProblem, match="its logits are not finite"):
        suite.measure(backend.identify(ModelRef("broken", str(folder))), suite.plan(), Engine(backend, store))


def test_one_likelihood_that_is_not_finite_is_enough(suite, store, tmp_path, monkeypatch):
    """A model that only breaks on some question is found out there, and the question is not stored."""
    (tmp_path / "script.json").write_text('{"default_choice": "B"}')
    backend = ScriptedBackend()
    real = backend.loaded

    def overflowing(model):
        loaded = real(model)
        sound = type(loaded.model).loglikelihood

        def broken(self, requests, **settings):
            return [(float("nan"), False), *sound(self, requests, **settings)[1:]]

        monkeypatch.setattr(type(loaded.model), "loglikelihood", broken)
        return loaded

    monkeypatch.setattr(backend, "loaded", overflowing)
    with pytest.raises(NotMeasured, match="a log-likelihood is not finite"):
        suite.measure(
            backend.identify(ModelRef("m", str(tmp_path / "script.json"))), suite.plan(), Engine(backend, store)
        )


def test_batches_that_do_not_fit_are_halved(suite, store, tiny, monkeypatch):
    """Running out of memory costs time, not rows."""
    import torch
    from lm_eval.models.huggingface import HFLM

    backend, (base, _) = tiny
    expected = [row.output for row in suite.measure(base, suite.plan(), Engine(backend, store)).rows]
    ask = HFLM.loglikelihood

    def small_memory(self, requests, **options):
        if self.batch_size_per_gpu > 2:
            raise torch.OutOfMemoryError("no room")
        return ask(self, requests, **options)

    monkeypatch.setattr(HFLM, "loglikelihood", small_memory)
    result = suite.measure(base, suite.plan(), Engine(backend, store, repeat=1))
    assert result.fresh == 29
    assert [row.output for row in result.rows] == expected


def test_another_source_and_worked_examples_make_another_measurement(suite, tmp_path):
    """The layers of the fingerprint say what differs; without options the suite stays as it is."""
    (tmp_path / "test").mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "test" / "anatomy_test.csv").write_text("q?,a,b,c,d,B\n")
    (tmp_path / "dev" / "anatomy_dev.csv").write_text("p?,a,b,c,d,A\n")
    other = suite.configured(mmlu_dir=str(tmp_path), fewshot=1)
    assert other.plan()[0].input.endswith(
        "p?\nA. a\nB. b\nC. c\nD. d\nAnswer: A\n\nq?\nA. a\nB. b\nC. c\nD. d\nAnswer:"
    )
    own, changed = suite.fingerprint(suite.plan()), other.fingerprint(other.plan())
    assert {layer for layer in own if own[layer] != changed[layer]} == {"data", "prompt"}
    assert suite.configured() == suite
    with pytest.raises(UsageProblem, match="one source"):
        suite.configured(mmlu_dir="a", mmlu_revision="b")
    with pytest.raises(BadSpec, match="worked examples"):
        suite.configured(fewshot=5).plan()


def test_gates_on_other_metrics_are_refused(suite):
    """There is one metric, and a misspelt one would never be decided."""
    with pytest.raises(BadSpec, match="accuracy"):
        LmEvalSuite(name="x", version=1, source=suite.source, gates=[Gate("accuracy", max_drop=0.02)])


@pytest.mark.slow
def test_the_real_mmlu_is_measured_and_agrees_with_lm_eval(suite, store, tiny):
    """Set TUNEGATE_DATA to a folder with mmlu/dev and mmlu/test; the accuracy is compared with lm-eval's inside."""
    home = os.environ.get("TUNEGATE_DATA")
    if not home:
        pytest.skip("TUNEGATE_DATA is not set: the real MMLU files are not part of the project")
    backend, (base, _) = tiny
    suite = suite.configured(mmlu_dir=str(Path(home) / "mmlu"), fewshot=5)
    planned = suite.plan(290)
    result = suite.measure(base, planned, Engine(backend, store))
    assert len(result.rows) == 290
    assert len({row.tags for row in result.rows}) == 29
    assert "exceed the model's context" in result.notes[0]


@pytest.mark.parametrize("head", ["", "These are questions about one subject.\n\n"])
@pytest.mark.parametrize("which", [0, 1])
def test_logits_of_the_tail_alone_change_nothing(tiny, which, head):
    """Log-likelihoods are those of lm-eval's own call on all positions, for prompts and options of any lengths."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    backend, models = tiny
    loaded = backend.loaded(models[which])
    scorer = _Scorer(loaded, "tiny")
    plain = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=8, softmax_dtype="float32")
    prompts = [f"{head}{'word ' * (i % 7)}question {i}?" for i in range(12)]
    asked = [(prompt, f" {'xyz' * (1 + i % 3)}{letter}") for i, prompt in enumerate(prompts) for letter in "ABC"]
    requests = [Instance("loglikelihood", {}, arguments, index) for index, arguments in enumerate(asked)]
    ours, theirs = scorer._ask(requests), plain.loglikelihood(requests, disable_tqdm=True)
    assert [greedy for _, greedy in ours] == [greedy for _, greedy in theirs]
    assert [value for value, _ in ours] == pytest.approx([value for value, _ in theirs], abs=1e-4)


def test_prompts_with_one_head_are_asked_together():
    """A head of 16 prompts is a chunk of its own, rarer ones share one, and no prompt is lost."""
    alike = [f"About geography.\n\nQuestion {i}?" for i in range(16)]
    others = [f"About {i}.\n\nQuestion?" for i in range(5)]
    chunks = list(_chunks([*others, *alike], 12))
    assert sorted(len(chunk) for chunk in chunks) == [4, 5, 12]
    assert [set(chunk) <= set(alike) or set(chunk) <= set(others) for chunk in chunks] == [True] * 3
    assert sorted(prompt for chunk in chunks for prompt in chunk) == sorted([*alike, *others])
