"""Reading tasks on open texts: who, where, what and whether, asked under many names.

Texts are sentences of random words with persons, firms, places, posts and the like in them, so that what counts is the
shape and the surroundings of a name, not a remembered sentence. Keys are synonyms, or arbitrary words that the
instruction explains.
"""

import json
from random import Random

from trainers.embedded_base.document import Document, chat
from trainers.embedded_base.domains import Value
from trainers.embedded_base.extraction import VERBS, join_words, wording
from trainers.embedded_base.kinds import KINDS, TABLES, rival, told
from trainers.embedded_base.lexicon import ADJECTIVES, NOUNS, sentence
from trainers.embedded_base.manner import manner
from trainers.embedded_base.skills import DEMO_KEYS

__all__ = ["read_one", "reading"]

_FREE_NOUNS = [noun for noun in NOUNS if noun not in DEMO_KEYS]
_FREE_ADJECTIVES = [word for word in ADJECTIVES if word not in DEMO_KEYS]


def reading(rng: Random) -> Document:
    """An open text and the record asked for: two to five fields, some absent, often a yes/no among them."""
    named = rng.sample(sorted(KINDS), rng.randint(2, 5))
    record = {kind: KINDS[kind].draw(rng) for kind in named}
    said = told(rng, record)
    asked = rng.sample(named, rng.randint(min(2, len(named)), min(4, len(named))))
    if rng.random() < 0.25:
        asked.append(rng.choice([kind for kind in KINDS if kind not in named]))
    if "place" not in named and "place" not in asked and rng.random() < 0.1:
        asked.append("place")
    wanted = [(*_name_key(rng, kind, shown=record.get(kind)), record.get(kind)) for kind in asked]
    for draw in rng.choice(((), (manner,), (manner,), (_flag,), (manner, _flag), (_flag, _flag))):
        quality, holds, says = draw(rng)
        typed = f"{quality} ({rng.choice(('true or false', 'true/false', 'boolean'))})"
        wanted.append((quality, typed if rng.random() < 0.7 else quality, holds))
        said += [says] if says else []
    for other in TABLES["rivals"]:
        if other in asked and other not in named and rng.random() < 0.6:
            said.append(rival(rng, other))  # only a rival is there: the answer is null
    said += [sentence(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    if len({key for key, _, _ in wanted}) < len(wanted):
        return reading(rng)  # two fields came by the same name
    rng.shuffle(said)
    rng.shuffle(wanted)
    text, fields = " ".join(said), {key: value for key, _, value in wanted}
    wordings, answer = wording(rng, fields)
    keys = join_words(rng, [hint for _, hint, _ in wanted])
    instruction = rng.choice(wordings).format(verb=rng.choice(VERBS), kind=_text_name(rng), keys=keys)
    placed = rng.random()
    if placed < 0.6:
        return chat("reading", text, answer, system=instruction)
    return chat("reading", f"{instruction}\n{text}" if placed < 0.8 else f"{text}\n{instruction}", answer)


def read_one(rng: Random) -> Document:
    """One thing asked out of an open text, answered with the bare value or a JSON string."""
    named = rng.sample(sorted(KINDS), rng.randint(1, 4))
    record = {kind: KINDS[kind].draw(rng) for kind in named}
    kind = rng.choice(named)
    text = " ".join(rng.sample(lines := told(rng, record, often=0.35), len(lines)))
    word = rng.choice((*KINDS[kind].keys, *KINDS[kind].words, *KINDS[kind].words)).replace("_", " ")
    ask = rng.choice(
        ("What is the {w}?", "Which {w}?", "Give the {w} only.", "{w}?", "Find the {w}.", "Name the {w}.")
    ).format(w=word)
    answer = str(record[kind])
    if rng.random() < 0.15:
        ask, answer = f"{ask} Reply with a JSON string.", json.dumps(answer, ensure_ascii=False)
    return chat("field", f"{text}\n{ask}" if rng.random() < 0.7 else f"{ask}\n{text}", answer)


def _flag(rng: Random) -> tuple[str, bool, str]:
    """A quality as key, whether it holds, and a sentence that says so (or nothing, which means no)."""
    quality, noun = rng.choice(_FREE_ADJECTIVES), rng.choice(NOUNS)
    holds = rng.random() < 0.5
    yes = (
        "The {n} is {q}.",
        "It is a {q} {n}.",
        "Quite {q}.",
        "{Q}: yes.",
        "A fully {q} {n}.",
        "We have a {q} {n} here.",
    )
    no = ("The {n} is not {q}.", "It is no {q} {n}.", "Not {q} at all.", "{Q}: no.", "This is not a {q} {n}.", "")
    return quality, holds, rng.choice(yes if holds else no).format(n=noun, q=quality, Q=quality.capitalize())


def _text_name(rng: Random) -> str:
    """What an instruction calls the text: a usual word, or any other."""
    usual = rng.choice(TABLES["texts"])
    return f"{rng.choice((*NOUNS, *ADJECTIVES))} {usual}" if rng.random() < 0.6 else str(usual)


def _name_key(rng: Random, kind: str, *, shown: Value) -> tuple[str, str]:
    """A key for a kind, and how the instruction names it."""
    if rng.random() < 0.4:
        key = rng.choice(_FREE_NOUNS)
        meaning = rng.choice((f"the {kind}", rng.choice(KINDS[kind].words)))
        return key, f"{key} ({meaning}{', or null' if shown is None else ''})"
    key = rng.choice(KINDS[kind].keys)
    if shown is None and rng.random() < 0.8:
        return key, f"{key} ({rng.choice(('string or null', 'text or null', 'null if missing', 'or null'))})"
    if isinstance(shown, str) and rng.random() < 0.12:
        return key, f"{key} ({rng.choice(('string', 'string or null', 'text'))})"
    return key, key
