"""Prompts are rendered once, the same way everywhere, and unfit tokenizers are refused."""

import pytest
from tokenizers import processors

from harness.chat import load_tokenizer, render, template_digest, tokenizer_digest
from harness.errors import ModelProblem
from tests.tiny import EOS, make_tokenizer

ASK = [{"role": "user", "content": "Hi"}]


def test_rendering_adds_no_special_tokens_beyond_the_template():
    """The template writes one begin token; a tokenizer that likes to add its own must not add another."""
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", tokenizer.bos_token_id)]
    )
    assert tokenizer("Hi")["input_ids"][0] == tokenizer.bos_token_id
    prompt = render(tokenizer, ASK)
    assert prompt.text == "<|begin|><|user|>Hi<|end|><|assistant|>"
    assert prompt.token_ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(prompt.token_ids) == prompt.text


def test_the_prompt_of_training_is_a_prefix_of_the_conversation():
    """What the model is asked with is exactly what it saw before its answer in training."""
    tokenizer = make_tokenizer()
    asked = render(tokenizer, ASK).token_ids
    whole = render(tokenizer, [*ASK, {"role": "assistant", "content": "Yes"}], generation_prompt=False).token_ids
    assert whole[: len(asked)] == asked


def test_a_template_that_prints_a_date_prints_the_same_one_every_day():
    """A prompt that changed overnight would make every stored answer a miss and every pin a mismatch."""
    tokenizer = make_tokenizer(chat_template="{{ date_string }} {{ messages[0]['content'] }}")
    assert render(tokenizer, ASK).text == "26 Jul 2024 Hi"


def test_a_template_that_asks_for_the_date_itself_is_told_the_same_one_every_day():
    """Llama 3.2 and others call `strftime_now`, which is today unless something else is put in its place."""
    text = "  {% if true %}\n{{ strftime_now('%d %b %Y') }}{% endif %}|{{ strftime_now('%A %-d %B, %H:%M') }}"
    assert render(make_tokenizer(chat_template=text), ASK).text == "26 Jul 2024|Friday 26 July, 00:00"


def test_roles_that_the_template_refuses_are_named():
    """Some templates know no system role; the message says which roles were given."""
    tokenizer = make_tokenizer(chat_template="{{ raise_exception('System role not supported') }}")
    with pytest.raises(ModelProblem, match="refuses the roles system, user: System role not supported"):
        render(tokenizer, [{"role": "system", "content": "Be brief."}, *ASK])


def test_a_template_cannot_reach_python():
    """Templates come with models and are not trusted: the sandbox stops them, and a user reads one line."""
    attack = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(ModelProblem, match="chat template refuses"):
        render(make_tokenizer(chat_template=attack), ASK)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chat_template": None}, "no chat template"),
        ({"pad_token": EOS}, "never learns to stop"),
    ],
)
def test_unfit_tokenizers_are_refused(tmp_path, settings, message):
    """Without a template nothing can be asked; with pad = eos training hides the stop token."""
    make_tokenizer(**settings).save_pretrained(tmp_path)
    with pytest.raises(ModelProblem, match=message):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_pad_token_is_fit(tmp_path):
    """Padding is masked, so its id is never looked at."""
    make_tokenizer(pad_token=None).save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).pad_token is None


def test_a_missing_tokenizer_is_one_line(tmp_path):
    """The error names the folder."""
    with pytest.raises(ModelProblem, match="the tokenizer cannot be loaded") as caught:
        load_tokenizer(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_digests_tell_templates_and_tokenizers_apart(tmp_path):
    """Both enter a model's fingerprint."""
    tokenizer = make_tokenizer()
    assert template_digest(tokenizer) != template_digest(make_tokenizer(chat_template="{{ messages }}"))
    tokenizer.save_pretrained(tmp_path / "a")
    tokenizer.add_tokens(["<|tool|>"])
    tokenizer.save_pretrained(tmp_path / "b")
    assert tokenizer_digest(tmp_path / "a") != tokenizer_digest(tmp_path / "b")
