"""Write what evaluation and training draw from the generators: `python -m trainers.embedded_base.exports`.

suites/data/knowledge.test.csv      one four-choice question a fact, in the phrasing kept out of pretraining
suites/data/regression.test.jsonl   short prompts of the share kept out of pretraining
trainers/data/general.train.jsonl   general instructions to replay against forgetting
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from trainers.embedded_base.document import normal, reserved
from trainers.embedded_base.extraction import extraction, one_field
from trainers.embedded_base.facts import all_facts, options_for
from trainers.embedded_base.mixture import chat_choice, question
from trainers.embedded_base.reading import reading
from trainers.embedded_base.skills import skill

__all__ = ["grams", "knowledge_rows", "regression_rows", "replay_rows", "write_all"]

ROOT = Path(__file__).parents[2]
KNOWLEDGE_ROWS = 3300
REGRESSION_ROWS = 720
REPLAY_ROWS = 1000
_REPLAYED = (
    (skill, 0.4),
    (one_field, 0.1),
    (question, 0.15),
    (chat_choice, 0.2),
    (extraction, 0.05),
    (reading, 0.1),
)
_LONGEST_ANSWER = 24  # characters; about eight tokens


def knowledge_rows() -> Iterator[list[str | int]]:
    """Rows of subject, question, four choices and the answer's index, no fact twice.

    Facts whose held-out question shares eight words in a row with any pretraining phrasing are passed over.
    """
    seen = {gram for fact in all_facts() for text in fact.texts() for gram in grams(text)}
    fresh = [fact for fact in all_facts() if not grams(fact.heldout) & seen]
    kept = set(Random("slice").sample(fresh, KNOWLEDGE_ROWS))
    for fact in fresh:
        if fact in kept:
            options, right = options_for(Random(f"slice/{fact.relation.name}/{fact.entity}"), fact)
            yield [fact.relation.subject, fact.heldout, *options, right]


def grams(text: str, size: int = 8) -> set[tuple[str, ...]]:
    """Every run of `size` words of a text, without case and punctuation."""
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


def regression_rows() -> Iterator[dict[str, object]]:
    """Short prompts with one right answer, all of the reserved share, tagged by skill."""
    seen: set[str] = set()
    rng = Random("regression")
    while len(seen) < REGRESSION_ROWS:
        document = (one_field if rng.random() < 0.2 else skill)(rng)
        words = normal(document.prompt)
        if reserved(document.prompt) and words not in seen and 0 < len(document.answer) <= _LONGEST_ANSWER:
            seen.add(words)
            yield {"input": document.prompt, "output": document.answer, "tags": [document.kind.removeprefix("skill:")]}


def replay_rows() -> Iterator[dict[str, object]]:
    """Conversations of the pretraining kinds, with a system turn where there was one; short skills are the commonest."""
    rng, written = Random("replay"), 0
    makers, shares = zip(*_REPLAYED, strict=True)
    while written < REPLAY_ROWS:
        document = rng.choices(makers, shares)[0](rng)
        if not document.answer or reserved(document.prompt) or len(document.prompt) + len(document.answer) > 600:
            continue
        turns = [("system", document.system)] if document.system else []
        turns += [("user", document.prompt), ("assistant", document.answer)]
        yield {"messages": [{"role": role, "content": content} for role, content in turns]}
        written += 1


def write_all(root: Path = ROOT) -> None:
    """Write the three files below `root`; the same files every time."""
    with (root / "suites/data/knowledge.test.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subject", "question", "choice0", "choice1", "choice2", "choice3", "answer"])
        writer.writerows(knowledge_rows())
    _write_jsonl(root / "suites/data/regression.test.jsonl", regression_rows())
    _write_jsonl(root / "trainers/data/general.train.jsonl", replay_rows())


def _write_jsonl(path: Path, rows: Iterator[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write_all()
