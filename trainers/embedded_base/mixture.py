"""The pretraining mixture: which kinds of documents, in which shares, as one endless seeded stream.

Prompts of the reserved share never occur here; they are what evaluation draws from.
"""

from collections.abc import Callable, Iterator
from random import Random

from trainers.embedded_base.document import BOS, END, Document, chat, plain, reserved
from trainers.embedded_base.extraction import extraction, one_field
from trainers.embedded_base.facts import letters, multiple_choice, options_for, sample_fact
from trainers.embedded_base.grading import comparison, grading
from trainers.embedded_base.lexicon import phrase, sentence
from trainers.embedded_base.manner import remote_or_not
from trainers.embedded_base.reading import read_one, reading
from trainers.embedded_base.series import series
from trainers.embedded_base.skills import skill

__all__ = ["MIXTURE", "documents"]


def statements(rng: Random) -> Document:
    """One to four facts in sentences."""
    return plain("statement", " ".join(sample_fact(rng).state(rng) for _ in range(rng.randint(1, 4))))


def prose(rng: Random) -> Document:
    """Two to four simple sentences, now and then with a heading."""
    head = f"{phrase(rng)}\n" if rng.random() < 0.4 else ""
    return plain("prose", head + " ".join(sentence(rng) for _ in range(rng.randint(2, 4))))


def question(rng: Random) -> Document:
    """A question of knowledge with a short answer."""
    fact = sample_fact(rng)
    shape = rng.random()
    ask = fact.ask(rng)
    if shape < 0.6:
        return chat("question", ask, fact.answer)
    if shape < 0.8:
        form = rng.choice(("Answer in a sentence: {}", "{} Reply with a full sentence.", "{} (one sentence)"))
        return chat("question", form.format(ask), fact.state(rng))
    return plain("question", f"Question: {ask}\nAnswer: {fact.answer}")


def choice(rng: Random) -> Document:
    """One to three four-choice questions in MMLU's plain layout; the letters are learned."""
    parts: list[tuple[str, bool]] = []
    first = sample_fact(rng)
    head = ""
    if rng.random() < 0.6:
        subject = first.relation.subject.replace("_", " ")
        head = f"The following are multiple choice questions (with answers) about {subject}.\n\n"
    prompt = []
    for index in range(rng.choice((1, 1, 2, 3))):
        fact = first if index == 0 else sample_fact(rng)
        options, right = options_for(rng, fact)
        ask = fact.ask(rng)
        prompt.append(ask)
        parts += [(f"{head}{multiple_choice(ask, options)}", False), (f" {letters[right]}", True)]
        head = "\n\n"
    return Document("choice", ((BOS, False), *parts, (END, True)), " ".join(prompt))


def chat_choice(rng: Random) -> Document:
    """A four-choice question in conversation, answered with the letter, the option, or both."""
    fact = sample_fact(rng)
    options, right = options_for(rng, fact)
    block = multiple_choice(fact.ask(rng), options).removesuffix("\nAnswer:")
    letter, shape = letters[right], rng.randrange(3)
    if shape == 0:
        return chat("choice", f"{block}\nAnswer with the letter only.", letter)
    if shape == 1:
        return chat("choice", f"{block}\nWrite the right option.", fact.answer)
    return chat("choice", block, f"{letter}. {fact.answer}")


MIXTURE: tuple[tuple[Callable[[Random], Document], float], ...] = (
    (statements, 0.10),
    (prose, 0.03),
    (question, 0.12),
    (choice, 0.22),
    (chat_choice, 0.05),
    (extraction, 0.07),
    (one_field, 0.03),
    (reading, 0.28),
    (read_one, 0.08),
    (series, 0.03),
    (remote_or_not, 0.02),
    (skill, 0.14),
    (grading, 0.04),
    (comparison, 0.02),
)
"""Generators and how often each writes a document, relative to the others."""


def documents(seed: str) -> Iterator[Document]:
    """The endless stream that belongs to a seed; different seeds give independent streams."""
    rng = Random(seed)
    makers, shares = zip(*MIXTURE, strict=True)
    while True:
        document = rng.choices(makers, shares)[0](rng)
        if not reserved(document.prompt):
            yield document
