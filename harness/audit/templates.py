"""Whether what is trained on is what will be asked: system turns, chat template, special tokens.

The prompt of a training row must begin the rendered conversation, and be, token for token, what a suite renders for the
same question. Both go through the one renderer of the house.
"""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.audit.findings import Finding
from harness.audit.held_out import HeldOut
from harness.audit.rows import Row
from harness.chat import Tokenizer, render, render_texts
from harness.errors import ModelProblem
from harness.fingerprint import digest
from harness.types import Example, Json, Message

__all__ = ["Parity", "Reviewed", "drifted_systems", "parity", "reviewed"]

ALIKE = 0.6
"""difflib's ratio from which on a system turn is taken to be meant as a suite's."""
ALONE = 0.9
CHECKED = 16
"""Rows of each sequence of roles that are rendered, spread over the file."""


@dataclass(frozen=True, slots=True)
class Parity:
    """What was rendered: rows, and suites whose prompt was compared with theirs. `dated` templates ask for a date."""

    rows: int
    suites: tuple[str, ...]
    dated: bool


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A row to be read by a person: the text that is read and not learned, and the text that is learned."""

    number: int
    read: str
    learned: str


def drifted_systems(rows: Sequence[Row], held: Sequence[HeldOut]) -> list[Finding]:
    """System turns that resemble a suite's without being it; or are the file's only one, and no suite's."""
    asked = {each.system: each.name for each in held if each.system}
    said = Counter(row.system for row in rows if row.system)
    if not asked:
        return []
    found = []
    for text, count in said.items():
        if text in asked:
            continue
        ratio, nearest = max((difflib.SequenceMatcher(None, text, own, autojunk=False).ratio(), own) for own in asked)
        if ratio >= ALIKE or count >= ALONE * len(rows):
            numbers = tuple(row.number for row in rows if row.system == text)
            details: dict[str, Json] = {"text": text, "suite": asked[nearest], "suite_text": nearest}
            message = (
                f"{count} rows have a system turn that is not that of {asked[nearest]}: {_difference(text, nearest)}"
            )
            found.append(Finding("prompt", numbers, message, details=details))
    return found


def parity(
    rows: Sequence[Row], held: Sequence[HeldOut], tokenizer: Tokenizer, *, system: str = ""
) -> tuple[Parity, list[Finding]]:
    """Render some rows of each shape and compare; look for special tokens in all.

    Args:
        rows: at least one.
        held: suites; those that render a system turn are asked for their prompt.
        tokenizer: of the base, with its chat template.
        system: system turn of rows that have none.
    """
    found = _special(rows, tokenizer.all_special_tokens)
    shapes: dict[tuple[str, ...], list[Row]] = {}
    tainted = {number for finding in found for number in finding.rows}
    for row in rows:
        if row.number not in tainted:
            shapes.setdefault(tuple(turn["role"] for turn in row.prompt), []).append(row)
    chosen = [row for group in shapes.values() for row in group[:: max(1, len(group) // CHECKED)][:CHECKED]]
    wrong: dict[str, list[int]] = {}
    compared: set[str] = set()
    for row in chosen:
        try:
            fault = _fault(row, _turns(row, system), tokenizer)
            for each in held:
                if not fault and (other := _asked_otherwise(row, each, tokenizer, system)) is not None:
                    compared.add(each.name)
                    fault = other
        except ModelProblem as error:
            fault = str(error)
        if fault:
            wrong.setdefault(fault, []).append(row.number)
    found += [
        Finding("template", tuple(numbers), f"{len(numbers)} of {len(chosen)} rendered rows: {fault}")
        for fault, numbers in wrong.items()
    ]
    return Parity(len(chosen), tuple(sorted(compared)), "strftime_now" in tokenizer.chat_template), found


def reviewed(rows: Sequence[Row], tokenizer: Tokenizer, *, system: str = "", count: int = 12) -> tuple[Reviewed, ...]:
    """Some rows as the template writes them, drawn by their contents, so that their order does not matter.

    Where the template refuses a row, which is a finding of `parity`, its turns stand as they are.
    """
    keyed = sorted(rows, key=lambda row: digest([row.question, row.answer]))
    shown = []
    for row in keyed[:: max(1, len(keyed) // count)][:count]:
        turns = _turns(row, system)
        try:
            prompt = render(tokenizer, turns).text
            (whole,) = render_texts(tokenizer, [[*turns, {"role": "assistant", "content": row.answer}]])
        except ModelProblem:
            prompt, whole = row.question, row.question + row.answer
        shown.append(Reviewed(row.number, prompt, whole.removeprefix(prompt)))
    return tuple(sorted(shown, key=lambda each: each.number))


def _turns(row: Row, system: str) -> list[Message]:
    own = list(row.prompt)
    return own if row.system or not system else [{"role": "system", "content": system}, *own]


def _fault(row: Row, turns: list[Message], tokenizer: Tokenizer) -> str:
    """What is wrong with how the template writes this row; empty when nothing is."""
    prompt = render(tokenizer, turns)
    answer: Message = {"role": "assistant", "content": row.answer}
    whole = render(tokenizer, [*turns, answer], generation_prompt=False)
    bos = tokenizer.bos_token_id
    if not whole.text.startswith(prompt.text):
        return "the template writes the prompt otherwise when an answer follows, so no training on it fits the question"
    if bos is not None and whole.token_ids.count(bos) > 1:
        return "the template writes the begin token twice"
    if row.answer.strip() not in whole.text[len(prompt.text) :]:
        return "the template does not write the answer as it is"
    return ""


def _asked_otherwise(row: Row, held: HeldOut, tokenizer: Tokenizer, system: str) -> str | None:
    """How a suite's prompt for this question differs; empty when it does not, None when the suite asks otherwise."""
    render_spec = getattr(held.suite, "render", None)
    wanted = row.system or system
    if render_spec is None or held.system is None or wanted != held.system or len(row.prompt) - bool(row.system) != 1:
        return None
    theirs = render_spec.messages(Example(id="", input=row.question, target=row.answer))
    if render(tokenizer, theirs).token_ids == render(tokenizer, _turns(row, system)).token_ids:
        return ""
    return f"{held.name} renders another prompt for the same question and system turn"


def _special(rows: Sequence[Row], tokens: Sequence[str]) -> list[Finding]:
    hits: dict[str, list[int]] = {}
    any_of = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or r"(?!)")
    for row in rows:
        text = "\n".join([*(turn["content"] for turn in row.prompt), row.answer])
        for token in dict.fromkeys(any_of.findall(text)):
            hits.setdefault(token, []).append(row.number)
    said = "{} rows hold the text {!r}, which the tokenizer reads as a special token"
    return [
        Finding("special", tuple(numbers), said.format(len(numbers), token), details={"token": token})
        for token, numbers in hits.items()
    ]


def _difference(text: str, wanted: str) -> str:
    """The first place where two texts part."""
    at = next((i for i, (a, b) in enumerate(zip(text, wanted, strict=False)) if a != b), min(len(text), len(wanted)))
    return f"from character {at + 1} on it says {text[at : at + 40]!r} in place of {wanted[at : at + 40]!r}"
