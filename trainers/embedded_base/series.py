"""The same extraction several times in one conversation: what the base learns worked examples from.

Half of the instructions name the keys; the others leave them to the examples, whose first answer is then only read.
"""

from random import Random

from trainers.embedded_base.document import ASSISTANT, BOS, END, SYSTEM, USER, Document
from trainers.embedded_base.domains import DOMAINS, Domain, Value, compose
from trainers.embedded_base.extraction import VERBS, join_words, wording
from trainers.embedded_base.kinds import KINDS, sentences
from trainers.embedded_base.lexicon import NOUNS, sentence
from trainers.embedded_base.skills import DEMO_KEYS

__all__ = ["series"]

_SILENT = (
    "Do as in the examples.",
    "{verb} what the examples show.",
    "Go on in the same way.",
    "Answer like before.",
    "Same form for each {kind}.",
)


def series(rng: Random) -> Document:
    """Two to six texts of one kind, each followed by its record in one form."""
    told = rng.random() < 0.5
    rows = _of_domain(rng, rng.choice(DOMAINS)) if rng.random() < 0.4 else _of_kinds(rng, told=told)
    form = rng.random()  # one draw decides the form of every answer
    keys = list(rows[0][1])
    wordings, _ = wording(Random(form), rows[0][1])
    instruction = rng.choice(wordings if told else _SILENT).format(
        verb=rng.choice(VERBS), kind="text", keys=join_words(rng, keys)
    )
    parts = [(f"{BOS}{SYSTEM}{instruction}{END}", False)]
    for index, (text, fields) in enumerate(rows):
        _, answer = wording(Random(form), fields)
        parts += [(f"{USER}{text}{END}{ASSISTANT}", False), (f"{answer}{END}", told or index > 0)]
    return Document("series", tuple(parts), "\n".join(text for text, _ in rows))


def _of_domain(rng: Random, domain: Domain) -> list[tuple[str, dict[str, Value]]]:
    """Everyday texts of one kind, and the same slots of each."""
    slots = sorted({*domain.values, *domain.flags}.difference(DEMO_KEYS))
    keys = rng.sample(slots, min(len(slots), rng.randint(2, 4)))
    rows = []
    for _ in range(rng.randint(2, 6)):
        text, record = compose(rng, domain, rng.randint(3, 6))
        rows.append((text or sentence(rng), {key: record.get(key) for key in keys}))
    return rows


def _of_kinds(rng: Random, *, told: bool) -> list[tuple[str, dict[str, Value]]]:
    """Open texts, and the same kinds of things in each, under one set of keys; any word may be a key if examples show it."""
    named = rng.sample(sorted(KINDS), rng.randint(2, 4))
    nouns = [noun for noun in NOUNS if noun not in DEMO_KEYS]
    keys = {
        kind: rng.choice(nouns) if not told and rng.random() < 0.5 else rng.choice(KINDS[kind].keys) for kind in named
    }
    if len(set(keys.values())) < len(keys):
        return _of_kinds(rng, told=told)
    rows = []
    for _ in range(rng.randint(2, 6)):
        record = {kind: KINDS[kind].draw(rng) for kind in named if rng.random() < 0.85}
        said = sentences(rng, record) if record else []
        said += [sentence(rng) for _ in range(rng.randint(0 if said else 1, 2))]
        rng.shuffle(said)
        rows.append((" ".join(said), {key: record.get(kind) for kind, key in keys.items()}))
    return rows
