"""Chat templates: the one renderer that training and measuring share.

    messages --template--> text --tokenizer--> token ids

A template is code that came with a model. It runs in the sandbox of transformers, which keeps it from reading and
calling what it should not, and within limits of ours on time, memory and length. It is told a fixed date, so that a
prompt is the same today and tomorrow.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.backends import Prompt
from harness.bounded import bounded
from harness.errors import BadExamples, ModelProblem
from harness.fingerprint import digest, file_digest
from harness.types import Message

__all__ = ["Tokenizer", "answer_ids", "load_tokenizer", "render", "render_texts", "template_digest", "tokenizer_digest"]

Tokenizer = Any
"""A tokenizer of transformers, which declares no types."""

_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_SENTENCEPIECE = ("tokenizer.model", "vocab.json", "merges.txt", "vocab.txt")
_TODAY = datetime(2024, 7, 26, tzinfo=UTC)
"""What templates that print a date are told: the date that the templates of Llama 3 fall back to themselves."""
_SECONDS, _MEMORY, _CHARACTERS = 10.0, 1 << 29, 1 << 23
"""What rendering one prompt may take: seconds, bytes, and characters written."""
_CLOCK = ("%Y", "%y", "%m", "%B", "%b", "%d", "%-d", "%A", "%a", "%j", "%H", "%I", "%M", "%S", "%p")
"""The parts of a date that templates ask for."""


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder, padding on the left, checked to be fit for measuring.

    A tokenizer without any pad token is accepted: padding is masked, so its id never matters.

    Raises:
        ModelProblem: it cannot be loaded, has no chat template, or pads with its end-of-text token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelProblem(f"{folder}: the tokenizer cannot be loaded ({_first_line(error)})") from error
    if not tokenizer.chat_template:
        raise ModelProblem(
            f"{folder}: the tokenizer has no chat template; use the instruction-tuned model, or save a "
            "chat_template.jinja beside tokenizer.json"
        )
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise ModelProblem(
            f"{folder}: pad token and end-of-text token are both {tokenizer.eos_token!r}, so a model trained with it "
            "never learns to stop; set another pad token in tokenizer_config.json and train again"
        )
    return tokenizer


def render(tokenizer: Tokenizer, messages: Sequence[Message], *, generation_prompt: bool = True) -> Prompt:
    """Apply the chat template and tokenize, adding no special tokens to what the template wrote.

    Args:
        tokenizer: from `load_tokenizer`.
        messages: the conversation so far.
        generation_prompt: open the assistant's turn at the end.

    Raises:
        ModelProblem: the template refuses these messages (some know no system role), breaks, or goes beyond its limits.
    """
    text = _text(tokenizer, [dict(message) for message in messages], generation_prompt=generation_prompt)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not ids:
        raise ModelProblem("the chat template writes nothing, so that there is nothing to answer; use a sound template")
    return Prompt(text=text, token_ids=tuple(ids))


def render_texts(tokenizer: Tokenizer, conversations: Sequence[Sequence[Message]]) -> list[str]:
    """Whole conversations as the chat template writes them, answers included, for whoever only counts.

    Raises:
        ModelProblem: the template refuses one of them.
    """
    return [_text(tokenizer, [dict(turn) for turn in turns], generation_prompt=False) for turns in conversations]


def _text(tokenizer: Tokenizer, messages: list[dict[str, str]], *, generation_prompt: bool) -> str:
    from jinja2 import TemplateError

    template = _timeless(tokenizer.chat_template)
    _refuse_powers(template)
    try:
        with bounded(seconds=_SECONDS, memory=_MEMORY):
            text = str(
                tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=generation_prompt,
                    date_string=_TODAY.strftime("%d %b %Y"),
                    chat_template=template,
                )
            )
    except (TimeoutError, MemoryError, RecursionError) as error:
        raise ModelProblem(
            f"the chat template takes more than {_SECONDS:g} s or {_MEMORY >> 20} MiB for one prompt "
            f"({type(error).__name__}); use a sound template"
        ) from error
    except TemplateError as error:
        roles = ", ".join(message.get("role", "?") for message in messages)
        raise ModelProblem(f"the chat template refuses the roles {roles}: {_first_line(error)}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ModelProblem(
            f"the chat template breaks ({type(error).__name__}: {_first_line(error)}); mend it"
        ) from error
    if len(text) > _CHARACTERS:
        raise ModelProblem(f"the chat template writes {len(text):,} characters for one prompt; use a sound template")
    return text


@lru_cache(64)
def _refuse_powers(template: str) -> None:
    """Refuse `9**9**9`, the one expression that no limit on time can stop once it runs."""
    from jinja2 import Environment, TemplateSyntaxError

    try:
        words = [word for _, kind, word in Environment(autoescape=True).lex(template) if kind == "operator"]
    except TemplateSyntaxError:
        return  # rendering says what is wrong with it
    if "**" in words:
        raise ModelProblem("the chat template raises numbers to a power, which may take forever; use a sound template")


def answer_ids(
    tokenizer: Tokenizer, messages: Sequence[Message], answer: str, *, stop_ids: frozenset[int]
) -> tuple[int, ...]:
    """The tokens that a right `answer` adds to the rendered prompt: its text and one end token.

    They are tokenized apart from the prompt, so that they follow exactly the ids that the model is asked with.

    Args:
        tokenizer: from `load_tokenizer`.
        messages: the conversation that is answered.
        answer: what the assistant says.
        stop_ids: tokens that end an answer when the model is asked.

    Raises:
        ModelProblem: the template renders the prompt otherwise when an answer follows.
        BadExamples: the answer holds an end token.
    """
    prompt = render(tokenizer, messages).text
    whole = render(tokenizer, [*messages, {"role": "assistant", "content": answer}], generation_prompt=False)
    if not whole.text.startswith(prompt):
        raise ModelProblem(
            "the chat template renders the prompt otherwise when an answer follows, so training would "
            "not fit measuring; use a template whose prompt is a prefix of the whole conversation"
        )
    ids = list(tokenizer(whole.text[len(prompt) :], add_special_tokens=False)["input_ids"])
    stops = [index for index, token in enumerate(ids) if token in stop_ids]
    if len(stops) > 1:
        raise BadExamples("the answer holds an end token inside its text; remove it")
    # A template may write a line break after its end token, or no end token: the end token always comes last.
    return tuple(ids[: stops[0] + 1] if stops else [*ids, tokenizer.eos_token_id])


def _timeless(template: str) -> str:
    """`template` with a clock that stands still in place of the one that transformers gives it.

    A function cannot be handed to a template, so the clock is a macro; the line break after it is trimmed away.
    """
    if "strftime_now" not in template:
        return template
    filled = "".join(f" | replace('{code}', '{_TODAY.strftime(code)}')" for code in _CLOCK)
    return f"{{% macro strftime_now(form) %}}{{{{ form{filled} }}}}{{% endmacro %}}\n{template}"


def template_digest(tokenizer: Tokenizer) -> str:
    """Digest of the chat template's source."""
    return digest(tokenizer.chat_template)


def tokenizer_digest(folder: Path) -> str:
    """Digest of every file in `folder` that decides how text becomes token ids."""
    files = [folder / name for name in (*_FILES, *_SENTENCEPIECE)]
    return digest({file.name: file_digest(file) for file in files if file.exists()})


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
