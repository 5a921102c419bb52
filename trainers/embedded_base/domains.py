"""Everyday texts with facts in them: what the base learns extraction from. None of them is a job posting.

`domains.toml` says how the values of each kind of text are drawn, and which sentences (frames) can name them. A text
is a handful of frames that together mention a random part of the slots; the record is what was mentioned.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from string import Formatter

from trainers.embedded_base import names

__all__ = ["DOMAINS", "Domain", "Flag", "Value", "compose", "date"]

Value = str | int | bool | None
Draw = Callable[[Random], Value]


@dataclass(frozen=True, slots=True)
class Flag:
    """A yes/no slot: sentences that say yes, and sentences that say no."""

    yes: tuple[str, ...]
    no: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """One kind of text."""

    kind: str
    values: Mapping[str, Draw]
    flags: Mapping[str, Flag]
    frames: tuple[str, ...]
    asides: tuple[str, ...]


_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = "January February March April May June July August September October November December".split()
_TITLE_HEADS = "Silent Broken Hidden Golden Last First Lost Quiet Burning Distant Empty Frozen Paper Winter".split()
_TITLE_TAILS = "River Garden House Mirror Letter Island Bridge Forest Crown Tower Harbor Road Season Machine".split()
_COLOURS = "black white brown grey ginger cream golden spotted striped".split()
_CAPITALS = "ABCDEFGHKLMNPRSTWX"


def date(rng: Random) -> Value:
    """A day and a month, such as `4 June`."""
    return f"{rng.randrange(1, 29)} {rng.choice(_MONTHS)}"


_DRAWS: Mapping[str, Draw] = {
    "person": names.person,
    "firm": names.firm,
    "city": names.city,
    "product": names.product,
    "price": names.price,
    "phone": names.phone,
    "street": names.street,
    "word": names.word,
    "date": date,
    "day": lambda rng: rng.choice(_DAYS),
    "time": lambda rng: f"{rng.randrange(7, 23)}:{rng.choice(('00', '15', '30', '45'))}",
    "code": lambda rng: f"{rng.choice(_CAPITALS)}{rng.choice(_CAPITALS)}{rng.randrange(100, 999)}",
    "title": lambda rng: f"{rng.choice(('The ', 'A ', ''))}{rng.choice(_TITLE_HEADS)} {rng.choice(_TITLE_TAILS)}",
    "colour": lambda rng: rng.choice(_COLOURS),
    "machine": lambda rng: f"{names.word(rng)}-{rng.randrange(1, 30)}",
    "rent": lambda rng: rng.randrange(30, 300) * 10,
    "email": lambda rng: f"{names.word(rng)}@{names.word(rng)}.com",
    "seat": lambda rng: f"{rng.randrange(1, 40)}{rng.choice('ABCDEF')}",
    "pet": lambda rng: names.word(rng).capitalize(),
    "room": lambda rng: f"{rng.choice('ABCDEFG')}{rng.randrange(1, 40)}",
    "stadium": lambda rng: f"{names.surname(rng)} Park",
    "crowd": lambda rng: rng.randrange(1, 90) * 100,
}


def _draw(how: str | list[str]) -> Draw:
    if isinstance(how, list):
        return lambda rng: rng.choice(how)
    if how.startswith("count "):
        low, high = map(int, how.split()[1:])
        return lambda rng: rng.randrange(low, high)
    return _DRAWS[how]


def _load() -> tuple[Domain, ...]:
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return tuple(
        Domain(
            kind=entry["kind"],
            values={slot: _draw(how) for slot, how in entry["values"].items()},
            flags={name: Flag(tuple(flag["yes"]), tuple(flag["no"])) for name, flag in entry["flags"].items()},
            frames=tuple(entry["frames"]),
            asides=tuple(entry.get("asides", ())),
        )
        for entry in content["domain"]
    )


DOMAINS: tuple[Domain, ...] = _load()


def compose(rng: Random, domain: Domain, size: int) -> tuple[str, dict[str, Value]]:
    """A text of the domain that mentions about `size` slots, and the record of what it mentions."""
    wanted = {slot: draw(rng) for slot, draw in domain.values.items()}
    left = set(rng.sample(sorted(wanted), min(size, len(wanted))))
    record: dict[str, Value] = {}
    sentences: list[str] = []
    for frame in rng.sample(domain.frames, len(domain.frames)):
        slots = [slot for _, slot, _, _ in Formatter().parse(frame) if slot]
        if left.issuperset(slots):
            left.difference_update(slots)
            record |= {slot: wanted[slot] for slot in slots}
            sentences.append(frame.format(**wanted))
    for name, flag in domain.flags.items():
        if rng.random() < 0.5:
            record[name] = rng.random() < 0.5
            sentences.append(rng.choice(flag.yes if record[name] else flag.no))
    if domain.asides and rng.random() < 0.5:
        sentences.append(rng.choice(domain.asides))
    if rng.random() < 0.6:
        rng.shuffle(sentences)
    return " ".join(sentences), record
