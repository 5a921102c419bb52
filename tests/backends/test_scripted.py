"""The scripted backend says what its script says, and behaves as an engine does."""

import json

import pytest

from harness.backends.scripted import ScriptedBackend
from harness.errors import AdapterWithoutEffect, ModelProblem
from harness.types import FinishReason, ModelRef, Sampling


@pytest.fixture
def write(tmp_path):
    """Call with (name, script): the path of a script file."""

    def call(name, **script):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(script))
        return str(path)

    return call


def ask(backend, model, texts, sampling=Sampling(20)):  # noqa: B008  # a frozen value
    """The generations to `texts`, in order."""
    answers = {}
    prompts = [backend.render(model, [{"role": "user", "content": text}]) for text in texts]
    backend.generate(model, prompts, sampling, answers.update)
    return [answers[index] for index in range(len(texts))]


def test_scripts_answer_by_the_text_of_the_user(write):
    """What the script names gets its answer, everything else the default; each question is counted."""
    model = ModelRef("base", write("base", answers={"2 + 2": "4"}, default="?"))
    backend = ScriptedBackend()
    assert [generation.text for generation in ask(backend, model, ["2 + 2", "3 + 3"])] == ["4", "?"]
    assert backend.asked == [("base", "2 + 2"), ("base", "3 + 3")]


def test_an_adapter_is_a_script_over_its_base(write):
    """The adapter's answers come first, the base's remain."""
    base = write("base", answers={"a": "1", "b": "2"}, default="x")
    model = ModelRef("lora", base, adapter=write("lora", answers={"b": "3"}))
    assert [generation.text for generation in ask(ScriptedBackend(), model, ["a", "b", "c"])] == ["1", "3", "x"]


def test_answers_can_be_truncated(write):
    """By the script, or by the limit of new tokens, which are bytes here."""
    script = write("base", answers={"a": {"text": "1, 2,", "truncated": True}, "b": "é" * 20}, default="short")
    first, second, third = ask(ScriptedBackend(), ModelRef("base", script), ["a", "b", "c"])
    assert (first.text, first.finish_reason) == ("1, 2,", FinishReason.LENGTH)
    assert (second.text, second.new_tokens, second.finish_reason) == ("é" * 10, 20, FinishReason.LENGTH)
    assert third.finish_reason is FinishReason.STOP


def test_identity_is_that_of_the_script(write):
    """Fingerprints follow the contents; an adapter that changes nothing is refused, as with real weights."""
    base, lora = write("base", default="x"), write("lora", default="y")
    backend = ScriptedBackend()
    one, two = backend.identify(ModelRef("base", base)), backend.identify(ModelRef("lora", base, adapter=lora))
    assert one.fingerprint != two.fingerprint
    assert backend.identify(ModelRef("base", write("copy", default="x"))).fingerprint == one.fingerprint
    with pytest.raises(AdapterWithoutEffect):
        backend.identify(ModelRef("idle", base, adapter=base))


@pytest.mark.parametrize("text", ["", "[]", '{"anwsers": {}}'])
def test_malformed_scripts_are_refused(tmp_path, text):
    """A misspelt key would silently answer everything with nothing."""
    path = tmp_path / "script.json"
    path.write_text(text)
    with pytest.raises(ModelProblem, match=r"script\.json"):
        ScriptedBackend().identify(ModelRef("base", str(tmp_path)))


def test_a_batch_is_handed_over_as_it_ends(write):
    """As with real engines, so that resuming can be tested."""
    backend, batches = ScriptedBackend(batch_size=2), []
    model = ModelRef("base", write("base"))
    prompts = [backend.render(model, [{"role": "user", "content": str(number)}]) for number in range(5)]
    backend.generate(model, prompts, Sampling(4), lambda pairs: batches.append([index for index, _ in pairs]))
    assert batches == [[0, 1], [2, 3], [4]]
    backend.generate(model, prompts, Sampling(4), lambda pairs: batches.append([each.seconds for _, each in pairs]))
    assert all(isinstance(seconds, float) for batch in batches[3:] for seconds in batch)
