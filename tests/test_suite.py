"""Suite: refuses contradictions at once, measures in order, and counts every row."""

import json
from dataclasses import replace

import pytest

from harness.answers import Engine, answer, repeats_exactly, with_dtype
from harness.backends import Prompt
from harness.datasets import jsonl
from harness.errors import AdapterMismatch, BadSpec, NotMeasured
from harness.gates import Gate
from harness.keep import PassedByBase, passed_by_base
from harness.metrics import Judgement, per_example
from harness.metrics.exact_match import exact_match
from harness.paths import beside_caller
from harness.pins import Pins, write_pins
from harness.prompts import chat
from harness.records import read_rows, write_rows
from harness.store import Store
from harness.suite import Measurable, Suite
from harness.types import Example, FinishReason, Generation, ModelRef, Row, Sampling, Score, SuiteResult
from tests.playground import FakeBackend, make_model

SAMPLING = Sampling(max_new_tokens=4)
EXAMPLES = tuple(Example(f"id{i}", f"question {i}", "yes", (), f"id{i}") for i in range(10))


class Rows:
    """A source that has its examples already."""

    def read(self):
        """Give them."""
        return EXAMPLES


def make(**settings):
    """A suite that is fine but for `settings`."""
    fine = {
        "name": "asks",
        "version": 1,
        "examples": Rows(),
        "render": chat(),
        "sampling": SAMPLING,
        "metrics": [exact_match()],
        "gates": [Gate("exact_match", max_drop=0.5)],
    }
    return Suite(**fine | settings)


@pytest.fixture
def model(tmp_path):
    """A model that answers the first six questions rightly, and cuts the first two answers."""
    folder = make_model(tmp_path / "base", right=6, cut=2)
    return ModelRef("base", str(folder), fingerprint="f")


@pytest.fixture
def engine(tmp_path):
    """A fake backend with an empty store."""
    store = Store(tmp_path)
    yield Engine(FakeBackend(tmp_path / "calls.log"), store)
    store.close()


COIN = per_example("coin", lambda _example, _text: Judgement(1.0), chance=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "No Spaces"}, "a name is"),
        ({"name": "../x"}, "a name is"),
        ({"name": "x" * 65}, "a name is"),
        ({"version": 0}, "version=0"),
        ({"metrics": []}, "no metrics"),
        ({"metrics": [exact_match(), exact_match()]}, "metric 'exact_match' is given twice"),
        ({"gates": []}, "no gates"),
        ({"gates": [Gate("exact_match", max_drop=0.5)] * 2}, "gate 'exact_match-drop<=0.5' is given twice"),
        ({"gates": [Gate("accuracy", max_drop=0.5)]}, "no metric scores 'accuracy'"),
        ({"keep": passed_by_base("accuracy")}, "no metric scores 'accuracy'"),
        ({"sampling": Sampling(max_new_tokens=0)}, "max_new_tokens=0 must be at least 1"),
        ({"sampling": Sampling(4, temperature=-0.1)}, "temperature=-0.1 must be"),
        ({"sampling": Sampling(4, temperature=float("nan"))}, "temperature=nan must be"),
        ({"sampling": Sampling(4, top_p=0.0)}, r"top_p=0.0 must be in \(0, 1\]"),
        ({"metrics": [COIN], "gates": [Gate("coin", at_least=0.5)]}, "asks for no more than guessing scores"),
    ],
)
def test_contradiction_is_refused_where_it_is_written(settings, message):
    """A suite that cannot decide anything does not come into being."""
    with pytest.raises(BadSpec, match=message):
        make(**settings)


def test_suite_is_measurable():
    """Suite shows the surface that the evaluator needs."""
    assert isinstance(make(), Measurable)


def test_rows_keep_the_planned_order_and_count_truncation(model, engine):
    """Each planned example has its row in order; a cut answer scores 0 with a reason, and a note says how many."""
    result = make().measure(model, EXAMPLES, engine)
    assert [row.id for row in result.rows] == [example.id for example in EXAMPLES]
    assert [row.score("exact_match").value for row in result.rows] == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert result.rows[0].score("exact_match").reason_code == "truncated"
    assert result.notes == ("2 of 10 answers were cut at 4 tokens and score 0",)
    assert (result.fresh, result.fingerprint) == (10, make().fingerprint(EXAMPLES))


def test_drawn_answers_are_said_to_be_drawn(model, engine):
    """One draw is one of many; the interval knows nothing of the others, so a note does. Greedy answers have none."""
    drawn = make(sampling=Sampling(4, temperature=0.7, seed=3)).measure(model, EXAMPLES[2:], engine)
    assert drawn.notes == (
        "answers were drawn once, at temperature 0.7, seed 3: another seed may decide otherwise, greedy decoding not",
    )
    assert make().measure(model, EXAMPLES[2:], engine).notes == ()


@pytest.mark.parametrize(
    ("layer", "settings"),
    [
        ("prompt", {"render": chat("Be brief.")}),
        ("decode", {"sampling": Sampling(max_new_tokens=5)}),
        ("decode", {"sampling": Sampling(max_new_tokens=4, seed=1)}),
        ("score", {"version": 2}),
        ("score", {"keep": passed_by_base("exact_match", at_least=5)}),
    ],
)
def test_each_change_shows_in_its_layer_alone(layer, settings):
    """A fingerprint says which layer differs."""
    before, after = make().fingerprint(EXAMPLES), make(**settings).fingerprint(EXAMPLES)
    assert {name for name in before if before[name] != after[name]} == {layer}


def test_data_layer_depends_on_rows_not_on_their_order():
    """Shuffled rows are the same data; another answer, tag or row is not."""
    same, suite = make().fingerprint(EXAMPLES)["data"], make()
    assert suite.fingerprint(EXAMPLES[::-1])["data"] == same
    for other in (EXAMPLES[1:], (replace(EXAMPLES[0], target="no"), *EXAMPLES[1:])):
        assert suite.fingerprint(other)["data"] != same


@pytest.mark.parametrize(
    ("value", "message"), [(float("nan"), "gave exact_match=nan"), (1.5, "gave exact_match=1.5"), (-0.1, "-0.1")]
)
def test_score_outside_its_range_is_not_a_measurement(model, engine, value, message):
    """NaN and numbers outside [0, 1] stop the suite; they never reach a gate."""
    broken = per_example("exact_match", lambda _example, _text: Judgement(value))
    with pytest.raises(NotMeasured, match=message):
        make(metrics=[broken]).measure(model, EXAMPLES, engine)


def test_adapter_is_asked_with_its_own_system_text(tmp_path, engine):
    """An adapter that pinned another system text is refused, unless the suite says that it need not match."""
    folder = make_model(tmp_path / "tuned", right=6)
    tuned = ModelRef("tuned", "base", adapter=str(folder), fingerprint="g")
    write_pins(folder, Pins("0", "Answer in French.", "0", (1,)))
    with pytest.raises(AdapterMismatch, match=r"'Be brief\.', adapter 'tuned' was trained with 'Answer in French\.'"):
        make(render=chat("Be brief.")).measure(tuned, EXAMPLES, engine)
    for fine in (make(render=chat("Answer in French.")), make(), make(render=chat("Be."), uses_adapter_prompt=False)):
        assert len(fine.measure(tuned, EXAMPLES, engine).rows) == 10


KEY_PARTS = {
    "model": lambda engine, model, prompt: (engine, replace(model, fingerprint="other"), prompt, SAMPLING),
    "prompt": lambda engine, model, prompt: (engine, model, replace(prompt, token_ids=(9,)), SAMPLING),
    "temperature": lambda engine, model, prompt: (engine, model, prompt, replace(SAMPLING, temperature=0.5)),
    "top_p": lambda engine, model, prompt: (engine, model, prompt, replace(SAMPLING, top_p=0.5)),
    "seed": lambda engine, model, prompt: (engine, model, prompt, replace(SAMPLING, seed=1)),
    "length": lambda engine, model, prompt: (engine, model, prompt, replace(SAMPLING, max_new_tokens=5)),
    "repeat": lambda engine, model, prompt: (replace(engine, repeat=1), model, prompt, SAMPLING),
    "policy": lambda engine, model, prompt: (_on_gpu(engine), model, prompt, SAMPLING),
}


def _on_gpu(engine):
    backend = FakeBackend(engine.backend._log)
    backend.device = "cuda"
    return replace(engine, backend=backend)


@pytest.mark.parametrize("change", KEY_PARTS.values(), ids=KEY_PARTS)
def test_whatever_can_change_an_answer_is_part_of_its_key(model, engine, change):
    """A stored answer is used only when model, prompt, sampling, repetition and engine are the same."""
    prompt = Prompt("question 3", (1, 2))
    answer(engine, model, prompts=[prompt], sampling=SAMPLING, suite="s")
    _, again = answer(engine, model, prompts=[replace(prompt, text="question 4")], sampling=SAMPLING, suite="s")
    changed, other_model, other_prompt, sampling = change(engine, model, prompt)
    _, fresh = answer(changed, other_model, prompts=[other_prompt], sampling=sampling, suite="s")
    assert (again, fresh) == (0, 1)


def test_stored_answer_of_another_shape_is_computed_again(model, engine):
    """A value that is no generation is a miss."""
    prompt = Prompt("question 3", (1,))
    answer(engine, model, prompts=[prompt], sampling=SAMPLING, suite="s")
    (key,) = [key for (key,) in engine.store._db.execute("SELECT key FROM answers")]
    engine.store.put_many({key: {"text": "yes"}})
    assert answer(engine, model, prompts=[prompt], sampling=SAMPLING, suite="s")[1] == 1


@pytest.mark.parametrize(("measured", "told"), [(1.5, 1.5), (None, None), ("1", None)])
def test_a_stored_answer_keeps_what_was_measured_of_it(model, engine, measured, told):
    """How long it took when it was computed stands in the row; what the store does not know is unknown, not 0."""
    suite = make()
    ask = suite.measure(model, EXAMPLES[:1], engine)
    assert [row.seconds for row in ask.rows] == [None]
    ((key, value),) = engine.store._db.execute("SELECT key, value FROM answers")
    engine.store.put_many({key: json.loads(value) | {"seconds": measured}})
    again = suite.measure(model, EXAMPLES[:1], engine)
    assert (again.fresh, [row.seconds for row in again.rows]) == (0, [told])
    assert [row.seconds for row in read_rows(write_rows(again.rows))] == [told]
    engine.store.put_many({key: {name: it for name, it in json.loads(value).items() if name != "seconds"}})
    older = suite.measure(model, EXAMPLES[:1], engine)
    assert (older.fresh, [row.seconds for row in older.rows]) == (0, [None])


def test_repetition_has_other_neighbours_and_the_same_questions(model, engine):
    """A repetition asks every question once more, in two parts of another order."""
    calls = []
    engine.backend.generate = lambda _model, prompts, _sampling, on_batch: (
        calls.append([prompt.text for prompt in prompts]),
        on_batch([(i, Generation("", (), FinishReason.STOP, 1, 1)) for i in range(len(prompts))]),
    )
    prompts = [Prompt(f"question {i}", (i,)) for i in range(11)]
    for repeat in range(3):
        answer(replace(engine, repeat=repeat), model, prompts=prompts, sampling=SAMPLING, suite="s")
    whole, *halves = calls
    assert [len(part) for part in calls] == [11, 6, 5, 6, 5]
    assert sorted(halves[0] + halves[1]) == sorted(halves[2] + halves[3]) == sorted(whole)
    assert set(halves[0]) != set(halves[2])


def test_unanswered_prompt_is_not_a_measurement(model, engine):
    """A backend that leaves prompts out is found out by counting."""
    engine.backend.generate = lambda *_args: None
    with pytest.raises(NotMeasured, match="'fake' left 3 of 3 prompts unanswered"):
        answer(engine, model, prompts=[Prompt("x", (i,)) for i in range(3)], sampling=SAMPLING, suite="s")


def test_unidentified_model_is_not_asked(model, engine):
    """Without a fingerprint answers could be another model's."""
    with pytest.raises(NotMeasured, match="was not identified"):
        answer(engine, replace(model, fingerprint=""), prompts=[], sampling=SAMPLING, suite="s")


@pytest.mark.parametrize(
    ("device", "dtype", "quantization", "exact"),
    [
        ("cpu", "float32", "none", True),
        ("cuda", "float32", "none", False),
        ("cpu", "bfloat16", "none", False),
        ("cpu", "float32", "nf4", False),
    ],
)
def test_only_plain_float32_on_a_cpu_repeats_exactly(device, dtype, quantization, exact):
    """Everything else may answer otherwise in other batches."""
    backend = FakeBackend()
    backend.device = device
    assert repeats_exactly(backend, ModelRef("m", "b", dtype=dtype, quantization=quantization)) is exact


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float32"), ("cuda", "bfloat16")])
def test_automatic_dtype_suits_the_device(device, dtype):
    """`auto` becomes a real dtype before anything is hashed; a given one stays."""
    backend = FakeBackend()
    backend.device = device
    assert with_dtype(backend, ModelRef("m", "b", dtype="auto")).dtype == dtype
    assert with_dtype(backend, ModelRef("m", "b", dtype="float16")).dtype == "float16"


def pool(*passed):
    """A pool measurement of five rows in which these passed."""
    rows = tuple(
        Row(str(i), str(i), (), "", "", "", FinishReason.STOP, 1, 1, (Score("m", float(i in passed)),))
        for i in range(5)
    )
    return SuiteResult("s", {}, "base", rows, 0.0)


def test_only_rows_that_pass_every_time_are_kept():
    """A row that the base misses once is not something that it does well."""
    keep = PassedByBase("m", at_least=2, repeats=2)
    pools = [pool(0, 1, 2, 4), pool(1, 2, 3, 4)]
    kept = keep.restrict(pool(0, 3), pools, whole=True)
    assert [row.id for row in kept.rows] == ["1", "2", "4"]
    assert kept.notes[0].startswith("3 of 5 pool rows kept")


def test_too_small_a_rest_is_not_measured_unless_limited():
    """Fewer rows than required decide nothing; under --limit one is enough, and none never is."""
    keep = PassedByBase("m", at_least=4, repeats=1)
    with pytest.raises(NotMeasured, match=r"passes 3 of 5 .* 4 are required"):
        keep.restrict(pool(), [pool(0, 1, 2)], whole=True)
    assert len(keep.restrict(pool(), [pool(0, 1, 2)], whole=False).rows) == 3
    with pytest.raises(NotMeasured, match="passes 0 of 5"):
        keep.restrict(pool(), [pool()], whole=False)


@pytest.mark.parametrize("bad", [{"at_least": 0}, {"repeats": 0}])
def test_senseless_keep_is_refused(bad):
    """At least one row and one measurement."""
    with pytest.raises(BadSpec, match="at least 1"):
        passed_by_base("m", **bad)


def test_records_survive_hostile_text():
    """Rows are the same after writing and reading, whatever the model said."""
    text = 'line\nbreak\r\u2028\x1b[31m"quote" \x00 😀 \\u0041'
    row = Row("i", "c", ("t",), text, text, text, FinishReason.LENGTH, 1, 2, (Score("m", None, text, "odd"),))
    data = write_rows([row, row])
    assert data.isascii()
    assert data.count(b"\n") == 2
    assert read_rows(data) == (row, row)


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b'{"id": "x"}', b"null"])
def test_record_that_is_no_row_is_an_error(line):
    """A torn or foreign line names itself."""
    with pytest.raises(ValueError, match="line 1 is not a row"):
        read_rows(line)


def test_system_text_comes_first_and_only_when_given():
    """chat() asks as a user, after a system turn where there is one."""
    assert chat().messages(EXAMPLES[0]) == [{"role": "user", "content": "question 0"}]
    assert [turn["role"] for turn in chat("Be brief.").messages(EXAMPLES[0])] == ["system", "user"]


def test_paths_are_beside_the_suite_file():
    """A relative path means the folder of the file that names it, an absolute one itself."""
    here = beside_caller("data/x.jsonl", depth=1)
    assert str(here).endswith("tests/data/x.jsonl")
    assert jsonl("data/x.jsonl").path == here
    assert str(jsonl("/data/x.jsonl").path) == "/data/x.jsonl"
