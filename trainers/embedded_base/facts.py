"""True facts and the ways of asking for them.

`facts/*.toml` hold relations: rows of (entity, answer), phrasings for pretraining, and one phrasing that is
kept out of pretraining and used by the knowledge slice only. How often a fact occurs falls off like Zipf's law, with a
last part that is hardly ever told, as in any text collection: so the base knows what is common, and not all there is.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random

__all__ = ["Fact", "Relation", "all_facts", "letters", "load", "multiple_choice", "options_for", "sample_fact"]

FOLDER = Path(__file__).parent / "facts"
ZIPF_EXPONENT = 0.6
RARE, RARENESS = 0.3, 150
"""The share of facts that are told so many times less often than their rank would have it."""
letters = "ABCD"


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact. `heldout` never enters pretraining; every phrasing holds `{entity}`."""

    subject: str
    name: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    heldout: str
    rows: tuple[tuple[str, str], ...]
    pool: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One true row of a relation."""

    relation: Relation
    entity: str
    answer: str

    def ask(self, rng: Random) -> str:
        """A pretraining question for this fact."""
        return rng.choice(self.relation.questions).format(entity=self.entity)

    def state(self, rng: Random) -> str:
        """A sentence that states this fact."""
        return rng.choice(self.relation.statements).format(entity=self.entity, answer=self.answer)

    def texts(self) -> list[str]:
        """Every sentence and question in which pretraining may show this fact."""
        shown = (*self.relation.questions, *self.relation.statements)
        return [text.format(entity=self.entity, answer=self.answer) for text in shown]

    @property
    def heldout(self) -> str:
        """The question that only the knowledge slice asks."""
        return self.relation.heldout.format(entity=self.entity)


@cache
def load() -> tuple[Relation, ...]:
    """Every relation of every subject, in file order."""
    relations = []
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in content["relation"]:
            rows = tuple((entity, answer) for entity, answer in entry["rows"])
            answers = dict.fromkeys([answer for _, answer in rows] + entry.get("distractors", []))
            relations.append(
                Relation(
                    subject=content["subject"],
                    name=entry["name"],
                    statements=tuple(entry["statements"]),
                    questions=tuple(entry["questions"]),
                    heldout=entry["heldout"],
                    rows=rows,
                    pool=tuple(answers),
                )
            )
    return tuple(relations)


@cache
def all_facts() -> tuple[Fact, ...]:
    """Every fact, in file order."""
    return tuple(Fact(relation, entity, answer) for relation in load() for entity, answer in relation.rows)


@cache
def _table() -> tuple[tuple[Fact, ...], tuple[float, ...]]:
    """All facts in a seeded order of commonness, and their cumulative weights."""
    facts = list(all_facts())
    Random(20_26).shuffle(facts)
    common = round((1 - RARE) * len(facts))
    weights = (1 / (rank + 10) ** ZIPF_EXPONENT / (1 if rank < common else RARENESS) for rank in range(len(facts)))
    return tuple(facts), tuple(accumulate(weights))


def sample_fact(rng: Random) -> Fact:
    """A fact, drawn by its commonness."""
    facts, weights = _table()
    return rng.choices(facts, cum_weights=weights)[0]


def options_for(rng: Random, fact: Fact) -> tuple[tuple[str, ...], int]:
    """Four distinct options of one kind in random order, and the index of the right one."""
    wrong = rng.sample([answer for answer in fact.relation.pool if answer != fact.answer], 3)
    index = rng.randrange(4)
    return (*wrong[:index], fact.answer, *wrong[index:]), index


def multiple_choice(question: str, options: Sequence[str]) -> str:
    """The four-choice block in MMLU's layout, ending in `Answer:` without a space."""
    lines = [question, *(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True)), "Answer:"]
    return "\n".join(lines)
