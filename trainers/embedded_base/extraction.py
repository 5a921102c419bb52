"""Extraction tasks: an everyday text in, the facts it states out, as JSON and in other formats."""

import json
from collections.abc import Mapping, Sequence
from random import Random

from trainers.embedded_base.document import Document, chat
from trainers.embedded_base.domains import DOMAINS, Domain, Value, compose

__all__ = ["VERBS", "extraction", "join_words", "one_field", "wording"]

_SYNONYMS = {
    "item": ("article", "object", "goods"),
    "price": ("cost", "amount"),
    "seller": ("vendor", "offered_by"),
    "place": ("site", "town"),
    "phone": ("telephone", "phone_number", "tel"),
    "dish": ("meal", "recipe_name"),
    "minutes": ("duration", "time_needed"),
    "servings": ("portions", "serves"),
    "cook": ("chef", "made_by"),
    "customer": ("client", "reported_by"),
    "problem": ("issue", "complaint"),
    "event": ("occasion", "event_name"),
    "venue": ("held_at", "hall"),
    "host": ("organiser", "machine"),
    "fee": ("ticket_price", "charge"),
    "rent": ("monthly_rent", "rent_eur"),
    "landlord": ("owner", "let_by"),
    "book": ("book_name", "work"),
    "author": ("writer", "written_by"),
    "year": ("published", "printed"),
    "passenger": ("traveller", "booked_for"),
    "origin": ("from", "departure"),
    "destination": ("to", "arrival"),
    "town": ("where", "city_name"),
    "sky": ("clouds", "outlook"),
    "name": ("full_name", "person"),
    "employer": ("works_for", "organisation"),
    "pet": ("pet_name", "called"),
    "animal": ("species", "kind"),
    "shelter": ("home", "kept_at"),
    "teacher": ("tutor", "taught_by"),
    "course": ("subject", "class_name"),
    "scorer": ("goal_by", "best_player"),
    "stadium": ("ground", "arena"),
    "thing": ("found_item", "what"),
    "finder": ("found_by", "handed_in_by"),
}
VERBS = ("Extract", "Give", "Return", "Write", "Find", "Read out", "Pull out", "List")
_JSON_WORDS = (
    "{verb} the {kind} as one JSON object with the keys {keys}.",
    "{verb} {keys} from the {kind} as JSON.",
    "Turn the {kind} into JSON with the fields {keys}.",
    "Answer with a JSON object. Keys: {keys}.",
    "{verb} these fields of the {kind} as a JSON object: {keys}.",
    "Read the {kind} and reply in JSON with {keys}.",
    "JSON only, with the keys {keys}.",
)
_LINE_WORDS = (
    "{verb} {keys}, one per line.",
    "Write one line for each of {keys}, in the form key: value.",
    "Sum up the {kind} in lines of key: value. Keys: {keys}.",
)
_CSV_WORDS = (
    "{verb} {keys} as one CSV line, in this order.",
    "Answer with comma separated values: {keys}.",
)
_PAIR_WORDS = (
    "{verb} {keys} as key=value pairs, separated by semicolons.",
    "Write the {kind} as key=value; key=value with the keys {keys}.",
)
_TAG_WORDS = ("{verb} {keys} as XML tags.", "Wrap each of {keys} in a tag of that name.")


def join_words(rng: Random, words: Sequence[str]) -> str:
    """Words with commas, often with a final `and`."""
    if len(words) == 1 or rng.random() < 0.3:
        return ", ".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _words(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _fields(rng: Random, domain: Domain, record: Mapping[str, Value]) -> dict[str, Value]:
    """The fields to ask for: most of what is there in a new order, now and then one that is absent, some renamed."""
    keys = rng.sample(sorted(record), rng.randint(max(1, min(2, len(record))), len(record)))
    absent = sorted(set(domain.values) - set(record))
    if absent and rng.random() < 0.25:
        keys.insert(rng.randrange(len(keys) + 1), rng.choice(absent))
    renamed = {}
    for key in keys:
        name = rng.choice(_SYNONYMS[key]) if key in _SYNONYMS and rng.random() < 0.35 else key
        renamed[name] = record.get(key)
    return renamed


def _hint(rng: Random, key: str, value: Value) -> str:
    """A key as instructions name it: bare, quoted, or with its type."""
    shown = f'"{key}"' if rng.random() < 0.15 else key
    if isinstance(value, bool) and rng.random() < 0.6:
        return f"{shown} ({rng.choice(('true or false', 'true/false', 'boolean'))})"
    if value is None and rng.random() < 0.7:
        return f"{shown} ({rng.choice(('text or null', 'string or null', 'null if missing'))})"
    if isinstance(value, str) and rng.random() < 0.08:
        return f"{shown} ({rng.choice(('text', 'string', 'string or null'))})"
    if isinstance(value, int) and rng.random() < 0.1:
        return f"{shown} (number)"
    return shown


def wording(rng: Random, fields: Mapping[str, Value]) -> tuple[Sequence[str], str]:
    """Instruction wordings and the answer, in a random format; JSON is the commonest."""
    shape = rng.random()
    if shape < 0.62:
        return _JSON_WORDS, json.dumps(fields, ensure_ascii=False)
    if shape < 0.76:
        return _LINE_WORDS, "\n".join(f"{key}: {_words(value)}" for key, value in fields.items())
    if shape < 0.86:
        return _CSV_WORDS, ",".join(_words(value).replace(",", "") for value in fields.values())
    if shape < 0.94:
        return _PAIR_WORDS, "; ".join(f"{key}={_words(value)}" for key, value in fields.items())
    return _TAG_WORDS, "".join(f"<{key}>{_words(value)}</{key}>" for key, value in fields.items())


def extraction(rng: Random) -> Document:
    """One text of a random domain and the record asked for, in a random format."""
    domain = rng.choice(DOMAINS)
    text, record = compose(rng, domain, rng.randint(2, 6))
    if not record:
        return extraction(rng)
    fields = _fields(rng, domain, record)
    wordings, answer = wording(rng, fields)
    keys = join_words(rng, [_hint(rng, key, value) for key, value in fields.items()])
    instruction = rng.choice(wordings).format(verb=rng.choice(VERBS), kind=domain.kind, keys=keys)
    placed = rng.random()
    if placed < 0.55:
        return chat("extraction", text, answer, system=instruction)
    if placed < 0.8:
        return chat("extraction", f"{instruction}\n{text}", answer)
    return chat("extraction", f"{text}\n{instruction}", answer)


def one_field(rng: Random) -> Document:
    """A single fact asked out of a text, answered with the bare value."""
    domain = rng.choice(DOMAINS)
    text, record = compose(rng, domain, rng.randint(1, 3))
    if not record:
        return one_field(rng)
    key, value = rng.choice(sorted(record.items(), key=lambda pair: pair[0]))
    question = rng.choice(
        ("What is the {key}?", "{key}?", "Give the {key} only.", "Name the {key} in this {kind}.", "Tell me the {key}.")
    ).format(key=key.replace("_", " "), kind=domain.kind)
    prompt = f"{text}\n{question}" if rng.random() < 0.7 else f"{question}\n{text}"
    return chat("field", prompt, _words(value))
