"""Training rows and suites to plant faults in: postings of the demo task's words, and questions with sentences."""

import json
import random
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from trainers.data.job_postings import compose, read_words

__all__ = ["ROOT", "SYSTEM", "answers", "chat_rows", "postings", "write_rows", "write_suites"]

ROOT = Path(__file__).parents[2]
SYSTEM = "Extract title, company, location and remote from the posting as one JSON object."

SUITES = {
    "test_fields.py": """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.exact_match import exact_match
from harness.metrics.valid_json import valid_json
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="fields", version=1, examples=jsonl("fields.jsonl"), render=chat({system!r}),
    sampling=Sampling(max_new_tokens=9), metrics=[exact_match(), valid_json(schema={schema!r})],
    gates=[Gate("exact_match", at_least=0.5)],
)
""",
    "test_facts.py": """
from harness.gates import Gate
from harness.lm_eval_suite import LmEvalSuite
from harness.questions import mc_csv

suite = LmEvalSuite(name="facts", version=1, source=mc_csv("facts.csv"), gates=[Gate("acc", max_drop=0.2)])
""",
    "test_short.py": """
from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="short", version=1, examples=jsonl("short.jsonl"), render=chat(), sampling=Sampling(max_new_tokens=9),
    metrics=[exact_match()], gates=[Gate("exact_match", at_least=0.5)],
)
""",
    "test_ordinary.py": "def test_nothing():\n    pass\n",
}
WORDS = [
    "anchor",
    "basket",
    "candle",
    "dragon",
    "engine",
    "forest",
    "garden",
    "hammer",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "mirror",
    "needle",
    "orange",
    "pencil",
    "quarry",
    "ribbon",
    "saddle",
    "tunnel",
    "umbrella",
    "violin",
    "window",
    "yellow",
    "zipper",
]


@cache
def postings(count: int, side: str = "train", seed: int = 0) -> tuple[dict[str, Any], ...]:
    """So many different postings with their answers, in the suites' form."""
    words, rng = read_words(side), random.Random(f"{side} {seed}")
    made: dict[str, dict[str, Any]] = {}
    while len(made) < count:
        posting = compose(words, ("easy", "medium", "hard")[len(made) % 3], rng)
        made.setdefault(posting.text, json.loads(posting.row()))
    return tuple(made.values())


def answers(count: int) -> list[dict[str, Any]]:
    """Questions with an answer of two sentences each, all different."""
    rng = random.Random(7)
    rows = []
    for number in range(count):
        one, two, three, four, five = rng.sample(WORDS, 5)
        rows.append(
            {
                "input": f"Why did number {number} put the {one} beside the {two} on {three} street?",
                "output": f"Number {number} thought the {two} would fall. A {four} near the {five} held it up "
                f"until the {one} was found.",
            }
        )
    return rows


def write_rows(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    """A JSONL file; a row that is text already is written as it stands."""
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogatepass")
    return path


def write_suites(folder: Path) -> Path:
    """Three suites: 40 postings with a schema, 24 four-choice questions, 12 short prompts."""
    folder.mkdir(parents=True, exist_ok=True)
    schema = json.loads((ROOT / "suites/data/job_posting.schema.json").read_text(encoding="utf-8"))
    for name, text in SUITES.items():
        (folder / name).write_text(text.replace("{system!r}", repr(SYSTEM)).replace("{schema!r}", repr(schema)))
    write_rows(folder / "fields.jsonl", postings(40, "test"))
    rng = random.Random(3)
    lines = ["subject,question,choice0,choice1,choice2,choice3,answer"]
    for number in range(24):
        one, two, three, *options = rng.sample(WORDS, 7)
        said = f"Which of these was left behind when the {one} and the {two} were carried to the {three}"
        asked = f"{said} in {1900 + number}?"
        lines.append(",".join([("history", "trade")[number % 2], asked, *options, str(number % 4)]))
    (folder / "facts.csv").write_text("\n".join(lines) + "\n")
    write_rows(
        folder / "short.jsonl",
        ({"input": f"Spell {word} backwards please.", "output": word[::-1]} for word in WORDS[:12]),
    )
    return folder


def chat_rows(rows: Iterable[Mapping[str, Any]], system: str) -> list[dict[str, Any]]:
    """The rows as chats that all begin with one system turn."""
    roles = ("system", "user", "assistant")
    texts = ((system, row["input"], json.dumps(row["output"], ensure_ascii=False)) for row in rows)
    return [{"messages": [{"role": r, "content": t} for r, t in zip(roles, own, strict=True)]} for own in texts]
