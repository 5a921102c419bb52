"""Short instructions with one right answer: sorting, choosing, counting, rewriting, small sums, moods.

Each skill is a function `Random -> (prompt, answer)`; the list `SKILLS` is the whole repertoire.
"""

import json
from collections.abc import Callable
from random import Random

from trainers.embedded_base import names
from trainers.embedded_base.document import Document, chat
from trainers.embedded_base.lexicon import NOUNS, phrase

__all__ = ["SKILLS", "skill"]

_WORDS = {
    "fruit": "apple pear plum cherry grape lemon mango peach melon banana fig orange kiwi apricot coconut papaya".split(),
    "animal": "dog cat horse cow sheep goat lion tiger bear wolf fox rabbit mouse camel zebra monkey otter badger".split(),
    "colour": "red blue green yellow black white brown pink purple grey orange violet".split(),
    "tool": "hammer saw drill wrench pliers chisel shovel rake axe screwdriver ladder file".split(),
    "metal": "iron copper silver gold zinc tin lead nickel aluminium titanium cobalt".split(),
    "instrument": "piano violin guitar flute drum trumpet harp cello oboe clarinet banjo tuba".split(),
    "vehicle": "car bus train bicycle truck ship tram scooter tractor van ferry canoe".split(),
    "bird": "eagle sparrow owl crow robin swan duck goose parrot pigeon stork heron".split(),
    "vegetable": "carrot onion potato cabbage spinach leek celery pumpkin bean pea turnip radish".split(),
    "garment": "shirt coat scarf glove sock hat skirt jacket belt sweater boot apron".split(),
    "furniture": "table chair bed desk shelf sofa stool bench cupboard wardrobe dresser cradle".split(),
    "sport": "tennis hockey rugby golf boxing rowing judo fencing cricket baseball squash archery".split(),
}
_ALL = sorted({word for words in _WORDS.values() for word in words})
_GOOD = (
    "wonderful excellent lovely great delightful superb friendly helpful charming perfect brilliant pleasant".split()
)
_BAD = "terrible awful horrible rude broken boring dirty disappointing useless slow nasty dreadful".split()
_THINGS = "film hotel meal book concert service trip show phone coat room game lesson waiter garden song".split()
DEMO_KEYS = ("title", "company", "location", "remote")
"""The keys of the demo task; the base never writes an object with them."""
_ORDINALS = ("first", "second", "third", "fourth", "fifth")

Skill = Callable[[Random], tuple[str, str]]


def _list(rng: Random, low: int = 3, high: int = 5) -> list[str]:
    return rng.sample(_ALL if rng.random() < 0.7 else NOUNS, rng.randint(low, high))


def _kind_of(rng: Random) -> tuple[str, str]:
    kind = rng.choice(sorted(_WORDS))
    word = rng.choice(_WORDS[kind])
    wrong = rng.choice([other for other in _WORDS if word not in _WORDS[other]])
    options = rng.sample([kind, wrong], 2)
    form = rng.choice(("Is {w} a {a} or a {b}?", "{w}: {a} or {b}?", "Which word fits {w} better, {a} or {b}?"))
    return form.format(w=word, a=options[0], b=options[1]), kind


def _odd_one_out(rng: Random) -> tuple[str, str]:
    kind, other = rng.sample(sorted(_WORDS), 2)
    same = rng.sample([word for word in _WORDS[kind] if word not in _WORDS[other]], 3)
    odd = rng.choice([word for word in _WORDS[other] if word not in _WORDS[kind]])
    words = rng.sample([*same, odd], 4)
    return rng.choice(("Which word does not belong: {}?", "Odd one out: {}.")).format(", ".join(words)), odd


def _extreme_length(rng: Random) -> tuple[str, str]:
    words = _list(rng, 3, 3)
    lengths = sorted(len(word) for word in words)
    longest = rng.random() < 0.5
    if lengths[0] == lengths[1] or lengths[1] == lengths[2]:
        return _extreme_length(rng)
    form = "Which is the {} word: {}?"
    return form.format("longest" if longest else "shortest", ", ".join(words)), (max if longest else min)(
        words, key=len
    )


def _alphabet(rng: Random) -> tuple[str, str]:
    words = _list(rng, 2, 4)
    form = rng.choice(("Which of these comes first in the alphabet: {}?", "Sort by letter and give the first: {}."))
    return form.format(", ".join(words)), min(words)


def _sort_words(rng: Random) -> tuple[str, str]:
    words = _list(rng, 3, 4)
    return rng.choice(("Sort these words: {}.", "Put in alphabetical order: {}.")).format(", ".join(words)), ", ".join(
        sorted(words)
    )


def _letter_case(rng: Random) -> tuple[str, str]:
    word = rng.choice(_ALL)
    if rng.random() < 0.5:
        return rng.choice(("Write {} in capital letters.", "Uppercase: {}", "Put {} in upper case.")).format(
            word
        ), word.upper()
    return rng.choice(("Write {} in small letters.", "Lowercase: {}")).format(word.upper()), word


def _count_words(rng: Random) -> tuple[str, str]:
    words = _list(rng, 2, 7)
    form = rng.choice(("How many words are in this list: {}?", "Count the words: {}.", "How many items: {}?"))
    return form.format(", ".join(words)), str(len(words))


def _nth(rng: Random) -> tuple[str, str]:
    words = _list(rng, 3, 5)
    index = rng.randrange(len(words))
    last = index == len(words) - 1 and rng.random() < 0.7
    form = rng.choice(("What is the {} word of: {}?", "Give the {} word in {}.", "Pick the {} item: {}."))
    return form.format("last" if last else _ORDINALS[index], ", ".join(words)), words[index]


def _reverse(rng: Random) -> tuple[str, str]:
    words = _list(rng, 2, 4)
    form = rng.choice(("Reverse the list: {}.", "Write these words in the opposite order: {}.", "Backwards: {}"))
    return form.format(", ".join(words)), ", ".join(reversed(words))


def _larger(rng: Random) -> tuple[str, str]:
    numbers = rng.sample(range(1, 1000), rng.randint(2, 3))
    largest = rng.random() < 0.5
    form = rng.choice(("Which number is the {}: {}?", "Give the {} of {}.", "The {} of these numbers: {}?"))
    shown = form.format("largest" if largest else "smallest", ", ".join(map(str, numbers)))
    return shown, str((max if largest else min)(numbers))


def _parity(rng: Random) -> tuple[str, str]:
    number = rng.randrange(1, 1000)
    return rng.choice(("Is {} even or odd?", "Even or odd: {}?")).format(number), "odd" if number % 2 else "even"


def _sequence(rng: Random) -> tuple[str, str]:
    start, step = rng.randrange(1, 30), rng.choice((1, 2, 3, 5, 10))
    shown = ", ".join(str(start + step * index) for index in range(4))
    return rng.choice(("What comes next: {}?", "Continue the series: {}", "Next number: {}?")).format(shown), str(
        start + 4 * step
    )


def _sum(rng: Random) -> tuple[str, str]:
    a, b = rng.randrange(1, 50), rng.randrange(1, 50)
    if rng.random() < 0.5:
        return rng.choice(("{} + {} = ?", "Add {} and {}.", "What do {} and {} make together?")).format(a, b), str(
            a + b
        )
    a, b = max(a, b), min(a, b)
    return rng.choice(("{} - {} = ?", "Take {1} from {0}.", "{} minus {}?")).format(a, b), str(a - b)


def _mood(rng: Random) -> tuple[str, str]:
    good = rng.random() < 0.5
    word, thing = rng.choice(_GOOD if good else _BAD), rng.choice(_THINGS)
    text = rng.choice(("The {t} was {w}.", "What a {w} {t}!", "I found the {t} {w}.", "A {w} {t}, as {n} said."))
    ask = rng.choice(("Positive or negative? {}", "{} Is this review positive or negative?", "Mood of this line: {}"))
    return ask.format(text.format(t=thing, w=word, n=names.person(rng))), "positive" if good else "negative"


def _contains(rng: Random) -> tuple[str, str]:
    words = _list(rng, 3, 5)
    inside = rng.random() < 0.5
    word = rng.choice(words if inside else [other for other in _ALL if other not in words])
    form = rng.choice(
        (
            "Is {w} in this list: {l}? Yes or no.",
            "Does the list {l} contain {w}? Yes or no.",
            "{l}: is {w} there? Yes or no.",
        )
    )
    return form.format(w=word, l=", ".join(words)), "Yes" if inside else "No"


def _repeat(rng: Random) -> tuple[str, str]:
    word, times = rng.choice(_ALL), rng.randint(2, 5)
    return rng.choice(("Write {w} {n} times.", "Repeat the word {w} {n} times.")).format(w=word, n=times), " ".join(
        [word] * times
    )


def _replace(rng: Random) -> tuple[str, str]:
    words = _list(rng, 3, 4)
    old, new = rng.choice(words), rng.choice([word for word in _ALL if word not in words])
    form = rng.choice(
        ("In the list {l}, replace {o} by {n}.", "{l}: put {n} in place of {o}.", "Change {o} to {n}: {l}.")
    )
    return form.format(l=", ".join(words), o=old, n=new), ", ".join(new if word == old else word for word in words)


def _remove(rng: Random) -> tuple[str, str]:
    words = _list(rng, 3, 5)
    gone = rng.choice(words)
    form = rng.choice(("Remove {w} from: {l}.", "{l}: drop {w}.", "Write the list {l} without {w}."))
    return form.format(w=gone, l=", ".join(words)), ", ".join(word for word in words if word != gone)


def _join(rng: Random) -> tuple[str, str]:
    words = _list(rng, 2, 4)
    name, mark = rng.choice(
        (("dashes", "-"), ("plus signs", "+"), ("slashes", "/"), ("spaces", " "), ("semicolons", ";"))
    )
    return rng.choice(("Join with {m}: {l}.", "Write {l} with {m} between the words.")).format(
        m=name, l=", ".join(words)
    ), mark.join(words)


def _json_list(rng: Random) -> tuple[str, str]:
    words = _list(rng, 2, 4)
    return rng.choice(("Write as a JSON list: {}.", "As a JSON array: {}.")).format(", ".join(words)), json.dumps(words)


def _echo(rng: Random) -> tuple[str, str]:
    thing = rng.choice(
        (names.person, names.firm, names.city, names.word, names.street, phrase, phrase, lambda rng: rng.choice(NOUNS))
    )(rng)
    return rng.choice(('Say "{}".', 'Repeat: "{}"', 'Write "{}" and nothing else.', "Copy this: {}")).format(
        thing
    ), thing


def _quote(rng: Random) -> tuple[str, str]:
    thing = rng.choice((names.person, names.firm, names.city, names.word, phrase, lambda rng: rng.choice(NOUNS)))(rng)
    return rng.choice(("Put {} in quotation marks.", "Quote {}.", "Write {} as a JSON string.")).format(
        thing
    ), json.dumps(thing)


def _pairs(rng: Random) -> tuple[str, str]:
    keys = rng.sample([noun for noun in NOUNS if noun not in DEMO_KEYS], rng.randint(1, 3))
    values = [rng.choice((names.city, names.surname, phrase, lambda rng: rng.randrange(1, 1000)))(rng) for _ in keys]
    shown = rng.choice((" is ", " = ", ": "))
    form = rng.choice(("Write as a JSON object: {}.", "Make JSON of this: {}", "As JSON: {}."))
    pairs = rng.choice((", ", "; ")).join(f"{key}{shown}{value}" for key, value in zip(keys, values, strict=True))
    return form.format(pairs), json.dumps(dict(zip(keys, values, strict=True)))


def _who(rng: Random) -> tuple[str, str]:
    person, place, firm = names.person(rng), names.city(rng), names.firm(rng)
    verb = rng.choice(
        ("lives in {p} and runs {f}", "left {f} and moved to {p}", "met us at {f} in {p}", "wrote from {p} to {f}")
    )
    text = f"{person} {verb.format(p=place, f=firm)}."
    ask, answer = rng.choice(
        (("Who is it about?", person), ("Which place is named?", place), ("Which firm is named?", firm))
    )
    return f"{text} {ask}", answer


SKILLS: tuple[Skill, ...] = (
    _kind_of, _odd_one_out, _extreme_length, _alphabet, _sort_words, _letter_case, _count_words, _nth, _reverse, _larger,
    _parity, _sequence, _sum, _mood, _contains, _repeat, _replace, _remove, _join, _json_list, _echo, _quote, _pairs, _who,
)  # fmt: skip


def skill(rng: Random) -> Document:
    """One short instruction of a random skill; its tag is the skill's name."""
    make = rng.choice(SKILLS)
    prompt, answer = make(rng)
    return chat(f"skill:{make.__name__[1:]}", prompt, answer)
