"""Writes the word problems of `suites/more/test_word_problems.py`. Standard library only.

    python -m trainers.data.word_problems      rewrites the rows, byte for byte the same

Every problem takes two to four steps with small numbers, and its answer is computed by the same code that writes it.
"""

import json
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

__all__ = ["FILE", "SIZE", "main", "render_rows"]

FILE = "suites/more/data/word_problems.jsonl"
SIZE = 300
SEED = 4_711
NAMES = "Amina Bjorn Carla Dmitri Elif Femi Greta Hiro Ines Jamal Katya Leo Mira Nils Pablo Rosa Sven Uma Zoe".split()  # noqa: SIM905  # a list of words
THINGS = ("pencils", "stamps", "marbles", "postcards", "stickers", "walnuts", "buttons", "shells", "candles", "badges")

Write = Callable[[random.Random, str, str], tuple[str, Fraction]]


class Kind(NamedTuple):
    """A kind of problem: its tag, and what writes one for a name and a thing."""

    tag: str
    write: Write


def render_rows() -> str:
    """All rows as JSON lines: the kinds in turn, no problem twice."""
    rng = random.Random(SEED)  # noqa: S311  # reproducible rows, not secrets
    rows: dict[str, dict[str, object]] = {}
    while len(rows) < SIZE:
        kind = KINDS[len(rows) % len(KINDS)]
        text, answer = kind.write(rng, rng.choice(NAMES), rng.choice(THINGS))
        rows.setdefault(text, {"input": text, "output": _number(answer), "tags": [kind.tag]})
    return "".join(json.dumps(row) + "\n" for row in rows.values())


def main(root: Path) -> None:
    """Write the file below `root`."""
    (root / FILE).write_text(render_rows(), encoding="utf-8")


def _number(value: Fraction) -> str:
    """Whole, or with as many decimals as it has, at most two."""
    return str(int(value)) if value.denominator == 1 else f"{float(value):.2f}".rstrip("0")


def _share(rng: random.Random, name: str, thing: str) -> tuple[str, Fraction]:
    each, friends, kept = rng.randint(3, 19), rng.randint(2, 9), rng.randint(2, 15)
    total = each * friends + kept
    text = (
        f"{name} has {total} {thing}, keeps {kept} of them and shares the others equally among {friends} friends. "
        f"How many {thing} does each friend get?"
    )
    return text, Fraction(each)


def _boxes(rng: random.Random, name: str, thing: str) -> tuple[str, Fraction]:
    boxes, inside, lost = rng.randint(3, 14), rng.randint(6, 24), rng.randint(2, 5)
    text = (
        f"{name} buys {boxes} boxes with {inside} {thing} in each, and finds that {lost} {thing} of every box are "
        f"broken. How many whole {thing} are there?"
    )
    return text, Fraction(boxes * (inside - lost))


def _money(rng: random.Random, name: str, thing: str) -> tuple[str, Fraction]:
    cents, count = rng.randrange(15, 400, 5), rng.randint(3, 12)
    price = Fraction(cents, 100)
    paid = Fraction(-(-cents * count // 500) * 5)
    text = (
        f"One of the {thing} costs ${float(price):.2f}. {name} takes {count} of them and pays with ${int(paid)}. "
        "How many dollars of change are due?"
    )
    return text, paid - price * count


def _percent(rng: random.Random, name: str, thing: str) -> tuple[str, Fraction]:
    whole, off = rng.randrange(40, 400, 20), rng.choice((5, 10, 15, 20, 25, 40))
    text = (
        f"A shelf costs {whole} euros. In the sale it is {off}% cheaper, and {name}, who sells {thing}, buys two. "
        "What do the two cost, in euros?"
    )
    return text, Fraction(2 * whole * (100 - off), 100)


def _speed(rng: random.Random, name: str, _thing: str) -> tuple[str, Fraction]:
    speed, hours, left = rng.randrange(12, 90, 4), rng.randint(2, 6), rng.randint(5, 40)
    text = (
        f"{name} drives {speed} kilometres an hour for {hours} and a half hours and then has {left} kilometres left. "
        "How long is the whole way, in kilometres?"
    )
    return text, Fraction(speed * (2 * hours + 1), 2) + left


def _ages(rng: random.Random, name: str, _thing: str) -> tuple[str, Fraction]:
    other = rng.choice([each for each in NAMES if each != name])
    young, more, later = rng.randint(4, 30), rng.randint(2, 25), rng.randint(2, 12)
    text = (
        f"{name} is {young} years old and {other} is {more} years older. "
        f"What will their ages add up to in {later} years?"
    )
    return text, Fraction(2 * young + more + 2 * later)


def _rate(rng: random.Random, name: str, thing: str) -> tuple[str, Fraction]:
    minutes, made, target = rng.randint(2, 12), rng.randint(2, 9), rng.randint(5, 30)
    text = (
        f"{name} packs {made} {thing} every {minutes} minutes. "
        f"How many minutes does it take to pack {made * target} {thing}?"
    )
    return text, Fraction(minutes * target)


def _garden(rng: random.Random, name: str, _thing: str) -> tuple[str, Fraction]:
    long, wide, gate = rng.randint(8, 40), rng.randint(4, 25), rng.randint(2, 4)
    text = (
        f"The garden of {name} is {long} metres long and {wide} metres wide. A fence goes all around it, but for a "
        f"gate of {gate} metres. How many metres of fence are needed?"
    )
    return text, Fraction(2 * (long + wide) - gate)


def _twice(rng: random.Random, name: str, thing: str) -> tuple[str, Fraction]:
    other = rng.choice([each for each in NAMES if each != name])
    few, times, given = rng.randint(3, 25), rng.randint(2, 5), rng.randint(1, 9)
    text = (
        f"{other} has {few} {thing} and {name} has {times} times as many. Then {name} gives {given} of them away. "
        f"How many {thing} have the two together now?"
    )
    return text, Fraction(few + times * few - given)


def _mean(rng: random.Random, name: str, thing: str) -> tuple[str, Fraction]:
    days = [rng.randint(4, 40) for _ in range(3)]
    days.append(-sum(days) % 4 + 4 * rng.randint(1, 8))
    told = f"{', '.join(map(str, days[:3]))} and {days[3]}"
    text = f"On four days {name} sold {told} {thing}. How many {thing} is that a day on average?"
    return text, Fraction(sum(days), 4)


KINDS: Sequence[Kind] = (
    Kind("share", _share),
    Kind("boxes", _boxes),
    Kind("money", _money),
    Kind("percent", _percent),
    Kind("speed", _speed),
    Kind("ages", _ages),
    Kind("rate", _rate),
    Kind("garden", _garden),
    Kind("times", _twice),
    Kind("mean", _mean),
)

if __name__ == "__main__":
    main(Path.cwd())
