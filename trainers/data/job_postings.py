"""Writes the demo task: a job posting in, `{title, company, location, remote}` out. Standard library only.

    python -m trainers.data.job_postings      rewrites the train, valid, dev and test rows, byte for byte the same

Labelling rule, as a careful reader would answer:
    title     the job on offer, copied verbatim; never a superior's or a colleague's title.
    company   the employer, copied verbatim with its present name; never a client, a supplier or a former name.
    location  where the person works or is based, copied verbatim (`Graz` or `Graz, Austria`, as written);
              never a headquarters elsewhere, a place of origin or of travel; null when no such place is named.
    remote    true when no presence is asked for; hybrid work and "not a remote role" are false.

Difficulty: `easy` states the four facts plainly; `medium` implies `remote`, changes the order of the facts and may
leave the place out; `hard` adds a distractor (headquarters, client, former name, superior) or negates.

The words live in `job_postings.{train,dev,test}.toml`, which share no sentence
and no name. Train and valid rows come from the first file and are split by a hash of the posting; dev rows, to look at
while improving a recipe, come from the second; test rows, for the figures that are told, come from the third.
"""

import hashlib
import json
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

__all__ = ["LEVELS", "Posting", "Words", "compose", "main", "read_words", "render_files", "shared_ngrams", "split_of"]

LEVELS: Mapping[str, float] = {"easy": 0.3, "medium": 0.5, "hard": 0.2}
"""Share of each difficulty in every file."""
SIZES: Mapping[str, int] = {"train": 1_500, "valid": 200, "dev": 440, "test": 440}
"""Rows of each file."""
WORD_RANGE = range(18, 46)
"""Words that a posting may have."""
SEED = 20_260
REMOTE_SHARE = 0.45
SHORT_PLACE_SHARE = 0.6
BUCKETS, VALID_BUCKETS = 17, 2
HERE = Path(__file__).parent
FILES: Mapping[str, str] = {
    "train": "trainers/data/job_postings.train.jsonl",
    "valid": "trainers/data/job_postings.valid.jsonl",
    "dev": "trainers/data/job_postings.dev.jsonl",
    "test": "suites/data/job_postings.test.jsonl",
}


@dataclass(frozen=True, slots=True)
class Words:
    """Everything that postings of one side are made of, as read from one TOML file.

    Attributes:
        templates: by level, then by `either`, `remote` or `onsite`: whole postings with `{slots}`.
        parts: by `remote` or `onsite`, then by slot name: alternatives, which may hold slots again.
        titles, companies, places: names of jobs, of employers, and of cities as `City, Country`.
    """

    templates: Mapping[str, Mapping[str, Sequence[str]]]
    parts: Mapping[str, Mapping[str, Sequence[str]]]
    titles: tuple[str, ...]
    companies: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Posting:
    """One posting with its answer; `location` is None when the posting names no place of work."""

    text: str
    title: str
    company: str
    location: str | None
    remote: bool
    level: str

    def row(self) -> str:
        """The posting as one line of a JSONL file, keys in their documented order."""
        output = {"title": self.title, "company": self.company, "location": self.location, "remote": self.remote}
        return json.dumps({"input": self.text, "output": output, "tags": [self.level]}, ensure_ascii=False)


def read_words(side: str) -> Words:
    """Reads the words of `side`, which is `train` (also for valid), `dev` or `test`."""
    raw = tomllib.loads((HERE / f"job_postings.{side}.toml").read_text(encoding="utf-8"))
    shared = {name: value for name, value in raw["parts"].items() if isinstance(value, list)}
    return Words(
        templates=raw["templates"],
        parts={label: shared | raw["parts"][label] for label in ("remote", "onsite")},
        titles=_titles(raw["titles"]),
        companies=_companies(raw["companies"]),
        places=tuple(raw["places"]["names"]),
    )


def compose(words: Words, level: str, rng: random.Random) -> Posting:
    """Draws one posting of `level`; its words are not yet counted."""
    remote = rng.random() < REMOTE_SHARE
    label = "remote" if remote else "onsite"
    templates = words.templates[level]
    skeleton = _fill(_pick((*templates["either"], *templates.get(label, ())), rng), words.parts[label], rng)
    title, other_title = _two_apart(words.titles, rng)
    company, other_company = _two_apart(words.companies, rng)
    place, other_place = _two_apart(words.places, rng)
    location = _written(place, rng)
    facts = {
        "title": title,
        "a_title": _with_article(title),
        "a_cap_title": f"A{_with_article(title)[1:]}",
        "company": company,
        "location": location,
        "other_title": other_title,
        "a_other_title": _with_article(other_title),
        "other_company": other_company,
        "other_location": _written(other_place, rng),
    }
    based = location if "{location}" in skeleton else None
    return Posting(skeleton.format_map(facts), title, company, based, remote, level)


def split_of(text: str) -> str:
    """Says `valid` for 2 postings in 17 and `train` for the others, by a hash of the normalised text alone."""
    return "valid" if int(_hash(_normalised(text)), 16) % BUCKETS < VALID_BUCKETS else "train"


def shared_ngrams(left: Sequence[str], right: Sequence[str], *, n: int = 8) -> set[str]:
    """Runs of `n` words, in lower case and without punctuation, that occur in a text of both sides."""
    return _ngrams(left, n) & _ngrams(right, n)


def render_files() -> dict[str, str]:
    """The content of every file by its path from the repository's root.

    Raises:
        ValueError: two sides share a run of eight words.
    """
    rows = _draw("train", ("train", "valid")) | _draw("dev", ("dev",)) | _draw("test", ("test",))
    texts = {split: [posting.text for posting in postings] for split, postings in rows.items()}
    for left, right in (("train", "dev"), ("valid", "dev"), ("train", "test"), ("valid", "test"), ("dev", "test")):
        if leaked := shared_ngrams(texts[left], texts[right]):
            raise ValueError(f"{left} and {right} share '{min(leaked)}'; reword one of the TOML files")
    return {FILES[split]: "".join(f"{posting.row()}\n" for posting in postings) for split, postings in rows.items()}


def main() -> None:
    """Rewrites every file in place."""
    for path, content in render_files().items():
        (HERE.parents[1] / path).write_text(content, encoding="utf-8", newline="\n")


def _draw(side: str, splits: Sequence[str]) -> dict[str, list[Posting]]:
    """Draws until each split has its size at each level; the order in a file is that of the rows' hashes."""
    words = read_words(side)
    rows: dict[str, list[Posting]] = {split: [] for split in splits}
    for level, share in LEVELS.items():
        missing = {split: round(SIZES[split] * share) for split in splits}
        stream = _distinct(words, level, random.Random(f"{SEED} {side} {level}"))  # noqa: S311 - rows, not secrets
        while any(missing.values()):
            posting = next(stream)
            split = split_of(posting.text) if "valid" in splits else side
            if missing[split]:
                missing[split] -= 1
                rows[split].append(posting)
    return {split: sorted(postings, key=lambda posting: _hash(posting.text)) for split, postings in rows.items()}


def _distinct(words: Words, level: str, rng: random.Random) -> Iterator[Posting]:
    """Endless postings of one level, of fitting length, none twice even when case and punctuation are dropped."""
    seen: set[str] = set()
    while True:
        posting = compose(words, level, rng)
        key = _normalised(posting.text)
        if len(posting.text.split()) in WORD_RANGE and key not in seen:
            seen.add(key)
            yield posting


def _fill(text: str, parts: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Replaces each slot that names a part, and the slots inside it; slots of facts stay."""
    return re.sub(r"\{(\w+)\}", lambda slot: _part(slot, parts, rng), text)


def _part(slot: re.Match[str], parts: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    if slot[1] not in parts:
        return slot[0]
    return _fill(_pick(parts[slot[1]], rng), parts, rng)


def _pick(items: Sequence[str], rng: random.Random) -> str:
    # `random()` is the one method whose sequence Python promises to keep across versions
    return items[int(rng.random() * len(items))]


def _two_apart(names: Sequence[str], rng: random.Random) -> tuple[str, str]:
    """Two names with no first or last word in common, so that neither can be read as a form of the other."""
    first = _pick(names, rng)
    while True:
        second = _pick(names, rng)
        if first.split()[0] != second.split()[0] and first.split()[-1] != second.split()[-1]:
            return first, second


def _with_article(title: str) -> str:
    return f"an {title}" if title[0] in "AEIOU" else f"a {title}"


def _written(place: str, rng: random.Random) -> str:
    return place.partition(",")[0] if rng.random() < SHORT_PLACE_SHARE else place


def _titles(families: Sequence[Mapping[str, Sequence[str]]]) -> tuple[str, ...]:
    columns = ((family["ranks"], family["fields"], family["roles"]) for family in families)
    return tuple(chain.from_iterable(map(_joined, columns)))


def _companies(names: Mapping[str, Any]) -> tuple[str, ...]:
    """Names in every shape; a name that stands more than once is drawn more often."""
    named = tuple(f"{stem} {ending}".strip() for stem in names["stems"] for ending in names["endings"])
    paired = tuple(f"{one} & {two}" for one, two in combinations(names["founders"], 2))
    shaped = (_joined(shape["columns"]) * shape["weight"] for shape in names.get("shapes", ()))
    return (*named, *paired, *chain.from_iterable(shaped))


def _joined(columns: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(" ".join(word for word in words if word) for words in product(*columns))


def _normalised(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _ngrams(texts: Sequence[str], n: int) -> set[str]:
    sequences = (_normalised(text).split() for text in texts)
    return {" ".join(words[at : at + n]) for words in sequences for at in range(len(words) - n + 1)}


if __name__ == "__main__":
    main()
