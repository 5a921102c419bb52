"""The parts of an audit one by one: signatures, lengths, labels, limits, difficulty."""

import json
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
from datasketch import MinHash

from harness.audit import Asked, Request, audit, parse_limits
from harness.audit.difficulty import difficulty
from harness.audit.duplicates import conflicts, near_duplicates
from harness.audit.findings import Finding, broken, rows_by_kind
from harness.audit.held_out import held_out
from harness.audit.labels import fields, imbalance
from harness.audit.lengths import drift, summary, token_lengths
from harness.audit.rows import Row, read_rows
from harness.audit.side import Side
from harness.audit.signatures import bands as bands_of
from harness.audit.signatures import clusters, jaccard, pairs, signatures
from harness.audit.templates import parity
from harness.audit.texts import Vocabulary, WordRuns, normalised, shingles
from harness.chat import load_tokenizer, render
from harness.errors import UsageProblem
from tests.audit.made import SYSTEM, answers, postings, write_rows
from tests.playground import FakeBackend


def rows_of(*pairs):
    """Rows of question and answer."""
    return [Row(n, ({"role": "user", "content": q},), a, a) for n, (q, a) in enumerate(pairs, start=1)]


def test_signatures_are_those_of_datasketch():
    """Worked out for many texts at once, they equal what the library computes one by one."""
    pieces = shingles(["a", "several words here", "and some more, to be sure", "ß" * 300])
    for piece, signed in zip(pieces, signatures(pieces), strict=True):
        theirs = MinHash(num_perm=128, hashfunc=int)
        theirs.update_batch(piece.tolist())
        assert (theirs.hashvalues == signed).all()


def test_similar_texts_share_a_cluster_and_others_do_not():
    """Of pairs at known similarity: above .9 nearly all are found; below .7, where many share a band, none."""
    rng = random.Random(5)
    words = [f"word{n}" for n in range(400)]
    texts, near = [], 0
    for _ in range(60):
        own = rng.sample(words, 30)
        texts += [" ".join(own), " ".join([*own[:29], "other"]), " ".join([*own[:20], *rng.sample(words, 10)])]
    pieces = shingles(texts)
    leader = clusters(signatures(pieces))
    for at in range(0, len(texts), 3):
        assert jaccard(pieces[at], pieces[at + 1]) > 0.9
        near += leader[at] == leader[at + 1]
        assert jaccard(pieces[at], pieces[at + 2]) < 0.7
        assert leader[at] != leader[at + 2]
    assert near >= 58
    left, right = signatures(pieces[::3]), signatures(pieces[1::3])
    found = {tuple(pair) for pair in pairs(left, right, bands_of(right)).tolist()}
    assert len({(n, n) for n in range(60)} & found) >= 58


def test_a_bucket_of_thousands_is_worked_through():
    """Templated rows that differ in one number are one cluster, without comparing all pairs."""
    texts = [f"we are hiring a person of many talents for the office in the centre, reference {n}" for n in range(4000)]
    assert len(set(clusters(signatures(shingles(texts))).tolist())) < 40


def test_runs_of_words_stay_within_their_text():
    """No run goes over from one text into the next."""
    runs = WordRuns.of(["a b c", "d e", "a b c"], Vocabulary())
    hashes, at = runs.runs(3)
    assert at.tolist() == [0, 5]
    assert hashes[0] == hashes[1]
    assert len(WordRuns.of([], Vocabulary()).runs(8)[0]) == 0


@pytest.mark.parametrize(
    ("text", "plain"), [(" Ａ\u00a0b\n", "a b"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("a\u200bb", "ab")]
)
def test_normalised_texts(text, plain):
    """Width, case, spaces and invisible characters do not count."""
    assert normalised(text) == plain


def test_effective_examples_count_clusters():
    """Ten rows of which eight are nearly one are three examples."""
    asked = "The very long question that they all ask with the same words again and again, number {}"
    rows = rows_of(*((asked.format(n), "the same answer") for n in range(8)), ("Why?", "So."), ("Who?", "They."))
    sides = (Side.of([row.question for row in rows]), Side.of([row.answer for row in rows]))
    found, distinct = near_duplicates(rows, *sides)
    assert (distinct.exact, distinct.effective, distinct.largest) == (10, 3, 8)
    assert [each.rows for each in found] == [tuple(range(1, 9))]


def test_preferences_with_one_question_do_not_contradict():
    """Several chosen answers to one question are how preferences come."""
    rows = [Row(n, ({"role": "user", "content": "Q"},), a, a, rejected="no") for n, a in enumerate("ab", start=1)]
    assert conflicts(rows) == []
    assert conflicts(rows_of(("Q", "a"), ("Q", "b"))) != []


@pytest.mark.parametrize("count", [40, 2400])
def test_token_lengths_are_those_of_the_rendered_rows(base, count):
    """Counted by rendering all rows, or some of many, every length is that of the rendered row."""
    rows, _ = read_rows_of(postings(count, seed=2))
    tokenizer = load_tokenizer(base)
    counted = token_lengths(rows, tokenizer, "tiny", system=SYSTEM)
    system = {"role": "system", "content": SYSTEM}
    for index in (0, 1, count // 2, count - 1):
        turns = [system, *rows[index].prompt, {"role": "assistant", "content": rows[index].answer}]
        assert counted.total[index] == len(render(tokenizer, turns, generation_prompt=False).token_ids)
        assert counted.answer[index] == len(rows[index].answer.encode())  # a token a byte
    assert (counted.rendered == count) == (count == 40)


def test_a_template_that_is_not_even_is_rendered_whole(base):
    """Where the template adds more to some rows than to others, no length is guessed."""
    tokenizer = load_tokenizer(base)
    tokenizer.chat_template = tokenizer.chat_template.replace("{% if add", "{{ messages[-1]['content'][:5] }}{% if add")
    rows, _ = read_rows_of([*answers(2500), {"input": "a", "output": "b"}])
    counted = token_lengths(rows, tokenizer, "tiny")
    assert counted.rendered in (len(rows), 64, 65)
    whole = [*rows[-1].prompt, {"role": "assistant", "content": rows[-1].answer}]
    if counted.rendered == len(rows):
        assert counted.total[-1] == len(render(tokenizer, whole, generation_prompt=False).token_ids)


def read_rows_of(values):
    """Rows of values, without a file."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        return read_rows(write_rows(Path(folder) / "rows.jsonl", values))


def test_percentiles_and_bins():
    """The median of 1 to 100 is 50.5, and every row is in one bin."""
    found = summary(np.arange(1, 101))
    assert (found.shortest, found.p50, found.p95, found.longest) == (1, 50.5, 95.05, 100)
    assert sum(found.bins) == 100
    assert summary(np.array([7])).bins == (1,)


def test_lengths_like_production_are_no_drift():
    """Two halves of one sample are alike; lengths of twice the size are not."""
    rng = np.random.default_rng(0)
    own, other = rng.normal(200, 30, 400), rng.normal(200, 30, 400)
    assert drift(own, other)[1] == []
    assert drift(own, 2 * other)[1][0].kind == "drift"


def test_fields_and_their_entropy():
    """Two values in equal parts are one bit; a field that is missing somewhere is counted where it is."""
    rows = [Row(n, (), "", {"a": n % 2 == 0, "b": None} if n < 8 else {"a": True}) for n in range(10)]
    one, two = fields(rows)
    assert (one.name, one.present, one.values) == ("a", 10, 2)
    assert one.entropy == pytest.approx(0.9710, abs=1e-4)  # 6 of 10 true
    assert (two.present, two.null) == (8, 8)


def test_a_balanced_class_is_no_finding():
    """Half and half is no imbalance, all but one row is."""
    even = fields([Row(n, (), "", {"a": n % 2}) for n in range(40)])
    odd = fields([Row(n, (), "", {"a": int(n == 7)}) for n in range(40)])
    assert imbalance(even, 40) == []
    assert [each.kind for each in imbalance(odd, 40)] == ["imbalance"]


def test_limits_are_counted_in_rows():
    """Copies beyond the first count, normalised duplicates do not decide, and a limit is a number of rows."""
    found = [Finding("duplicate", (1, 2, 3), "", "exact"), Finding("duplicate", (4, 5), "", "normalised")]
    assert rows_by_kind(found) == {"duplicate": 3}
    assert broken(found, parse_limits([])) == {"duplicate": (2, 0)}
    assert broken(found, parse_limits(["duplicate=2"])) == {}
    assert broken(found, parse_limits(["duplicate=off"])) == {}
    assert broken([Finding("outlier", (1,), "")], parse_limits(["outlier=0"])) == {"outlier": (1, 0)}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("duplicates=1", "did you mean 'duplicate'"),
        ("leak", "whole number"),
        ("leak=-1", "whole"),
        ("leak=1.5", "whole"),
    ],
)
def test_a_mistyped_limit_is_refused(word, said):
    """A limit that is ignored would be a green audit without a reason."""
    with pytest.raises(UsageProblem, match=said):
        parse_limits([word])


def test_difficulty_is_what_the_base_passes(tmp_path, suites):
    """Of rows 0 to 9 the base answers the first 6 rightly; tags are counted apart."""
    (tmp_path / "test_yes.py").write_text((suites / "test_short.py").read_text().replace("short", "yes"))
    values = [
        {"input": f"question {n}", "output": "yes", "tags": ["even", "odd"][n % 2 : n % 2 + 1]} for n in range(10)
    ]
    write_rows(tmp_path / "yes.jsonl", values)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "rule.json").write_text(json.dumps({"right": 6}))
    rows, _ = read_rows(tmp_path / "yes.jsonl")
    asked = Asked(str(tmp_path / "base"), tries=2)
    found = difficulty(rows, held_out(tmp_path), asked, FakeBackend(tmp_path / "calls.log"))
    assert (found.whole.rows, found.whole.easy, found.whole.hard, found.whole.mean) == (10, 0.6, 0.4, 0.6)
    assert {tag.name: tag.rows for tag in found.tags} == {"even": 5, "odd": 5}
    assert found.counts == (4, 0, 6)
    assert [number for number, rate in found.rates if rate == 0] == [7, 8, 9, 10]
    limited = difficulty(
        rows, held_out(tmp_path), Asked(asked.model, rows=4, tries=1), FakeBackend(tmp_path / "calls.log")
    )
    assert limited.whole.rows == 4


def test_difficulty_needs_a_suite_that_fits(tmp_path, suites):
    """Rows of another kind than any suite's are not measured by a metric that cannot judge them."""
    rows, _ = read_rows(write_rows(tmp_path / "rows.jsonl", [{"input": "a", "output": "b"}]))
    with pytest.raises(UsageProblem, match="no suite that generates answers fits these rows"):
        difficulty(rows, [each for each in held_out(suites) if each.name == "fields"], Asked(), FakeBackend())


def test_another_schema_is_another_audit(tmp_path, base):
    """The schema is part of what an audit says, so that a schema that was changed later is noticed."""
    data = write_rows(tmp_path / "rows.jsonl", postings(20))
    digests = set()
    for kind in ("object", ["object", "null"]):
        (tmp_path / "schema.json").write_text(json.dumps({"type": kind, "required": ["title"]}))
        digests.add(audit(Request(data, schema=tmp_path / "schema.json", model=str(base))).digest)
    assert len(digests) == 2


@dataclass(frozen=True)
class Louder:
    """Asks otherwise than training does, with the same system turn."""

    system: str

    def messages(self, example):
        """The question in capital letters."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": example.input.upper()}]


def test_a_suite_that_asks_otherwise_is_told(suites, base):
    """With the same system turn the same question must be the same tokens, or what is measured was not trained."""
    tokenizer, (held, *_) = load_tokenizer(base), held_out(suites / "test_fields.py")
    rows = [Row(1, ({"role": "user", "content": "Where is it?"},), "{}", {})]
    alike, found = parity(rows, [held], tokenizer, system=SYSTEM)
    assert (alike.suites, found) == ((held.name,), [])
    louder = replace(held, suite=replace(held.suite, render=Louder(SYSTEM)))
    _, (finding,) = parity(rows, [louder], tokenizer, system=SYSTEM)
    assert (finding.kind, finding.rows) == ("template", (1,))
    assert f"{held.name} renders another prompt for the same question" in finding.message
