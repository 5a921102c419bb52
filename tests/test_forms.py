"""The forms of training rows: each becomes the same conversation, and each fault is named by line and key."""

import json

import pytest

from harness.errors import BadExamples
from harness.forms import row_of
from trainers.rows import read_rows
from trainers.sections import Hub

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Why?"}
SHARED_SYSTEM = {"from": "system", "value": "Be brief."}
SHARED_USER = {"from": "human", "value": "Why?"}
ANSWER = {"role": "assistant", "content": "So."}


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        ({"input": "Why?", "output": "So."}, [USER]),
        ({"prompt": "Why?", "completion": "So."}, [USER]),
        ({"prompt": [SYSTEM, USER], "completion": [ANSWER]}, [SYSTEM, USER]),
        ({"messages": [SYSTEM, USER, ANSWER], "id": "x"}, [SYSTEM, USER]),
        (
            {"conversations": [SHARED_SYSTEM, SHARED_USER, {"from": "gpt", "value": "So.", "weight": 1}]},
            [SYSTEM, USER],
        ),
        ({"instruction": "Why?", "output": "So."}, [USER]),
        ({"instruction": "Why?", "input": "", "output": "So."}, [USER]),
        ({"instruction": "Why?", "input": "The sky.", "output": "So."}, [{**USER, "content": "Why?\n\nThe sky."}]),
    ],
    ids=["suite", "completion", "turns", "messages", "sharegpt", "alpaca", "alpaca-empty", "alpaca-input"],
)
def test_each_form_is_read_as_the_conversation_it_means(value, prompt):
    """What is read and what is learned do not depend on how a row was written."""
    row = row_of(value, "f:1")
    assert (list(row.prompt), row.answer, row.rejected) == (prompt, "So.", None)


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
        {"input": "Why?", "chosen": "So.", "rejected": "No."},
        {"prompt": [USER], "chosen": [ANSWER], "rejected": [{**ANSWER, "content": "No."}]},
    ],
)
def test_preferences_have_a_rejected_answer(value):
    """The chosen answer is learned; the rejected one stands beside it."""
    row = row_of(value, "f:1")
    assert (list(row.prompt), row.answer, row.rejected) == ([USER], "So.", "No.")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"instruction": 3, "output": "b"}, "key 'instruction': a int instead of text"),
        ({"instruction": "a", "input": 4, "output": "b"}, "key 'input': a int instead of text"),
        ({"instruction": "a"}, "keys instruction; expected"),
        ({"conversations": "a"}, "key 'conversations': a str instead of a list"),
        ({"conversations": [{"from": "bot", "value": "a"}]}, r"key 'conversations\[0\]': from 'bot'; expected one of"),
        (
            {"conversations": [{"from": "human"}]},
            r"key 'conversations\[0\]': expected an object with the keys from and",
        ),
        ({"conversations": [{"from": "human", "value": 3}]}, r"key 'conversations\[0\]': a int instead of text"),
        ({"conversations": [{"from": "gpt", "value": "a"}]}, "key 'conversations': expected a list of at least two"),
        ({"prompt": [USER], "completion": [USER]}, "key 'completion': an answer must come last"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "'chosen' and 'rejected' are the same answer"),
        ({"prompt": "a", "chosen": "b", "rejected": ""}, "the answer is empty"),
        ({"prompt": "a", "chosen": "b"}, "keys chosen, prompt; expected"),
    ],
)
def test_a_fault_is_named_by_place_and_key(value, said):
    """The message starts with the row's place and says which key is wrong."""
    with pytest.raises(BadExamples, match=said) as caught:
        row_of(value, "rows.jsonl:7")
    assert str(caught.value).startswith("rows.jsonl:7: ")


def test_a_json_list_is_read_with_the_line_of_each_row(tmp_path):
    """Alpaca's own file is one list; a fault in it is still found by its line."""
    path = tmp_path / "alpaca.json"
    rows = [{"instruction": "a, [b]", "output": "1"}, {"instruction": "c", "output": "2"}, {"instruction": "d"}]
    path.write_text(json.dumps(rows[:2], indent=1))
    assert [row.source for row in read_rows(path)] == [f"{path}:2", f"{path}:6"]
    path.write_text(json.dumps(rows, indent=1))
    with pytest.raises(BadExamples, match="keys instruction; expected") as caught:
        read_rows(path)
    assert str(caught.value).startswith(f"{path}:10: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "holds no rows"), ("{}", "not a JSON list"), ('[\n{"a": 1},\n{"b" 2}]', ":3: not JSON"), ("", "not JSON")],
)
def test_a_json_file_without_a_good_list_is_refused(tmp_path, text, said):
    """Nothing is skipped, and the line of a broken list is given."""
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(BadExamples, match=said):
        read_rows(path)


def test_rows_of_the_hub_are_read_by_name_and_number(monkeypatch):
    """Columns that a row leaves empty are not keys of it; a fault names data set, split and row."""
    import datasets

    table = [
        {"instruction": "a", "input": None, "output": "1"},
        {"instruction": None, "input": None, "output": "2"},
    ]
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **named: asked.append((args, named)) or table)
    with pytest.raises(BadExamples, match=r"org/rows:dev\[1\]: keys output; expected"):
        read_rows(Hub(hub="org/rows", split="dev", subset="en", revision="abc"))
    assert asked == [(("org/rows", "en"), {"split": "dev", "revision": "abc"})]


def test_a_data_set_that_is_not_to_be_had_is_said(monkeypatch):
    """One line, with what to check."""
    import datasets

    def missing(*_args, **_named):
        raise datasets.exceptions.DatasetNotFoundError("no such thing\nmore")

    monkeypatch.setattr(datasets, "load_dataset", missing)
    with pytest.raises(BadExamples, match=r"org/none: cannot be had from the Hub \(no such thing\); check"):
        read_rows(Hub(hub="org/none"))
