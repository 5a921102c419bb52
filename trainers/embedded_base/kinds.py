"""What open texts name (persons, firms, places, posts ...), and sentences of random words that name it.

`reading.toml` holds the names under which each kind is asked for and the ways it stands in a sentence.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from trainers.embedded_base import names
from trainers.embedded_base.domains import Value, date
from trainers.embedded_base.lexicon import ADJECTIVES, NOUNS, VERBS_S, infinitive, phrase, plural

__all__ = ["KINDS", "TABLES", "Kind", "rival", "rival_pair", "sentences", "told"]

TABLES = tomllib.loads(Path(__file__).with_name("reading.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that texts name.

    Attributes:
        draw: makes a value.
        keys: names under which JSON asks for it.
        words: further names, used in questions only.
        places: how it stands inside a sentence, after a verb and its object.
        alone: sentences of its own.
    """

    draw: Callable[[Random], Value]
    keys: tuple[str, ...]
    words: tuple[str, ...]
    places: tuple[str, ...]
    alone: tuple[str, ...]


_LEVELS = (
    "Senior Junior Lead Chief Deputy Assistant Head Associate Principal Trainee Regional Night Field Staff".split()
)
_TRADES = """Accountant Adviser Agent Analyst Architect Auditor Baker Broker Buyer Chemist Cleaner Clerk Coach Cook
Coordinator Designer Developer Director Doctor Driver Editor Electrician Engineer Gardener Guard Guide Inspector Judge
Lawyer Lecturer Librarian Manager Mechanic Merchant Midwife Nurse Officer Operator Painter Pharmacist Pilot Planner
Plumber Porter Producer Programmer Receptionist Researcher Sailor Scientist Secretary Specialist Supervisor Surveyor
Tailor Teacher Technician Tester Trainer Translator Tutor Writer""".split()


def _post(rng: Random) -> Value:
    words = [rng.choice(_TRADES)]
    if rng.random() < 0.55:
        words.insert(0, rng.choice(NOUNS).capitalize())
    if rng.random() < 0.45:
        words.insert(0, rng.choice(_LEVELS))
    return " ".join(words)


def _amount(rng: Random) -> Value:
    return rng.choice((rng.randrange(1, 100), rng.randrange(1, 100) * 10, rng.randrange(1, 80) * 1000))


_DRAWS: Mapping[str, Callable[[Random], Value]] = {
    "person": names.person,
    "firm": names.firm,
    "place": names.city,
    "post": _post,
    "thing": names.product,
    "amount": _amount,
    "date": date,
    "label": phrase,
}
KINDS: Mapping[str, Kind] = {
    name: Kind(_DRAWS[name], *(tuple(table[part]) for part in ("keys", "words", "places", "alone")))
    for name, table in TABLES["kinds"].items()
}


def sentences(rng: Random, record: Mapping[str, Value]) -> list[str]:
    """Sentences that name every value once: alone, after its own label, or two and three in one sentence."""
    left = rng.sample(sorted(record), len(record))
    said = []
    while left:
        kind = left.pop()
        shape = rng.random()
        if shape < 0.12:
            words = (*KINDS[kind].keys, *KINDS[kind].words)
            label = rng.choice(words).replace("_", " ")
            said.append(rng.choice((f"{label.capitalize()}: {record[kind]}.", f"The {label} is {record[kind]}.")))
        elif shape < 0.45 or not left:
            said.append(_fill(rng, rng.choice(KINDS[kind].alone), record[kind]))
        else:
            parts = [kind, left.pop()]
            if left and rng.random() < 0.4:
                parts.append(left.pop())
            said.append(_joint(rng, [(part, record[part]) for part in parts]))
    return said


def told(rng: Random, record: Mapping[str, Value], *, often: float = 0.5) -> list[str]:
    """The sentences of a record, and for firm, place and post as often as said one that also names a rival."""
    plain, said = dict(record), []
    for kind in TABLES["pairs"]:
        if kind in plain and rng.random() < often:
            if rng.random() < 0.5:
                said.append(rival_pair(rng, kind, plain.pop(kind)))
            else:
                said.append(rival(rng, kind, record[kind]))
            if rng.random() < 0.15:
                said.append(rival(rng, kind, record[kind]))
    return said + sentences(rng, plain)


def rival(rng: Random, kind: str, value: Value = None) -> str:
    """A sentence that names another of the same kind, which is not the one asked for, nor equal to `value`."""
    frame: str = rng.choice(TABLES["rivals"][kind])
    return frame.format(o=_other(rng, kind, value), noun=rng.choice(NOUNS))


def rival_pair(rng: Random, kind: str, value: Value) -> str:
    """A sentence that names the one asked for, and another of the same kind that is not."""
    frame: str = rng.choice(TABLES["pairs"][kind])
    return frame.format(v=value, o=_other(rng, kind, value), noun=rng.choice(NOUNS))


def _other(rng: Random, kind: str, value: Value) -> Value:
    """A value of the kind that differs from the one given."""
    while (other := KINDS[kind].draw(rng)) == value:
        pass
    return other


def _joint(rng: Random, parts: Sequence[tuple[str, Value]]) -> str:
    """One sentence with several values, the first sometimes as its subject."""
    rest = list(parts)
    if rng.random() < 0.3:
        return _address(rng, rest)
    if len(rest) == 2 and rng.random() < 0.25:
        header: str = rng.choice(TABLES["headers"])
        return header.format(a=rest[0][1], b=rest[1][1], verb=rng.choice(VERBS_S), noun=_noun(rng), noun2=_noun(rng))
    subject = f"{rng.choice(('The', 'Our', 'A', 'This', 'Your', 'Their'))} {_noun(rng)}"
    if rest[0][0] in ("person", "firm") and rng.random() < 0.5:
        subject = str(rest.pop(0)[1])
    elif rest[0][0] == "post" and rng.random() < 0.5:
        subject = f"{rng.choice(('The', 'Our', 'A', 'One', 'Every'))} {rest.pop(0)[1]}"
    verb = f"{rng.choice(VERBS_S)} {rng.choice(('the', 'a', 'our', 'some', 'your'))} {_noun(rng)}"
    tails = [_fill(rng, rng.choice(KINDS[kind].places), value) for kind, value in rest]
    if rng.random() < 0.3:
        return f"{tails[0][0].upper()}{tails[0][1:]}, {' '.join([subject, verb, *tails[1:]])}."
    return " ".join([subject, verb, *tails]) + "."


def _address(rng: Random, parts: Sequence[tuple[str, Value]]) -> str:
    """One sentence to the reader or about a group, with the values in apposition or after prepositions."""
    do, noun = infinitive(rng.choice(VERBS_S)), _noun(rng)
    starts = (f"{do.capitalize()} the {noun}", f"You {do} the {noun}", f"We {do} {plural(rng.choice(NOUNS))}", f"Then {do}", f"Please {do}",
              f"You could {do} the {noun}", f"They {do}", f"Two {plural(rng.choice(NOUNS))} {do} the {noun}", f"The {noun} of the year is")  # fmt: skip
    said = []
    for index, (kind, value) in enumerate(parts):
        if index and rng.random() < 0.35:
            said.append(f", {value},")
        else:
            said.append(
                " "
                + _fill(rng, rng.choice((*KINDS[kind].places, *KINDS[kind].places, "{v}", "to {v}", "of {v}")), value)
            )
    end = rng.choice(
        (
            "",
            "",
            f" and {infinitive(rng.choice(VERBS_S))} the {_noun(rng)}",
            f" {rng.choice(('well', 'now', 'soon', 'why'))}",
        )
    )
    return f"{rng.choice(starts)}{''.join(said)}{end}.".replace(",.", ".")


def _noun(rng: Random) -> str:
    noun = rng.choice(NOUNS)
    return f"{rng.choice(ADJECTIVES)} {noun}" if rng.random() < 0.3 else noun


def _fill(rng: Random, frame: str, value: Value = "") -> str:
    return frame.format(
        v=value, verb=rng.choice(VERBS_S), noun=_noun(rng), noun2=_noun(rng), adj=rng.choice(ADJECTIVES)
    )
