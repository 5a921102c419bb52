"""What the embedded base is made of: true facts in many phrasings, a seeded mixture, nothing that evaluation asks."""

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from trainers.embedded_base import exports, tokenizer
from trainers.embedded_base.document import CONTROL_TOKENS, chat, normal, plain, reserved
from trainers.embedded_base.facts import all_facts, load, multiple_choice, options_for
from trainers.embedded_base.mixture import documents
from trainers.embedded_base.skills import DEMO_KEYS, SKILLS

ROOT = Path(__file__).parents[2]
TEST_POSTINGS = "suites/data/job_postings.test.jsonl"
POSTINGS = (TEST_POSTINGS, *(f"trainers/data/job_postings.{split}.jsonl" for split in ("train", "valid", "dev")))
SHIPPED = (
    "suites/data/knowledge.test.csv",
    "suites/data/regression.test.jsonl",
    "trainers/data/general.train.jsonl",
)
QUICK, THOROUGH = 15_000, 250_000


def _jsonl(name):
    return [json.loads(line) for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]


def test_the_facts_are_many_and_of_many_subjects():
    """At least 3,000 facts over at least 20 subjects, none with more than a fifth, each in nine phrasings or more."""
    subjects = Counter(fact.relation.subject for fact in all_facts())
    assert len(all_facts()) >= 3000
    assert len(subjects) >= 20
    assert max(subjects.values()) <= len(all_facts()) / 5
    for relation in load():
        assert len(relation.statements) >= 4, relation.name
        assert len(relation.questions) >= 5, relation.name


def test_every_relation_is_sound():
    """Entities are unique within a relation, relations are named once, and four options can always be drawn."""
    names = [relation.name for relation in load()]
    assert len(set(names)) == len(names)
    for relation in load():
        entities = [entity for entity, _ in relation.rows]
        assert len(set(entities)) == len(entities), relation.name
        assert len(relation.pool) >= 4, relation.name
        for phrasing in (*relation.questions, *relation.statements, relation.heldout):
            assert "{entity}" in phrasing, phrasing
        assert all("{answer}" in statement for statement in relation.statements), relation.name


def test_options_hold_the_answer_once_and_four_different_texts():
    """Whatever the draw, the right option is at the index given and stands there alone."""
    rng = Random(7)
    for fact in rng.sample(all_facts(), 300):
        options, right = options_for(rng, fact)
        assert options[right] == fact.answer
        assert len(set(options)) == 4


def test_the_right_letter_is_evenly_spread():
    """In the slice each letter is right for about a quarter of the rows, so that a constant letter gains nothing."""
    letters = Counter(row[-1] for row in exports.knowledge_rows())
    assert set(letters) == {0, 1, 2, 3}
    assert max(letters.values()) < 0.29 * sum(letters.values())


def test_the_slice_asks_each_fact_once_in_words_that_pretraining_never_uses():
    """No slice question equals a pretraining phrasing, even normalised, or shares eight words in a row with one."""
    seen = [text for fact in all_facts() for text in fact.texts()]
    exact, runs = {normal(text) for text in seen}, {gram for text in seen for gram in exports.grams(text)}
    rows = list(exports.knowledge_rows())
    assert len(rows) >= 3000
    assert len({row[1] for row in rows}) == len(rows)
    for _, question, *_ in rows:
        assert normal(question) not in exact
        assert not exports.grams(question) & runs


def test_the_shipped_files_are_what_the_generators_write(tmp_path):
    """Running the export again gives the same bytes as the files in the repository."""
    for folder in ("suites/data", "trainers/data"):
        (tmp_path / folder).mkdir(parents=True)
    exports.write_all(tmp_path)
    for name in SHIPPED:
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_regression_prompts_are_many_short_and_reserved():
    """At least 600 prompts, over all skills, each of the share that never enters pretraining."""
    rows = list(exports.regression_rows())
    assert len(rows) >= 600
    assert all(reserved(row["input"]) for row in rows)
    assert len({normal(row["input"]) for row in rows}) == len(rows)
    assert {skill.__name__[1:] for skill in SKILLS} <= {row["tags"][0] for row in rows}


def test_reserved_depends_on_the_words_alone():
    """Case, spaces and punctuation cannot smuggle a reserved prompt into pretraining."""
    prompt = next(row["input"] for row in exports.regression_rows())
    assert reserved(f"  {prompt.upper()} !")
    assert not all(reserved(f"{prompt} {number}") for number in range(50))


def test_replayed_instructions_are_not_what_suites_ask():
    """The rehearsal rows share no prompt with the regression pool and no question with the slice."""
    prompts = {normal(row["messages"][-2]["content"]) for row in exports.replay_rows()}
    assert len(prompts) > 400
    assert not prompts & {normal(row["input"]) for row in exports.regression_rows()}
    asked = {gram for row in exports.knowledge_rows() for gram in exports.grams(row[1])}
    assert not asked & {gram for row in exports.replay_rows() for gram in exports.grams(row["messages"][-2]["content"])}


def _leaks(count, seed):
    """Documents of the stream that show a suite's prompt, a slice question, or eight words of a posting."""
    postings = [row["input"] for name in POSTINGS for row in _jsonl(name)]
    questions = [row[1] for row in exports.knowledge_rows()]
    exact = {normal(text) for text in [*postings, *questions, *(row["input"] for row in exports.regression_rows())]}
    runs = {gram for text in [*postings, *questions] for gram in exports.grams(text)}
    found = []
    for document in islice(documents(seed), count):
        whole = "".join(text for text, _ in document.parts)
        for token in CONTROL_TOKENS:
            whole = whole.replace(token, "\n")
        if normal(document.prompt) in exact or any(exports.grams(line) & runs for line in whole.splitlines()):
            found.append(document)
    return found


def test_nothing_that_is_evaluated_is_in_the_corpus():
    """In a stretch of the stream: no exact or normalised prompt, no eight words of a posting or a slice question."""
    assert _leaks(QUICK, "leak check") == []


@pytest.mark.slow
def test_nothing_that_is_evaluated_is_in_a_long_stretch_of_the_corpus():
    """The same over 250,000 documents of the very stream that the last stage's first process read."""
    assert _leaks(THOROUGH, "2/0") == []


def test_the_leak_check_finds_a_planted_leak(monkeypatch):
    """A document with a test posting inside is caught, also in other case and with words around it."""
    posting = _jsonl(TEST_POSTINGS)[0]["input"]
    planted = plain("planted", f"As they say, {posting.upper()} and so on.")
    monkeypatch.setitem(_leaks.__globals__, "documents", lambda _: iter([planted]))
    assert _leaks(1, "any") == [planted]


def test_the_base_never_writes_the_demo_schema():
    """No document answers with an object that has a key of the demo task."""
    for document in islice(documents("keys"), QUICK):
        answer = "".join(text for text, learned in document.parts if learned)
        assert not any(f'"{key}":' in answer for key in DEMO_KEYS), answer


def test_the_stream_is_its_seed():
    """The same seed gives the same documents; another seed gives others."""
    first, again, other = (list(islice(documents(seed), 200)) for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_the_stream_does_not_depend_on_the_process():
    """A process with other hash seeds draws the same documents: no order of a set leaks into them."""
    script = (
        "import hashlib; from itertools import islice; from trainers.embedded_base.mixture import documents as d;"
        "print(hashlib.sha256(repr(list(islice(d('x'), 3000))).encode()).hexdigest())"
    )
    digests = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        digests.add(subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment).stdout)
    assert len(digests) == 1


def test_the_four_choice_block_has_the_usual_layout():
    """Question, four lettered lines, and an open answer."""
    assert multiple_choice("Why?", ["a", "b", "c", "d"]) == "Why?\nA. a\nB. b\nC. c\nD. d\nAnswer:"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The tokenizer, trained on a few documents only."""
    patch = pytest.MonkeyPatch()
    patch.setattr(tokenizer, "DOCUMENTS", 1500)
    yield tokenizer.train_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    patch.undo()


def test_documents_are_written_as_the_chat_template_writes_them(small):
    """What pretraining reads is, token for token, what evaluation renders, with and without a system turn."""
    for system in ("", "Be brief."):
        document = chat("test", "Which firm?", "Oak Foods", system=system)
        turns = [{"role": "system", "content": system}] if system else []
        turns += [{"role": "user", "content": "Which firm?"}, {"role": "assistant", "content": "Oak Foods"}]
        encoded = small.apply_chat_template(turns, return_assistant_tokens_mask=True, return_dict=True)
        ours = [(token, learned) for text, learned in document.parts for token in small(text)["input_ids"]]
        assert encoded["input_ids"] == [token for token, _ in ours]
        assert [bool(mask) for mask in encoded["assistant_masks"]] == [learned for _, learned in ours]


def test_a_name_has_the_same_tokens_in_text_and_in_quotes(small):
    """Copying a capitalised name into JSON is copying its tokens."""
    name = small("Zorbatech Larkmoor", add_special_tokens=False)["input_ids"]
    for text in ("at Zorbatech Larkmoor", '{"maker": "Zorbatech Larkmoor"}'):
        ids = small(text, add_special_tokens=False)["input_ids"]
        assert any(ids[start : start + len(name)] == name for start in range(len(ids)))


def test_the_tokenizer_keeps_pad_and_end_apart_and_loses_nothing(small):
    """Pad is not the end token, and any text comes back unchanged."""
    assert small.pad_token_id != small.eos_token_id
    text = 'Łódź  "x"\n\t12½ ~ {"a": [1, null]} 漢字'
    assert small.decode(small(text, add_special_tokens=False)["input_ids"]) == text


def test_the_slice_file_has_the_row_format_of_mmlu():
    """Subject, question, four choices and an index from 0 to 3 in every row."""
    rows = list(csv.DictReader(io.StringIO((ROOT / SHIPPED[0]).read_text(encoding="utf-8"))))
    assert list(rows[0]) == ["subject", "question", "choice0", "choice1", "choice2", "choice3", "answer"]
    assert {row["answer"] for row in rows} == {"0", "1", "2", "3"}
    assert all(row[column] for row in rows for column in rows[0])
