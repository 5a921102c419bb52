"""Data files: read whole, checked row by row, refused with file and line."""

import json
import random

import pytest

from harness.datasets import FileSource, nested_slice
from harness.errors import BadExamples
from harness.types import Example

GOOD = '{"input": "a", "output": "b"}'


def read(path, content, form="jsonl"):
    """Write `content` to a file and read it as examples."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return FileSource(path, form).read()


def test_rows_become_examples(tmp_path):
    """Input, output, tags, id and cluster are taken over; without id the row's hash is the id and the cluster."""
    rows = [
        {"input": "x", "output": {"k": None}, "tags": ["easy"]},
        {"input": "y", "output": "t", "id": "7", "cluster": "c"},
    ]
    first, second = read(tmp_path / "d.jsonl", "\n".join(json.dumps(row) for row in rows) + "\n")
    assert (first.input, first.target, first.tags, first.cluster) == ("x", {"k": None}, ("easy",), first.id)
    assert len(first.id) == 16
    assert second == Example("7", "y", "t", (), "c")


def test_ids_do_not_depend_on_place_or_key_order(tmp_path):
    """Shuffled rows and keys keep their ids."""
    one = read(tmp_path / "d.jsonl", '{"input": "x", "output": 1}\n{"input": "y", "output": 2}')
    two = read(tmp_path / "e.jsonl", '{"output": 2, "input": "y"}\n{"output": 1, "input": "x"}')
    assert {example.id for example in one} == {example.id for example in two}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"d\.jsonl:1: holds no examples"),
        ("\n", r"d\.jsonl:1: blank line"),
        (f"{GOOD}\n\n", r":2: blank line"),
        (f"{GOOD}\n \t\n{GOOD}", r":2: blank line"),
        (f"\ufeff{GOOD}", r":1: starts with a byte order mark"),
        (b'{"input": "\xff", "output": 1}', "not UTF-8 at byte 11"),
        (f"{GOOD}\n{GOOD[:-1]}", r":2: not JSON"),
        (f"{GOOD}{GOOD}", r":1: not JSON"),
        ('{"input": "a", "output": NaN}', r":1: not JSON \(NaN"),
        ('{"input": "a", "output": -Infinity}', r":1: not JSON"),
        ('{"input": "a", "output": 1e999}', r":1: not JSON \(1e999"),
        ('{"input": "a", "input": "b", "output": 1}', r":1: not JSON \(a key is given twice"),
        ('{"input": "a", "output": {"k": 1, "k": 2}}', r":1: not JSON \(a key is given twice"),
        ("[" * 100_000, r":1: not JSON"),
        ('["a", "b"]', r":1: is a list"),
        ("7", r":1: is a int"),
        ('{"output": "b"}', r":1: 'input' must be a text"),
        ('{"input": " ", "output": "b"}', r":1: 'input' must be a text"),
        ('{"input": 7, "output": "b"}', r":1: 'input' must be a text"),
        ('{"input": "a"}', r":1: 'output' is missing"),
        ('{"input": "a", "output": null}', r":1: 'output' is missing"),
        ('{"input": "a", "outptu": "b"}', r":1: unknown key 'outptu'; did you mean 'output'\?"),
        ('{"input": "a", "output": "b", "weight": 2}', r":1: unknown key 'weight'; known: input"),
        ('{"input": "a", "output": "b", "tags": "easy"}', r":1: 'tags' must be a list"),
        ('{"input": "a", "output": "b", "tags": [1]}', r":1: 'tags' must be a list"),
        ('{"input": "a", "output": "b", "id": 7}', r":1: 'id' must be a text"),
        ('{"input": "a", "output": "b", "cluster": ""}', r":1: 'cluster' must be a text"),
        ('{"input": "\\ud800", "output": "b"}', r":1: holds half of a surrogate pair"),
        (f"{GOOD}\n{GOOD}", r":2: same id as line 1"),
        (f'{GOOD}\n{{"input": "ａ  ", "output": "c"}}', r":2: same input as line 1"),
        ('{"input": "a", "output": 1, "id": "x"}\n{"input": "b", "output": 1, "id": "x"}', r":2: same id as line 1"),
    ],
)
def test_bad_file_is_refused_with_its_line(tmp_path, content, message):
    """Not one malformed, repeated or missing row is tolerated, and the message starts with file:line."""
    with pytest.raises(BadExamples, match=message):
        read(tmp_path / "d.jsonl", content)


def test_missing_file_names_its_path(tmp_path):
    """A wrong path is said as it was resolved."""
    with pytest.raises(BadExamples, match=r"nowhere\.jsonl: cannot be read"):
        FileSource(tmp_path / "nowhere.jsonl", "jsonl").read()


def test_csv_rows(tmp_path):
    """CSV cells are texts, quotes and line breaks included; tags are split at semicolons."""
    (example,) = read(tmp_path / "d.csv", 'input,output,tags\n"a, ""b""\nc",1,x;y\n', "csv")
    assert (example.input, example.target, example.tags) == ('a, "b"\nc', "1", ("x", "y"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no examples"),
        ("input,output\n", "holds no examples"),
        ("input,output\na\n", ":2: 1 cells, the header has 2"),
        ("question,output\na,b\n", ":2: unknown key 'question'"),
        ('input,output\n"a"b,c\n', ":2: not CSV"),
    ],
)
def test_bad_csv_is_refused_with_its_line(tmp_path, content, message):
    """CSV is held to the same rules."""
    with pytest.raises(BadExamples, match=message):
        read(tmp_path / "d.csv", content, "csv")


def population(counts):
    """Examples in strata of these sizes, shuffled."""
    examples = [Example(f"{tag}{i}", f"{tag}{i}", "", (tag,)) for tag, count in counts.items() for i in range(count)]
    random.Random(0).shuffle(examples)
    return examples


def test_slices_are_nested_and_in_order():
    """Each slice holds every smaller one, and keeps the order of the data."""
    examples = population({"a": 30, "b": 50, "c": 20})
    smaller = set()
    for limit in range(1, 101):
        chosen = nested_slice(examples, limit)
        assert len(chosen) == limit
        assert smaller <= set(chosen)
        assert list(chosen) == [example for example in examples if example in set(chosen)]
        smaller = set(chosen)


@pytest.mark.parametrize("limit", [10, 33, 50, 90])
def test_slices_keep_the_proportions(limit):
    """Every stratum is within one row of its share."""
    counts = {"a": 30, "b": 50, "c": 20}
    chosen = nested_slice(population(counts), limit)
    for tag, count in counts.items():
        assert abs(sum(example.tags == (tag,) for example in chosen) - count * limit / 100) <= 1


def test_slice_does_not_depend_on_the_order_of_the_data():
    """The same rows are chosen from a shuffled file."""
    examples = population({"a": 30, "b": 50})
    assert set(nested_slice(examples, 20)) == set(nested_slice(examples[::-1], 20))


@pytest.mark.parametrize("limit", [None, 80, 1000])
def test_no_limit_takes_everything(limit):
    """None and limits beyond the data change nothing."""
    examples = population({"a": 30, "b": 50})
    assert nested_slice(examples, limit) == tuple(examples)
