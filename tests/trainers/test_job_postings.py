"""The demo task's rows: reproducible, fairly split, and labelled by what the posting itself says."""

import json
import random
import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from trainers.data import job_postings
from trainers.data.job_postings import FILES, compose, read_words, render_files, shared_ngrams

ROOT = Path(__file__).parents[2]
WORDS = {side: read_words(side) for side in ("train", "dev", "test")}
ROWS = {
    split: [json.loads(line) for line in (ROOT / path).read_text("utf-8").split("\n")[:-1]]
    for split, path in FILES.items()
}
SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
PRESENCE = ("plain", "cue", "twist")
CHAT = ("needs", "pay", "perks")
EVERY_ROW = [row for rows in ROWS.values() for row in rows]


def inputs(*splits):
    """The postings of the named files, in order."""
    return [row["input"] for split in splits for row in ROWS[split]]


def sentences(words):
    """Every sentence an author wrote, with slots blanked; sentences made of slots alone are left out."""
    templates = [text for kinds in words.templates.values() for texts in kinds.values() for text in texts]
    parts = [text for slots in words.parts.values() for texts in slots.values() for text in texts]
    blanked = (re.sub(r"\{\w+\}", "_", text.casefold()) for text in templates + parts)
    return {part for text in blanked for part in SENTENCE_END.split(text) if re.search(r"[^\W_]", part)}


@cache
def drawn(side, label, *parts):
    """Sentences that 6,000 draws of each part give, in lower case and without punctuation."""
    rng, words = random.Random(0), WORDS[side].parts[label]
    said = (job_postings._fill(f"{{{part}}}", words, rng) for part in parts for _ in range(6_000))
    return {" ".join(re.findall(r"\w+", text.casefold())) for text in said}


def test_regenerating_gives_the_shipped_files():
    """The generator, run again, gives the shipped rows byte for byte."""
    for path, content in render_files().items():
        assert (ROOT / path).read_bytes() == content.encode(), f"{path} is stale: python -m trainers.data.job_postings"


@pytest.mark.parametrize(("split", "size"), [("train", 1_500), ("valid", 200), ("dev", 440), ("test", 440)])
def test_sizes_and_shares(split, size):
    """Each file has its planned size, and 30/50/20 of easy, medium and hard rows."""
    levels = Counter(row["tags"][0] for row in ROWS[split])

    assert len(ROWS[split]) == size
    assert levels == {"easy": 0.3 * size, "medium": 0.5 * size, "hard": 0.2 * size}


@pytest.mark.parametrize("split", FILES)
def test_answers_are_balanced(split):
    """Neither value of `remote` can be guessed, and a tenth to a fifth of the rows have no place."""
    answers = [row["output"] for row in ROWS[split]]

    assert 0.4 <= sum(answer["remote"] for answer in answers) / len(answers) <= 0.6
    assert 0.1 <= sum(answer["location"] is None for answer in answers) / len(answers) <= 0.2


def test_answers_fit_the_schema():
    """Each answer validates against the schema that the gate uses, and the schema itself is sound."""
    schema = json.loads((ROOT / "suites/data/job_posting.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    assert [row for row in EVERY_ROW if not validator.is_valid(row["output"])] == []
    assert not validator.is_valid({"title": "Nurse", "company": "Lumenta", "location": None})
    assert not validator.is_valid({"title": "", "company": "Lumenta", "location": None, "remote": True})
    assert not validator.is_valid({"title": "Nurse", "company": "Lumenta", "location": None, "remote": True, "pay": 1})


def test_values_are_verbatim_and_slots_are_filled():
    """Title, company and place stand in the posting as the answer writes them, and no slot is left open."""
    for row in EVERY_ROW:
        values = [value for value in row["output"].values() if isinstance(value, str)]
        assert all(value in row["input"] for value in values), row
        assert not re.search(r"[{}]", row["input"]), row


def test_location_is_complete():
    """A place that the posting writes with its country is answered with its country."""
    places = {place.partition(",")[0]: place for words in WORDS.values() for place in words.places}
    for row in EVERY_ROW:
        location = row["output"]["location"]
        if location in places:
            assert places[location] not in row["input"], row


def test_easy_and_medium_rows_name_one_place_at_most():
    """Without a distractor, a null location means that the posting has no place at all."""
    places = {place.partition(",")[0] for words in WORDS.values() for place in words.places}
    for row in EVERY_ROW:
        if row["output"]["location"] is None and row["tags"] != ["hard"]:
            assert not [place for place in places if re.search(rf"\b{place}\b", row["input"])], row


def test_postings_are_short():
    """Every posting has 18 to 45 words, and a file 28 to 35 on average."""
    for split in FILES:
        lengths = [len(text.split()) for text in inputs(split)]
        assert min(lengths) >= 18
        assert max(lengths) <= 45
        assert 28 <= sum(lengths) / len(lengths) <= 35


def test_no_posting_twice():
    """No posting repeats another one of any file, even when case and punctuation are dropped."""
    keys = [" ".join(re.findall(r"\w+", text.casefold())) for text in inputs(*FILES)]

    assert len(set(keys)) == len(keys)


def test_train_and_valid_are_split_by_hash():
    """Which of the two files a posting is in follows from its text alone."""
    for split in ("train", "valid"):
        assert {job_postings.split_of(text) for text in inputs(split)} == {split}


def test_no_run_of_eight_words_is_on_two_sides():
    """No eight words in a row of a posting of one side occur in a posting of another; train and valid are one side."""
    assert shared_ngrams(inputs("train", "valid", "dev"), inputs("test")) == set()
    assert shared_ngrams(inputs("train", "valid"), inputs("dev")) == set()
    assert shared_ngrams(["One, two three four: five six seven eight"], ["one two three four five six SEVEN eight!"])


def test_leaked_words_are_refused(monkeypatch):
    """Generating from the same words on both sides is an error, not a file."""
    monkeypatch.setattr(job_postings, "read_words", lambda _: WORDS["train"])

    with pytest.raises(ValueError, match="train and dev share '"):
        render_files()


@pytest.mark.parametrize("kind", ["titles", "companies", "places"])
def test_names_are_disjoint(kind):
    """No title, company or city is on two sides, and each list is long enough to copy from rather than learn."""
    names = {side: {name.partition(",")[0] for name in getattr(WORDS[side], kind)} for side in WORDS}

    for one, other in combinations(names.values(), 2):
        assert not one & other
    assert len(names["train"]) >= {"titles": 800, "companies": 18_000, "places": 250}[kind]
    assert min(map(len, names.values())) >= 100


def test_templates_are_disjoint():
    """Each side has enough templates, and no sentence of one occurs on another."""
    counts = {
        side: sum(len(texts) for kinds in WORDS[side].templates.values() for texts in kinds.values()) for side in WORDS
    }

    assert counts["train"] >= 340
    assert counts["dev"] >= 40
    assert counts["test"] >= 70
    for one, other in combinations(WORDS, 2):
        assert sentences(WORDS[one]) & sentences(WORDS[other]) == set()


@pytest.mark.parametrize("side", WORDS)
def test_every_template_holds_the_facts(side):
    """Each template names title and employer once, and easy ones also the place, so that each row has one answer."""
    for level, kinds in WORDS[side].templates.items():
        for text in (text for texts in kinds.values() for text in texts):
            assert len(re.findall(r"\{(?:a_|a_cap_)?title\}", text)) == 1, text
            assert text.count("{company}") == 1, text
            assert text.count("{location}") <= 1, text
            assert level != "easy" or "{location}" in text, text
            assert len(re.findall(r"\{(?:plain|cue|signal|mode|a_kind|tag)\}", text)) == 1, text


@pytest.mark.parametrize("side", WORDS)
def test_distractors_cannot_be_taken_for_the_fact(side):
    """Two names drawn for one posting never begin or end alike, and so never contain each other."""
    rng = random.Random(0)
    for names in (WORDS[side].titles, WORDS[side].companies, WORDS[side].places):
        for one, other in (job_postings._two_apart(names, rng) for _ in range(300)):
            assert one not in other
            assert other not in one


@pytest.mark.parametrize("side", WORDS)
def test_remote_cues_do_not_contradict(side):
    """No sentence is used both to say that a job is remote and that it is not."""
    assert not drawn(side, "remote", *PRESENCE) & drawn(side, "onsite", *PRESENCE)


def test_train_says_the_same_in_many_ways():
    """Train has two thousand sentences for either kind of presence, and more about duties, pay and extras."""
    assert len(drawn("train", "remote", *PRESENCE)) >= 2_000
    assert len(drawn("train", "onsite", *PRESENCE)) >= 2_000
    assert len(drawn("train", "remote", *CHAT)) >= 1_500
    assert len({text.split()[0] for name in CHAT for text in WORDS["train"].parts["remote"][name]}) >= 75
    assert len({name.split()[-1] for name in WORDS["train"].companies}) >= 250


@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_sentence_without_a_name_is_on_both_sides(split):
    """What train can say about presence, duties, pay and extras is never a sentence of a dev or test posting."""
    rows = (SENTENCE_END.split(text) for text in inputs(split))
    tested = {" ".join(re.findall(r"\w+", text.casefold())) for row in rows for text in row}
    learnable = drawn("train", "remote", *PRESENCE, *CHAT) | drawn("train", "onsite", *PRESENCE)

    assert not learnable & tested
    assert drawn(split, "remote", *PRESENCE) & tested


def test_same_seed_same_posting():
    """A posting is a function of the words, the level and the state of the random source."""
    one, other = (compose(WORDS["train"], "hard", random.Random(3)) for _ in range(2))

    assert one == other
    assert one != compose(WORDS["train"], "hard", random.Random(4))


def test_system_prompt_names_every_key():
    """The system prompt is one line that asks for exactly the keys of the schema."""
    text = (ROOT / "suites/data/job_postings.system.txt").read_text(encoding="utf-8")

    assert text.count("\n") == 1
    assert all(key in text for key in ("title", "company", "location", "remote"))
