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
    "attack",
    [
        "{{ [].__class__.__base__.__subclasses__() }}",
        "{{ ().__class__.__mro__ }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ joiner.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ self.__init__.__globals__.__builtins__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ messages|attr('__class__')|attr('__mro__') }}",
        "{{ ''['__class__']['__mro__'] }}",
        "{{ '%s'|format(messages.__class__) }}",
        "{{ '{0.__class__.__mro__}'.format(messages) }}",
        "{{ messages.append('x') }}",
        "{{ messages[0].update({'content': 'x'}) }}",
        "{{ messages.clear() }}",
        "{{ undefined_function() }}",
        "{{ config }}{{ config.x }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{{ 1 / 0 }}",
        "{{ messages[99].content.x }}",
        "{{ 'a' + 1 }}",
        "{{ open('/etc/passwd') }}",
        "{{ range(10000000) }}{{ range(10000000)|list }}",
        "{% for x in %}",
        "{{ 9 ** 9 ** 9 }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_a_hostile_template_is_one_line(attack):
    """Reaching for Python, changing the conversation, files, endless numbers and plain mistakes: all are refused."""
    with pytest.raises(ModelProblem, match="the chat template") as caught:
        render(make_tokenizer(chat_template=attack), ASK)
    assert "\n" not in str(caught.value)
    assert ASK == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    "bomb",
    [
        "{{ 'a' * 10 ** 10 }}",
        "{% set n = 10000000000 %}{{ 'a' * n }}",
        "{{ 'ab' * 50000000 }}",
        "{{ 'a'|center(10000000000) }}",
        "{{ '%010000000000d'|format(1) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    ],
)
def test_a_template_that_grows_without_end_is_stopped(monkeypatch, bomb):
    """The sandbox allows all of these; time, memory and length are limited beside it."""
    monkeypatch.setattr("harness.chat._SECONDS", 1.0)
    with pytest.raises(ModelProblem, match=r"the chat template (takes more than|writes|raises)"):
        render(make_tokenizer(chat_template=bomb), ASK)


def test_a_template_that_writes_too_much_is_refused():
    """Ten million characters take little time and memory, and are no prompt."""
    with pytest.raises(ModelProblem, match="the chat template writes 10,000,000 characters"):
        render(make_tokenizer(chat_template="{% set n = 5000000 %}{{ 'ab' * n }}"), ASK)


def test_a_tokenizer_that_pads_on_the_right_is_turned_to_the_left(tmp_path):
    """Padded on the right, a decoder would go on behind the padding; what the folder says of it does not count."""
    tokenizer = make_tokenizer()
    tokenizer.padding_side = "right"
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).padding_side == "left"


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
