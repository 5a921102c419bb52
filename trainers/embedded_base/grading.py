"""Grading tasks: a question, a reference and an answer in; a score from 1 to 5 and a short reason out.

The rule is the same everywhere, so that it can be learned and checked: 5 says the same as the reference, 4 says it with
needless words, 3 is partly right, 2 is wrong but of the right kind, 1 is empty, evasive or about something else.
"""

import json
from collections.abc import Callable
from random import Random

from trainers.embedded_base.document import Document, chat
from trainers.embedded_base.domains import DOMAINS, Value, compose
from trainers.embedded_base.facts import sample_fact

__all__ = ["comparison", "grading"]

_REASONS = {
    5: ("It says the same as the reference.", "Correct and complete.", "It matches the reference."),
    4: (
        "Correct, but with needless words.",
        "Right, though wordier than asked.",
        "The reference is there, with extra text.",
    ),
    3: ("Partly right.", "Some of it matches the reference.", "Only a part is correct."),
    2: ("Wrong, though of the right kind.", "It differs from the reference.", "Not the reference answer."),
    1: ("It does not answer the question.", "Empty or evasive.", "Nothing of use."),
}
_EVASIONS = (
    "I do not know.",
    "I cannot help with that.",
    "",
    "Maybe.",
    "That is a good question.",
    "N/A",
    "...",
    "Please ask again.",
)
_CRITERIA = ("", "", "Criterion: correct\n", "Criterion: complete\n", "Criterion: correctness\n")


def _fact_answer(rng: Random, score: int) -> tuple[str, str, str]:
    fact = sample_fact(rng)
    question, reference = fact.ask(rng), fact.answer
    wrong = rng.choice([answer for answer in fact.relation.pool if answer != reference])
    make: dict[int, Callable[[], str]] = {
        5: lambda: reference,
        4: lambda: rng.choice(
            (fact.state(rng), f"I think that it is {reference}, if I remember well.", f"The answer is {reference}.")
        ),
        3: lambda: rng.choice(
            (f"{reference} or {wrong}", f"Either {wrong} or {reference}.", f"{wrong}, perhaps {reference}")
        ),
        2: lambda: rng.choice((wrong, f"The answer is {wrong}.")),
        1: lambda: rng.choice(_EVASIONS),
    }
    return question, reference, make[score]()


def _record_answer(rng: Random, score: int) -> tuple[str, str, str]:
    domain = rng.choice(DOMAINS)
    text, record = compose(rng, domain, rng.randint(2, 4))
    _, other = compose(rng, domain, 6)
    if len(record) < 2:
        return _fact_answer(rng, score)
    reference = json.dumps(record, ensure_ascii=False)
    changed: dict[str, Value] = dict(record)
    keys = sorted(key for key in record if key in other and other[key] != record[key])
    if score == 3 and keys:
        key = rng.choice(keys)
        changed[key] = other[key]
    make: dict[int, Callable[[], str]] = {
        5: lambda: reference,
        4: lambda: rng.choice((f"Here you are: {reference}", f"{reference} I hope this helps.")),
        3: lambda: json.dumps(changed if keys else dict(list(record.items())[:-1]), ensure_ascii=False),
        2: lambda: json.dumps({key: other.get(key) for key in record}, ensure_ascii=False),
        1: lambda: rng.choice((*_EVASIONS, "{}", text[:20])),
    }
    return text, reference, make[score]()


def grading(rng: Random) -> Document:
    """One answer to grade, in JSON (reason before score, with or without an id) or in a line of text."""
    score = rng.randint(1, 5)
    question, reference, answer = (_fact_answer if rng.random() < 0.6 else _record_answer)(rng, score)
    reason = rng.choice(_REASONS[score])
    shape = rng.randrange(3)
    block = f"Question: {question}\nReference: {reference}\nAnswer: {answer}"
    criterion = rng.choice(_CRITERIA)
    if shape == 0:
        system = "Grade the answer from 1 to 5 against the reference. Reply in JSON with reason and score."
        return chat("grading", criterion + block, json.dumps({"reason": reason, "score": score}), system=system)
    if shape == 1:
        item = f"{rng.randrange(16**6):06x}"
        system = "Grade the answer from 1 to 5 against the reference. Reply in JSON with id, reason and score."
        reply = json.dumps({"id": item, "reason": reason, "score": score})
        return chat("grading", f"Id: {item}\n{criterion}{block}", reply, system=system)
    user = f"{block}\nGive a score from 1 to 5 and a short reason."
    return chat("grading", user, f"Score: {score}. {reason}")


def comparison(rng: Random) -> Document:
    """Two answers to compare; the better one is A, B, or neither."""
    scores = rng.choice(((5, 2), (5, 1), (4, 2), (3, 1), (2, 5), (1, 5), (2, 4), (1, 3), (5, 5), (2, 2)))
    fact = Random(rng.random())
    state = fact.getstate()
    answers = []
    for score in scores:
        fact.setstate(state)
        question, reference, answer = _fact_answer(fact, score)
        answers.append(answer)
    better = "tie" if scores[0] == scores[1] else "A" if scores[0] > scores[1] else "B"
    block = f"Question: {question}\nReference: {reference}\nAnswer A: {answers[0]}\nAnswer B: {answers[1]}"
    system = "Which answer is better? Reply in JSON with the key winner: A, B or tie."
    return chat("comparison", block, json.dumps({"winner": better}), system=system)
