"""The base's own tokenizer: byte-level BPE of 4,096 tokens, trained on the pretraining stream.

A space belongs to the lower-case word after it, and stands alone before capitals and digits. So a name has the same
tokens in running text (` Oak Foods`) and inside quotes (`"Oak Foods"`), which makes copying it easy for a small model;
digits stand alone, so that every number is written in one way.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from trainers.embedded_base.document import ASSISTANT, BOS, CONTROL_TOKENS, END, PAD, SYSTEM, USER
from trainers.embedded_base.lexicon import NOUNS
from trainers.embedded_base.mixture import documents

__all__ = ["CHAT_TEMPLATE", "train_tokenizer"]

VOCABULARY = 4096
CONTEXT = 1024
DOCUMENTS = 60_000
LEXICON_REPEATS = 40
_WORDS = r" ?\p{Ll}+|\p{Lu}{2,}(?!\p{Ll})|\p{Lu}\p{Ll}*|\p{N}| ?[^\s\p{L}\p{N}]+|\p{L}+|\s"

CHAT_TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    f"{{%- if message['role'] == 'system' %}}{{{{- '{SYSTEM}' + message['content'] + eos_token }}}}"
    f"{{%- elif message['role'] == 'user' %}}{{{{- '{USER}' + message['content'] + eos_token }}}}"
    f"{{%- elif message['role'] == 'assistant' %}}{{{{- '{ASSISTANT}' }}}}"
    "{%- generation %}{{- message['content'] + eos_token }}{%- endgeneration %}"
    "{%- else %}{{- raise_exception('unknown role ' + message['role']) }}{%- endif %}"
    "{%- endfor %}"
    f"{{%- if add_generation_prompt %}}{{{{- '{ASSISTANT}' }}}}{{%- endif %}}"
)
"""One turn after another, each ended by the end token; the assistant's words stand between generation markers."""


def train_tokenizer(folder: Path, seed: str = "tokenizer") -> Any:
    """Train the tokenizer on the stream's first documents and save it to `folder`.

    Returns:
        The transformers tokenizer, with pad, bos and eos (the end token) set and the chat template attached.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(_texts(seed), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        model_max_length=CONTEXT,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def _texts(seed: str) -> Iterator[str]:
    """The stream without control tokens, and the lexicon, whose words are rarer in it than in English."""
    for document in islice(documents(seed), DOCUMENTS):
        text = "".join(text for text, _ in document.parts)
        for token in CONTROL_TOKENS:
            text = text.replace(token, " ")
        yield text
    yield from (f" {noun} {noun.capitalize()}" for noun in NOUNS for _ in range(LEXICON_REPEATS))
