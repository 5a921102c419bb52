"""Rows in every form and from every kind of file; faults are found one by one, and only a useless file is refused."""

import json

import pytest

from harness.audit.rows import label_of, read_rows
from harness.errors import BadExamples
from tests.audit.made import write_rows

USER, ANSWER = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}


@pytest.mark.parametrize(
    "value",
    [
        {"input": "Why?", "output": "So."},
        {"prompt": "Why?", "completion": "So."},
        {"messages": [USER, ANSWER]},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
        {"instruction": "Why?", "input": "", "output": "So."},
        {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
    ],
    ids=["suite", "completion", "messages", "sharegpt", "alpaca", "preference"],
)
def test_every_form_is_the_same_row(tmp_path, value):
    """What is audited does not depend on how a row was written."""
    (row,), findings = read_rows(write_rows(tmp_path / "rows.jsonl", [value | {"tags": ["a"], "cluster": "g"}]))
    assert (row.number, row.question, row.answer, row.tags, row.cluster) == (1, "Why?", "So.", ("a",), "g")
    assert findings == []


def test_lists_and_tables_are_read_too(tmp_path):
    """A JSON list and a CSV file hold the same rows as JSONL."""
    (tmp_path / "rows.json").write_text(json.dumps([{"input": "a", "output": "b"}, {"input": "c", "output": "d"}]))
    (tmp_path / "rows.csv").write_text('input,output,tags\na,b,x;y\n"c",d,\n')
    for name in ("rows.json", "rows.csv"):
        rows, findings = read_rows(tmp_path / name)
        assert [(row.number, row.question, row.answer) for row in rows] == [(1, "a", "b"), (2, "c", "d")]
        assert findings == []


def test_all_malformed_rows_are_named_and_the_others_read(tmp_path):
    """One look tells everything that is wrong, by line."""
    path = write_rows(
        tmp_path / "rows.jsonl", [{"input": "a", "output": "b"}, "", "{", '{"input": "c", "output": "d"}']
    )
    rows, findings = read_rows(path)
    assert [row.number for row in rows] == [1, 4]
    assert [(each.kind, each.rows) for each in findings] == [("malformed", (2,)), ("malformed", (3,))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "holds no training rows"),
        (b'{"input": "\xfc"}', "not UTF-8 at byte 11"),
        (b"title,company\n1,2\n", "holds no training rows; the first line: not JSON"),
        (b'{"text": "### Human: a ### Assistant: b"}\n', "keys text; expected input and output"),
    ],
)
def test_a_file_without_a_single_row_is_refused(tmp_path, content, said):
    """There is nothing to audit, and that is not clean."""
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadExamples, match=said) as caught:
        read_rows(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1] ", [1]),
        ('{"a": 1', '{"a": 1'),
        ("12", "12"),
        ("yes", "yes"),
        ('{"a":NaN}', '{"a":NaN}'),
    ],
)
def test_labels_are_objects_and_lists_where_answers_are(answer, label):
    """Numbers and words stay text; what is nearly JSON is text too."""
    assert label_of(answer) == label
