"""Reading tasks on open texts: who, where, what and whether, asked under many names.

Texts are sentences of random words with persons, firms, places, posts and the like in them, so that what counts is the
shape and the surroundings of a name, not a remembered sentence. Keys are synonyms, or arbitrary words that the
instruction explains.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from trainers.embedded_base import names
from trainers.embedded_base.document import Document, chat
from trainers.embedded_base.domains import Value
from trainers.embedded_base.extraction import VERBS, join_words, wording
from trainers.embedded_base.lexicon import ADJECTIVES, NOUNS, VERBS_S, infinitive, phrase, plural, sentence
from trainers.embedded_base.skills import DEMO_KEYS

__all__ = ["KINDS", "Kind", "read_one", "reading", "remote_or_not"]


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
_MONTHS = "January February March April May June July August September October November December".split()


def _post(rng: Random) -> Value:
    words = [rng.choice(_TRADES)]
    if rng.random() < 0.55:
        words.insert(0, rng.choice(NOUNS).capitalize())
    if rng.random() < 0.45:
        words.insert(0, rng.choice(_LEVELS))
    return " ".join(words)


def _date(rng: Random) -> Value:
    return f"{rng.randrange(1, 29)} {rng.choice(_MONTHS)}"


KINDS: Mapping[str, Kind] = {
    "person": Kind(
        names.person,
        ("person", "name", "contact", "who", "guest", "speaker", "signed_by", "human"),
        ("person named", "name of the person"),
        ("with {v}", "for {v}", "beside {v}", "after a talk with {v}", "together with {v}", "thanks to {v}"),
        ("{v} {verb} the {noun}.", "Signed, {v}.", "{v} will tell you more.", "My name is {v}.", "Ask {v}.", "This is {v}."),
    ),
    "firm": Kind(
        names.firm,
        ("firm", "business", "organisation", "employer", "brand", "enterprise", "house", "supplier", "maker", "institution"),
        ("company", "firm named", "company named"),
        ("at {v}", "for {v}", "with {v}", "on behalf of {v}", "in the name of {v}", "within {v}", "through {v}"),
        (
            "{v} {verb} the {noun}.", "{v} is a {adj} firm.", "The {noun} belongs to {v}.", "We are {v}.", "{v} has a new {noun}.",
            "You find the {noun} at {v}.", "The {adj} people of {v} like it.", "Greetings from {v}.", "The {noun} of {v} is {adj}.",
            "{v}, known for its {noun}, {verb} the {noun2}.", "Here at {v} every {noun} counts.", "{v} started with one {noun}.",
            "Yours, {v}.", "The firm is {v}.", "{v} welcomes you.", "Tell {v} about the {noun}.", "Come to {v}.", "We at {v} like it {adj}.",
        ),
    ),
    "place": Kind(
        names.city,
        ("place", "city", "town", "where", "site", "spot", "area", "municipality", "destination", "based_in"),
        ("location", "place named", "city named"),
        ("in {v}", "near {v}", "from {v}", "at our {noun} in {v}", "all over {v}", "outside {v}", "around {v}", "close to {v}", "({v})"),
        (
            "The {noun} is in {v}.", "{v} is {adj}.", "We meet in {v}.", "{v} has a {adj} {noun}.", "It happens in {v}.",
            "You will find us in {v}.", "{v} is where the {noun} stands.", "Our {noun} stands in {v}.", "Welcome to {v}.",
            "In {v} the {noun} {verb} the {noun2}.", "{v} waits for you.", "The {noun} moved to {v}.", "{v} gets a {adj} {noun}.",
            "For {v}, the {noun} is {adj}.", "Around {v}, the {noun} {verb} the {noun2}.", "The town is {v}.", "Your area is {v}.",
            "{v} needs a {noun}.", "Do you know {v}?", "In {v}, people like the {noun}.",
        ),
    ),
    "post": Kind(
        _post,
        ("post", "position", "role", "profession", "occupation", "function", "trade", "works_as", "duty", "rank"),
        ("job title", "title", "post named"),
        ("as {v}", "in the role of {v}", "in the post of {v}", "like any {v}", "for the {v}", "under the new {v}"),
        (
            "The {v} {verb} the {noun}.", "Our {v} is {adj}.", "Every {v} needs a {noun}.", "Once a {v}, always a {v}.",
            "You could be our {v}.", "It suits a {v}.", "{v}: that is you.", "Be a {v}.", "{v} wanted.", "Next {v}: you?",
            "A {v} knows the {noun}.", "The work of a {v} is {adj}.", "Thanks to the {v} for the {noun}.", "A {adj} {v} came by.",
        ),
    ),
    "thing": Kind(
        names.product,
        ("thing", "item", "object", "article", "product", "present", "goods", "tool"),
        ("thing named", "object named"),
        ("with a {v}", "for a {v}", "next to the {v}", "without the {v}"),
        ("The {v} is {adj}.", "I like the {v}.", "There is a {v} in the {noun}.", "The {v} belongs in the {noun}."),
    ),
    "amount": Kind(
        lambda rng: rng.choice((rng.randrange(1, 100), rng.randrange(1, 100) * 10, rng.randrange(1, 80) * 1000)),
        ("amount", "sum", "price", "cost", "budget", "salary", "payment", "total"),
        ("amount of money", "number of euros"),
        ("for {v} euros", "at {v} euros", "within a budget of {v} euros"),
        ("It costs {v} euros.", "The {noun} is worth {v} euros.", "They paid {v} euros.", "A sum of {v} euros is due.", "Add {v} euros."),
    ),
    "date": Kind(
        _date,
        ("date", "day", "when", "deadline", "start", "due", "until"),
        ("date named", "day named"),
        ("on {v}", "before {v}", "by {v}", "until {v}", "from {v} on", "since {v}"),
        ("It starts on {v}.", "The date is {v}.", "We wait until {v}.", "{v} is the day.", "The {noun} ends on {v}."),
    ),
    "label": Kind(
        phrase,
        ("label", "heading", "project", "motto", "topic", "theme", "series", "award", "campaign", "chapter"),
        ("project named", "heading"),
        ("under the heading {v}", "for the project {v}", "called {v}", "about {v}"),
        ("The project is called {v}.", "{v} is the topic.", "Its name: {v}.", "{v}: a {adj} {noun}.", "Today: {v}.", "We call it {v}."),
    ),
}  # fmt: skip
_TEXTS = ("text", "note", "message", "letter", "report", "paragraph", "notice", "entry", "mail", "story")
_DESCRIPTIONS = {
    "person": "the person",
    "firm": "the firm",
    "place": "the place",
    "post": "the post",
    "thing": "the thing",
    "amount": "the amount",
    "date": "the date",
    "label": "the heading",
}


def _noun(rng: Random) -> str:
    noun = rng.choice(NOUNS)
    return f"{rng.choice(ADJECTIVES)} {noun}" if rng.random() < 0.3 else noun


def _fill(rng: Random, frame: str, value: Value = "") -> str:
    return frame.format(
        v=value, verb=rng.choice(VERBS_S), noun=_noun(rng), noun2=_noun(rng), adj=rng.choice(ADJECTIVES)
    )


def _sentences(rng: Random, record: Mapping[str, Value]) -> list[str]:
    """Sentences that name every value once: alone, after its own label, or two and three in one sentence."""
    left = rng.sample(sorted(record), len(record))
    sentences = []
    while left:
        kind = left.pop()
        shape = rng.random()
        if shape < 0.12:
            words = (*KINDS[kind].keys, *KINDS[kind].words)
            label = rng.choice(words).replace("_", " ")
            sentences.append(rng.choice((f"{label.capitalize()}: {record[kind]}.", f"The {label} is {record[kind]}.")))
        elif shape < 0.45 or not left:
            sentences.append(_fill(rng, rng.choice(KINDS[kind].alone), record[kind]))
        else:
            parts = [kind, left.pop()]
            if left and rng.random() < 0.4:
                parts.append(left.pop())
            sentences.append(_joint(rng, [(part, record[part]) for part in parts]))
    return sentences


_HEADERS = (
    "{a}, {b}, {verb} the {noun}.", "{a}, {b}.", "{a} ({b}): {noun} and {noun2}.", "{a} ({b}) {verb} the {noun}.", "{a} - {b}.",
    "{a}: {b} {verb} the {noun}.", "{a} and {b}.", "First {a}, then {b}.", "{a} / {b}", "{a} of {b} {verb} the {noun}.",
)  # fmt: skip
_RIVALS = {
    "firm": (
        "One of the {noun}s is {o}.", "It used to belong to {o}.", "Formerly it was {o}.", "Not {o}, of course.",
        "{o} was there before.", "Some came from {o}.", "{o} is only a guest.",
    ),
    "place": ("It began in {o}.", "The old {noun} was in {o}.", "No longer in {o}.", "Its roots are in {o}.", "Others are in {o}."),
    "post": ("You report to the {o}.", "The {o} is your neighbour.", "Not a {o}.", "The {o} helps you."),
}  # fmt: skip


def _joint(rng: Random, parts: Sequence[tuple[str, Value]]) -> str:
    """One sentence with several values, the first sometimes as its subject."""
    rest = list(parts)
    if rng.random() < 0.3:
        return _address(rng, rest)
    if len(rest) == 2 and rng.random() < 0.25:
        return rng.choice(_HEADERS).format(
            a=rest[0][1], b=rest[1][1], verb=rng.choice(VERBS_S), noun=_noun(rng), noun2=_noun(rng)
        )
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


def _flag(rng: Random) -> tuple[str, bool, str]:
    """A quality as key, whether it holds, and a sentence that says so (or nothing, which means no)."""
    quality, noun = rng.choice([word for word in ADJECTIVES if word not in DEMO_KEYS]), rng.choice(NOUNS)
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


_GATHERINGS = """course choir club lesson meeting exam service interview seminar reading group talk class workshop fair
debate game party training session therapy counsel conference lecture audit vote trial concert tour""".split()
_HOME_KEYS = ("online", "virtual", "from_home", "at_home", "distance", "digital", "home_based", "telework")
_SITE_KEYS = ("on_site", "in_person", "face_to_face", "presence", "in_house", "at_the_office")
_HOME = (
    "Everyone joins from home.", "You can join from anywhere.", "There is no need to travel.", "Nobody comes to the building.",
    "The members live all over and talk online.", "The {s} has no office.", "Stay at home for the {s}.", "You never have to come in.",
    "It all happens at home.", "No travel, no building: all online.", "At home or anywhere else, as you like.",
    "Working from home is usual for the {s}.", "The {s} is spread over many places.", "Being there in person is not needed.",
    "Home is where the {s} happens.", "Live where you want and join the {s}.", "The {s} is not on site.", "It is not held in the office.",
    "No one needs to be on site.", "There is no office for the {s}; all stay at home.", "You pick the place, even your kitchen.",
    "The group is distributed and has no building.", "A home office is usual here.", "Not on site but remote.",
)  # fmt: skip
_SITE = (
    "You must come to the building.", "Everyone comes in each day.", "The {s} needs you on site.", "The {s} is hybrid.",
    "Some days at home, some in the office.", "The {s} is not remote.", "It is not online.", "You cannot join from home.",
    "Home is not an option.", "There is a desk for you in the office.", "Come to the office for the {s}.",
    "The {s} is hybrid, partly in the office.", "Being there in person is part of it.", "We all sit together in the building.",
    "This is no remote {s}.", "Joining from home is not offered.", "Hybrid, with {n} days in the office.", "Not remote but on site.",
    "You cannot stay at home, since the {s} is on site.", "Remote {s} is not part of it.", "Others are remote, this {s} is not.",
    "A home office is not given.", "The {s} is hybrid: {d} at home, the rest on site.", "Your chair is in our building.",
)  # fmt: skip
_FAR = (
    "remote",
    "online",
    "virtual",
    "from home",
    "at home",
    "done remotely",
    "done from home",
    "held online",
    "away from any office",
)
_NEAR = (
    "on site",
    "in the office",
    "in person",
    "in our office",
    "in the building",
    "face to face",
    "done on site",
    "held in our rooms",
)
_DEGREES = (
    "",
    "",
    "fully ",
    "entirely ",
    "completely ",
    "always ",
    "purely ",
    "all ",
    "wholly ",
    "simply ",
    "only ",
    "totally ",
)
_TIMES = (
    "",
    "",
    "",
    "",
    " every day",
    " all the time",
    " all week",
    " from Monday to Friday",
    " each day",
    " this year",
    " as a rule",
)
_FORMS = (
    "The {s} is {a}{m}{t}.", "The {s} takes place {a}{m}{t}.", "All {s} is {a}{m}{t}.", "It is {a}{m}{t}.", "Our {s} happens {m}{t}.",
    "You have your {s} {a}{m}{t}.", "You do the {s} {m}{t}.", "We meet {a}{m}{t}.", "The whole group works {m}{t}.", "This {s} is {a}{m}{t}.",
    "Your {s} will be {a}{m}{t}.", "We are {a}{m}{t}.", "The {n2} and the {s} are {m}{t}.", "They work {a}{m}{t}.", "You work {m}{t}.",
)  # fmt: skip
_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "mornings", "evenings")


def _says_where(rng: Random, *, home: bool) -> str:
    """A sentence that tells whether something is done from home."""
    subject = rng.choice(_GATHERINGS) if rng.random() < 0.6 else rng.choice(NOUNS)
    shape = rng.random()
    if shape < 0.45:
        return rng.choice(_HOME if home else _SITE).format(s=subject, n=rng.randint(2, 4), d=rng.choice(_DAYS))
    if shape < 0.57:
        yes = rng.random() < 0.5
        key = rng.choice(
            ("Remote", "Online", "Home office", "From home")
            if home == yes
            else ("On site", "In the office", "In person")
        )
        label = key if rng.random() < 0.5 else f"{key} {subject}"
        return f"{label}: {'yes' if yes else 'no'}."
    mode = rng.choice(_FAR if home else _NEAR)
    frame = rng.choice(_FORMS)
    return frame.format(s=subject, a=rng.choice(_DEGREES), m=mode, t=rng.choice(_TIMES), n2=rng.choice(NOUNS))


def _manner(rng: Random) -> tuple[str, bool, str]:
    """Whether something is done from home or on site, as key, truth and sentence."""
    home = rng.random() < 0.5
    says = _says_where(rng, home=home)
    if rng.random() < 0.7:
        return rng.choice(_HOME_KEYS), home, says
    return rng.choice(_SITE_KEYS), not home, says


def remote_or_not(rng: Random) -> Document:
    """A text about something done from home or on site, and a yes/no question about it."""
    key, holds, says = _manner(rng)
    sentences = [says, *(sentence(rng) for _ in range(rng.randint(0, 2)))]
    rng.shuffle(sentences)
    if rng.random() < 0.5:
        key, holds = ("remote", holds if key in _HOME_KEYS else not holds)
    ask = rng.choice(("Is it {k}?", "Is this {k}? Yes or no.", "{k}: yes or no?", "{K}?")).format(
        k=key.replace("_", " "), K=key.replace("_", " ").capitalize()
    )
    return chat("manner", f"{' '.join(sentences)}\n{ask}", "yes" if holds else "no")


def _text_name(rng: Random) -> str:
    """What an instruction calls the text: a usual word, or any other."""
    return (
        rng.choice(_TEXTS)
        if rng.random() < 0.4
        else f"{rng.choice((*NOUNS, *ADJECTIVES))} {rng.choice((*NOUNS, *_TEXTS))}"
    )


def _name_key(rng: Random, kind: str, *, shown: Value) -> tuple[str, str]:
    """A key for a kind, and how the instruction names it."""
    if rng.random() < 0.4:
        key = rng.choice([noun for noun in NOUNS if noun not in DEMO_KEYS])
        meaning = rng.choice((_DESCRIPTIONS[kind], rng.choice(KINDS[kind].words)))
        return key, f"{key} ({meaning}{', or null' if shown is None else ''})"
    key = rng.choice(KINDS[kind].keys)
    if shown is None and rng.random() < 0.8:
        return key, f"{key} ({rng.choice(('string or null', 'text or null', 'null if missing', 'or null'))})"
    if isinstance(shown, str) and rng.random() < 0.12:
        return key, f"{key} ({rng.choice(('string', 'string or null', 'text'))})"
    return key, key


def reading(rng: Random) -> Document:
    """An open text and the record asked for: two to five fields, some absent, often a yes/no among them."""
    named = rng.sample(sorted(KINDS), rng.randint(2, 5))
    record = {kind: KINDS[kind].draw(rng) for kind in named}
    sentences = _sentences(rng, record)
    asked = rng.sample(named, rng.randint(min(2, len(named)), min(4, len(named))))
    if rng.random() < 0.25:
        asked.append(rng.choice([kind for kind in KINDS if kind not in named]))
    fields: dict[str, Value] = {}
    hints = []
    for kind in rng.sample(asked, len(asked)):
        key, hint = _name_key(rng, kind, shown=record.get(kind))
        fields[key] = record.get(kind)
        hints.append(hint)
    for _ in range(rng.choice((0, 1, 1, 2))):
        quality, holds, says = (_manner if rng.random() < 0.6 else _flag)(rng)
        if quality in fields:
            continue
        sentences += [says] if says else []
        index = rng.randint(0, len(hints))
        items = list(fields.items())
        fields = dict([*items[:index], (quality, holds), *items[index:]])
        hints.insert(
            index,
            f"{quality} ({rng.choice(('true or false', 'true/false', 'boolean'))})" if rng.random() < 0.7 else quality,
        )
    rival = rng.choice(sorted(_RIVALS))
    if rival in named and rng.random() < 0.35:
        frame = rng.choice(_RIVALS[rival])
        sentences.append(frame.format(o=KINDS[rival].draw(rng), noun=rng.choice(NOUNS)))
    sentences += [sentence(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    rng.shuffle(sentences)
    text = " ".join(sentences)
    wordings, answer = wording(rng, fields)
    instruction = rng.choice(wordings).format(verb=rng.choice(VERBS), kind=_text_name(rng), keys=join_words(rng, hints))
    placed = rng.random()
    if placed < 0.6:
        return chat("reading", text, answer, system=instruction)
    return chat("reading", f"{instruction}\n{text}" if placed < 0.8 else f"{text}\n{instruction}", answer)


def read_one(rng: Random) -> Document:
    """One thing asked out of an open text, answered with the bare value or a JSON string."""
    named = rng.sample(sorted(KINDS), rng.randint(1, 4))
    record = {kind: KINDS[kind].draw(rng) for kind in named}
    kind = rng.choice(named)
    text = " ".join(rng.sample(lines := _sentences(rng, record), len(lines)))
    word = rng.choice((*KINDS[kind].keys, *KINDS[kind].words, *KINDS[kind].words)).replace("_", " ")
    ask = rng.choice(
        ("What is the {w}?", "Which {w}?", "Give the {w} only.", "{w}?", "Find the {w}.", "Name the {w}.")
    ).format(w=word)
    answer = str(record[kind])
    if rng.random() < 0.15:
        ask, answer = f"{ask} Reply with a JSON string.", json.dumps(answer, ensure_ascii=False)
    return chat("field", f"{text}\n{ask}" if rng.random() < 0.7 else f"{ask}\n{text}", answer)
