"""Writes answers to job postings with grades by a written rule, to calibrate judges on. Standard library only.

    python -m trainers.data.judge_labels      rewrites suites/data/judge.labels.jsonl, byte for byte the same

Nobody read these answers: each is the right one, spoiled in a known way, and the rule below grades what came out. So a
calibration on them says how far a judge follows this rule, not how far it agrees with people.

Rule, for an answer that should be an object of title, company, location and remote:

    grade  correct, of the fields that are there             complete
    5      all are right, and nothing else is there          all four fields are there, and nothing else
    4      all are right, beside a needless text or field    all four beside a needless text or field; or one is missing
    3      at least half are right                           two are missing
    2      fewer are right                                   three are missing
    1      no field is there                                 no field is there
"""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainers.data.job_postings import compose, read_words

__all__ = ["FIELDS", "FILE", "grade", "main", "render_file"]

FIELDS = ("title", "company", "location", "remote")
FILE = "suites/data/judge.labels.jsonl"
EACH = 14
"""Answers spoiled in each way."""
SEED = "judge labels 1"
LEVELS = ("easy", "medium", "hard")
ROOT = Path(__file__).parents[2]
_BEFORE = ("Here is the record: ", "Sure, I read the posting for you. ", "The answer is as follows. ")
_AFTER = (" I hope this helps.", " Let me know if you need more.", " These are all the facts that I found.")
_EVASIONS = (
    "I cannot say much about this posting.",
    "Please send the posting again.",
    "This is a good job for someone.",
    "N/A",
    "{}",
    "There are several facts in this text.",
)
Record = Mapping[str, Any]


def grade(answer: str, reference: Record) -> dict[str, int]:
    """The grades that the rule gives.

    Args:
        answer: text; what stands between the first `{` and the last `}` is read as its object.
        reference: the right record.
    """
    start, end = answer.find("{"), answer.rfind("}") + 1
    try:
        found = json.loads(answer[start:end]) if start >= 0 else {}
    except ValueError:
        found = {}
    given = [field for field in FIELDS if field in found]
    if not given:
        return {"correct": 1, "complete": 1}
    right = sum(found[field] == reference[field] for field in given)
    needless = bool(answer[:start].strip() or answer[end:].strip() or len(found) > len(given))
    flawless, faulty = 4 if needless else 5, 3 if 2 * right >= len(given) else 2
    complete = {4: 4 if needless else 5, 3: 4, 2: 3, 1: 2}[len(given)]
    return {"correct": flawless if right == len(given) else faulty, "complete": complete}


def render_file() -> str:
    """The content of the file."""
    words = read_words("dev")
    rng = random.Random(SEED)  # noqa: S311 - rows, not secrets
    rows: list[dict[str, Any]] = []
    for way in _WAYS:
        for number in range(EACH):
            posting = compose(words, LEVELS[number % len(LEVELS)], rng)
            other = compose(words, "easy", rng)
            right, wrong = _record(posting), _record(other)
            wrong["remote"] = not right["remote"]
            answer = way(right, wrong, rng)
            rows.append(
                {
                    "id": f"label-{len(rows) + 1:03d}",
                    "question": posting.text,
                    "reference": _text(right),
                    "answer": answer,
                    "labels": grade(answer, right),
                    "by": "rule",
                }
            )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    """Rewrites the file in place."""
    (ROOT / FILE).write_text(render_file(), encoding="utf-8", newline="\n")


def _record(posting: Any) -> dict[str, Any]:  # noqa: ANN401  # a Posting
    return {field: getattr(posting, field) for field in FIELDS}


def _text(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False)


def _some(count: int, rng: random.Random) -> set[str]:
    """That many fields, drawn with `random()` alone, whose sequence Python promises to keep."""
    return {field for _, field in sorted((rng.random(), field) for field in FIELDS)[:count]}


def _pick(texts: tuple[str, ...], rng: random.Random) -> str:
    return texts[int(rng.random() * len(texts))]


def _changed(count: int) -> Callable[[Record, Record, random.Random], str]:
    """Takes `count` fields from another posting."""

    def spoil(right: Record, wrong: Record, rng: random.Random) -> str:
        fields = _some(count, rng)
        return _text({field: wrong[field] if field in fields else right[field] for field in FIELDS})

    return spoil


def _lacking(count: int, changed: int = 0) -> Callable[[Record, Record, random.Random], str]:
    """Leaves `count` fields out, and takes `changed` of the others from another posting."""

    def spoil(right: Record, wrong: Record, rng: random.Random) -> str:
        left_out = _some(count, rng)
        kept = [field for field in FIELDS if field not in left_out]
        return _text({field: wrong[field] if place < changed else right[field] for place, field in enumerate(kept)})

    return spoil


_WAYS: tuple[Callable[[Record, Record, random.Random], str], ...] = (
    lambda right, _wrong, _rng: _text(right),
    lambda right, _wrong, rng: _pick(_BEFORE, rng) + _text(right),
    lambda right, _wrong, rng: _text(right) + _pick(_AFTER, rng),
    lambda right, _wrong, _rng: _text({**right, "note": "as named in the posting"}),
    _changed(1),
    _changed(2),
    _changed(3),
    _changed(4),
    _lacking(1),
    _lacking(2),
    _lacking(3),
    _lacking(2, changed=2),
    lambda _right, _wrong, rng: _pick(_EVASIONS, rng),
)


if __name__ == "__main__":
    main()
