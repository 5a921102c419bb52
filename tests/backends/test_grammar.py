"""Constrained decoding: whatever the weights would rather say, the answer fits the schema, or is cut."""

import json

import jsonschema
import pytest

from harness.backends._grammar import Grammar
from harness.backends.hf import HfBackend
from harness.errors import BadSpec, NotMeasured
from harness.types import FinishReason, ModelRef, Sampling
from tests.tiny import make_base, make_tokenizer

SCHEMA = {
    "type": "object",
    "required": ["word", "ok"],
    "additionalProperties": False,
    "properties": {"word": {"type": "string", "maxLength": 5}, "ok": {"type": "boolean"}},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A random base that only its end token stops."""
    return make_base(tmp_path_factory.mktemp("unheld") / "base")


def answers(backend, ref, sampling):
    """What the tiny base, all random, says to eight questions of unlike length."""
    prompts = [backend.render(ref, [{"role": "user", "content": "Say it. " * n}]) for n in range(1, 9)]
    found = {}
    backend.generate(ref, prompts, sampling, found.update)
    return [found[index] for index in range(len(prompts))]


def test_random_weights_write_what_the_schema_allows(plain):
    """Every whole answer of a random model fits the schema under the grammar, and none does without."""
    backend, ref = HfBackend(device="cpu", batch_size=3), ModelRef("base", str(plain))
    held = answers(backend, ref, Sampling(64, schema=json.dumps(SCHEMA)))
    assert {answer.finish_reason for answer in held} == {FinishReason.STOP}
    for answer in held:
        jsonschema.validate(json.loads(answer.text), SCHEMA)
    free = answers(backend, ref, Sampling(64))
    assert not any(answer.text.startswith('{"word": "') for answer in free)


def test_answer_that_runs_out_of_tokens_is_cut(plain):
    """A constrained answer without room to end is truncated, not taken for whole."""
    backend, ref = HfBackend(device="cpu"), ModelRef("base", str(plain))
    held = answers(backend, ref, Sampling(6, schema=json.dumps(SCHEMA)))
    assert {answer.finish_reason for answer in held} == {FinishReason.LENGTH}


def test_schema_that_cannot_be_followed_is_refused():
    """A keyword that the library does not know is an error, never a grammar that leaves it out."""
    tokenizer = make_tokenizer()
    with pytest.raises(BadSpec, match="the schema cannot be followed"):
        Grammar('{"type": "array", "uniqueItems": true}', tokenizer, stop=frozenset({tokenizer.eos_token_id}), rows=1)


def test_token_outside_of_the_schema_is_an_error():
    """A grammar that was not obeyed never goes on as if it had been."""
    tokenizer = make_tokenizer()
    grammar = Grammar(json.dumps(SCHEMA), tokenizer, stop=frozenset({tokenizer.eos_token_id}), rows=1)
    with pytest.raises(NotMeasured, match="lost its way"):
        grammar.advance([0], tokenizer("x", add_special_tokens=False)["input_ids"])
