"""Rows to token ids, and the checks that stop a run that would teach something else than was meant.

    prompt --the evaluation's renderer--> prompt ids ┐
    prompt + answer --template--> text beyond it ----┴> input ids; labels: the answer and its end token

The two parts are tokenized apart, so the model learns to go on from exactly the ids that it will be asked with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.chat import Tokenizer, answer_ids, render
from harness.errors import BadExamples, ModelProblem
from trainers.rows import TrainRow

__all__ = ["IGNORED_LABEL", "EncodedRow", "encode", "preview", "refuse_wrong_mask"]

IGNORED_LABEL = -100
"""The label that cross entropy leaves out."""


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One row as the model sees it. `labels` equals `input_ids` on the answer and its end token, else -100.

    `rejected` is the same prompt with the answer that another one is preferred to; None outside of ORPO.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    rejected: "EncodedRow | None" = None


def encode(
    rows: Sequence[TrainRow], tokenizer: Tokenizer, *, stop_ids: frozenset[int], max_length: int
) -> tuple[EncodedRow, ...]:
    """Render and tokenize every row, and check it.

    Args:
        rows: at least one.
        tokenizer: from `harness.chat.load_tokenizer`.
        stop_ids: tokens that end an answer when the model is asked; one of them ends each learned answer.
        max_length: tokens.

    Returns:
        One encoded row for each row, in order: at most one BOS, exactly one stop token learned, as the last label.

    Raises:
        BadExamples: a row is longer than `max_length`, or its text holds a special token; names `file:line`.
        ModelProblem: the template cannot be trained on: it renders the prompt otherwise when an answer follows,
            or writes two BOS tokens.
    """
    encoded = tuple(_encode(row, tokenizer, stop_ids) for row in rows)
    sides = [(row, side) for row, ids in zip(rows, encoded, strict=True) for side in (ids, ids.rejected) if side]
    for row, ids in sides:
        if tokenizer.bos_token_id is not None and ids.input_ids.count(tokenizer.bos_token_id) > 1:
            raise ModelProblem(
                f"{row.source}: {tokenizer.bos_token!r} occurs twice when rendered; one must start a row"
            )
        refuse_wrong_mask(ids, stop_ids, row.source)
    long = [(row, ids) for row, ids in sides if len(ids.input_ids) > max_length]
    if long:
        row, ids = long[0]
        raise BadExamples(
            f"{row.source}: {len(ids.input_ids)} tokens, and max_length is {max_length} ({len(long)} such rows); "
            "raise max_length or shorten the rows"
        )
    return encoded


def refuse_wrong_mask(row: EncodedRow, stop_ids: frozenset[int], source: str) -> None:
    """See that what is learned is the end of the row, all of it and nothing else, and ends where answers end.

    Args:
        row: as it will be trained on.
        stop_ids: tokens that end an answer.
        source: `file:line`, for the message.

    Raises:
        ModelProblem: the prompt is in the loss, the answer is not, or its end token is missing or not the last.
    """
    read = sum(label == IGNORED_LABEL for label in row.labels)
    learned = row.labels[read:]
    fault = ""
    if len(row.labels) != len(row.input_ids) or IGNORED_LABEL in learned or learned != row.input_ids[read:]:
        fault = "what is learned is not the end of what is read"
    elif not read:
        fault = "the prompt is in the loss"
    elif not learned:
        fault = "nothing of the answer is learned"
    elif learned[-1] not in stop_ids:
        fault = "the end token is not learned, so the model would never stop"
    elif sum(token in stop_ids for token in learned) > 1:
        fault = "the answer has an end token before its end"
    if fault:
        raise ModelProblem(f"{source}: {fault}; this is a fault of the encoding, not of the row: report it")


def preview(row: EncodedRow, tokenizer: Tokenizer) -> tuple[str, str]:
    """The text that is read but not learned, and the text that is learned, special tokens shown."""
    start = sum(label == IGNORED_LABEL for label in row.labels)
    return tokenizer.decode(row.input_ids[:start]), tokenizer.decode(row.input_ids[start:])


def _encode(row: TrainRow, tokenizer: Tokenizer, stop_ids: frozenset[int]) -> EncodedRow:
    prompt = render(tokenizer, row.prompt)

    def sequence(text: str, rejected: EncodedRow | None = None) -> EncodedRow:
        answer = _answer(row, text, tokenizer, stop_ids)
        read = len(prompt.token_ids)
        return EncodedRow((*prompt.token_ids, *answer), (*[IGNORED_LABEL] * read, *answer), rejected)

    return sequence(row.answer, None if row.rejected is None else sequence(row.rejected))


def _answer(row: TrainRow, text: str, tokenizer: Tokenizer, stop_ids: frozenset[int]) -> tuple[int, ...]:
    """What is learned after the rendered prompt; an error names the row."""
    try:
        return answer_ids(tokenizer, row.prompt, text, stop_ids=stop_ids)
    except (ModelProblem, BadExamples) as error:
        raise type(error)(f"{row.source}: {error}") from error
