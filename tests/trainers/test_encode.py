"""Rows as token ids: what is learned, and that it continues exactly the prompt that measuring sends."""

import pytest

from harness.chat import load_tokenizer, render
from harness.errors import BadExamples, ModelProblem
from tests.tiny import BOS, CHAT_TEMPLATE, EOS, make_base, make_tokenizer
from trainers.bases import stop_ids
from trainers.encode import IGNORED_LABEL, encode, preview
from trainers.rows import TrainRow

USER = {"role": "user", "content": "Name a tree."}
ROW = TrainRow(prompt=({"role": "system", "content": "Be short."}, USER), answer="elm", source="rows.jsonl:1")


def encode_one(row, tokenizer, *, max_length=512):
    """One row, encoded with the tokenizer's own end token."""
    return encode([row], tokenizer, stop_ids=frozenset({tokenizer.eos_token_id}), max_length=max_length)[0]


@pytest.fixture
def tokenizer(base):
    """The tiny base's tokenizer, as the harness loads it."""
    return load_tokenizer(base)


def test_the_prompt_is_masked_and_the_answer_with_its_end_token_is_learned(tokenizer):
    """Loss on the answer only; without the end token in it the model would never learn to stop."""
    encoded = encode_one(ROW, tokenizer)
    learned = [label for label in encoded.labels if label != IGNORED_LABEL]
    assert tokenizer.decode(learned) == f"elm{EOS}"
    assert learned[-1] == tokenizer.eos_token_id
    assert encoded.labels[-len(learned) :] == encoded.input_ids[-len(learned) :]


def test_the_training_prompt_is_the_evaluation_prompt_token_for_token(tokenizer):
    """What is masked equals what the harness renders when it asks, and starts with the one BOS."""
    encoded = encode_one(ROW, tokenizer)
    asked = render(tokenizer, ROW.prompt).token_ids
    assert encoded.input_ids[: len(asked)] == asked
    assert set(encoded.labels[: len(asked)]) == {IGNORED_LABEL}
    assert encoded.labels[len(asked)] != IGNORED_LABEL
    assert encoded.input_ids.count(tokenizer.bos_token_id) == 1
    assert encoded.input_ids[0] == tokenizer.bos_token_id


def test_a_template_that_inserts_today_s_date_gives_the_same_prompt_on_another_day(monkeypatch):
    """Trained on one day and asked on another, the prompt is the same, token for token."""
    import transformers.utils.chat_template_utils as clock

    dated = make_tokenizer(chat_template="{{ strftime_now('%d %b %Y') }}" + CHAT_TEMPLATE)
    trained = encode_one(ROW, dated)
    later = type("Later", (clock.datetime,), {"now": classmethod(lambda cls, tz=None: cls(2031, 1, 1, tzinfo=tz))})
    monkeypatch.setattr(clock, "datetime", later)
    asked = render(dated, ROW.prompt)
    assert trained.input_ids[: len(asked.token_ids)] == asked.token_ids
    assert set(trained.labels[: len(asked.token_ids)]) == {IGNORED_LABEL}


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing`:FutureWarning")
def test_trl_would_build_the_same_ids_and_labels_from_prompt_and_completion(tokenizer, tmp_path, base):
    """Two independent ways to the same training rows: ours, and TRL's preparation of conversations."""
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    answer = {"role": "assistant", "content": ROW.answer}
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base),
        args=SFTConfig(tmp_path, bf16=False, use_cpu=True, max_length=512, gradient_checkpointing=False),
        train_dataset=Dataset.from_list([{"prompt": list(ROW.prompt), "completion": [answer]}]),
        processing_class=tokenizer,
    )
    (theirs,) = trainer.train_dataset
    ours = encode_one(ROW, tokenizer)
    assert (tuple(theirs["input_ids"]), tuple(theirs["labels"])) == (ours.input_ids, ours.labels)


@pytest.mark.parametrize(
    "template",
    [
        CHAT_TEMPLATE.replace("+ '<|end|>' }}{% endgen", "+ '<|end|>\\n' }}{% endgen"),
        CHAT_TEMPLATE.replace("content'] + '<|end|>' }}{% endgen", "content'] }}{% endgen"),
    ],
    ids=["line break after it", "none"],
)
def test_the_end_token_comes_last_whatever_the_template_writes(template):
    """A line break after the end token is not learned, and a missing end token is added."""
    assert template != CHAT_TEMPLATE
    tokenizer = make_tokenizer(chat_template=template)
    assert preview(encode_one(ROW, tokenizer), tokenizer)[1] == f"elm{EOS}"


def test_a_template_that_writes_the_prompt_otherwise_before_an_answer_is_refused():
    """Training on a prompt that measuring never sends would be measured as a weak adapter."""
    tokenizer = make_tokenizer(chat_template=CHAT_TEMPLATE.replace("{{ '<|begin|>' }}", "{{ messages | length }}"))
    with pytest.raises(ModelProblem, match=r"rows\.jsonl:1: the chat template renders the prompt otherwise"):
        encode_one(ROW, tokenizer)


def test_a_second_bos_is_refused():
    """Two BOS tokens cost several points and no one sees why."""
    tokenizer = make_tokenizer(chat_template="{{ '<|begin|>' }}" + CHAT_TEMPLATE)
    with pytest.raises(ModelProblem, match="occurs twice"):
        encode_one(ROW, tokenizer)


def test_special_tokens_inside_an_answer_are_refused(tokenizer):
    """A row that says the end token as text would teach to stop early."""
    row = TrainRow(prompt=(USER,), answer=f"elm{EOS}oak", source="rows.jsonl:7")
    with pytest.raises(BadExamples, match=r"rows\.jsonl:7: the answer holds an end token"):
        encode_one(row, tokenizer)
    with pytest.raises(ModelProblem, match="occurs twice"):
        encode_one(TrainRow(prompt=(USER,), answer=f"{BOS}elm", source=""), tokenizer)


def test_a_row_that_is_too_long_is_refused_and_none_is_cut(tokenizer):
    """TRL drops rows whose answer was cut away without a word; here the first is named and all are counted."""
    length = len(encode_one(ROW, tokenizer).input_ids)
    assert encode_one(ROW, tokenizer, max_length=length)
    with pytest.raises(BadExamples, match=rf"rows\.jsonl:1: {length} tokens, and max_length is {length - 1} \(1 such"):
        encode_one(ROW, tokenizer, max_length=length - 1)


def test_every_token_that_ends_generation_counts_as_end(tmp_path):
    """A base may stop at several tokens; an answer that ends with any of them gets no second one."""
    tokenizer = make_tokenizer()
    folder = make_base(tmp_path, eos_token_id=[2, 5])
    assert stop_ids(folder, tokenizer) == {2, 5}
