"""Training rows: three forms, and a message with file, line and key for every fault."""

import json

import pytest

from harness.errors import BadExamples
from trainers.rows import TrainRow, mix, read_rows


def write(folder, *lines):
    """A file of these lines."""
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"input": "Hi", "output": "Ho", "tags": ["easy"]},
        {"prompt": "Hi", "completion": "Ho"},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
    ],
    ids=["input", "prompt", "messages"],
)
def test_the_three_forms_are_the_same_conversation(tmp_path, row):
    """Whichever form the file has, the turns are those that a suite would send."""
    path = write(tmp_path, json.dumps(row))
    system = {"role": "system", "content": "Be short."}
    assert read_rows(path, system="Be short.") == (
        TrainRow(prompt=(system, {"role": "user", "content": "Hi"}), answer="Ho", source=f"{path}:1"),
    )


def test_a_row_with_its_own_system_turn_keeps_it(tmp_path):
    """The configured system text is a default, not a second system turn."""
    turns = [{"role": role, "content": role} for role in ("system", "user", "assistant")]
    (row,) = read_rows(write(tmp_path, json.dumps({"messages": turns})), system="Other.")
    assert [turn["content"] for turn in row.prompt] == ["system", "user"]


def test_an_output_that_is_not_text_is_written_as_json_on_one_line(tmp_path):
    """Letters stay letters and keys keep their order, so that answers cost few tokens."""
    (row,) = read_rows(write(tmp_path, '{"input": "?", "output": {"b": "Ü", "a": [1, null, true]}}'))
    assert row.answer == '{"b": "Ü", "a": [1, null, true]}'


def test_line_separators_inside_a_text_do_not_end_a_row(tmp_path):
    """Only a line feed ends a row: U+2028 and U+0085 may stand inside JSON strings."""
    (row,) = read_rows(write(tmp_path, '{"input": "a\u2028b\x85c", "output": "d"}'))
    assert row.prompt[0]["content"] == "a\u2028b\x85c"


GOOD = '{"input": "a", "output": "b"}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "not a JSON object"),
        ("[1]", "a list instead of a JSON object"),
        ('{"input": "a"}', "keys input; expected input and output"),
        ('{"input": "a", "output": "b", "text": "c"}', "keys input, output, text; expected"),
        ('{"input": 3, "output": "b"}', "key 'input': a int instead of text"),
        ('{"input": "a", "output": NaN}', "key 'output': not JSON"),
        ('{"input": "a", "output": ""}', "the answer is empty"),
        ('{"prompt": "a", "completion": null}', "key 'completion': a NoneType instead of text"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "key 'messages': expected a list of at least two"),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}', "ends with the user"),
        ('{"messages": [{"role": "bot", "content": "a"}, {}]}', r"key 'messages\[0\]': role 'bot'"),
        ('{"messages": [{"role": "user"}, {}]}', r"key 'messages\[0\]': expected an object with exactly"),
    ],
)
def test_a_malformed_row_is_named_by_file_line_and_key(tmp_path, line, said):
    """No row is skipped: training on fewer rows than the file holds is training on something else."""
    path = write(tmp_path, GOOD, line, GOOD)
    with pytest.raises(BadExamples, match=said) as caught:
        read_rows(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_an_empty_file_a_missing_file_and_another_encoding_are_refused(tmp_path):
    """Nothing to train on is an error, not a quick success."""
    with pytest.raises(BadExamples, match="holds no rows"):
        read_rows(write(tmp_path))
    with pytest.raises(BadExamples, match="cannot be read"):
        read_rows(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes('{"input": "ü"}'.encode("latin-1"))
    with pytest.raises(BadExamples, match="not UTF-8 at byte 11"):
        read_rows(tmp_path / "latin.jsonl")


def rows_of(count, name):
    """Rows that differ in their answers only."""
    return [TrainRow(prompt=(), answer=f"{name}{number}", source="") for number in range(count)]


def test_replayed_rows_are_the_asked_share_drawn_once_and_the_same_each_time():
    """85 rows with a fraction of .15 get 15 general rows, none of them twice."""
    own, general = rows_of(85, "own"), rows_of(40, "general")
    mixed = mix(own, general, fraction=0.15, seed=3)
    replayed = {row.answer for row in mixed[85:]}
    assert mixed[:85] == tuple(own)
    assert len(mixed) == 100
    assert len(replayed) == 15
    assert mix(own, general, fraction=0.15, seed=3) == mixed
    assert mix(own, general, fraction=0.15, seed=4) != mixed


def test_too_few_general_rows_are_an_error():
    """A mix with less rehearsal than was asked is not made."""
    with pytest.raises(BadExamples, match=r"holds 14 rows, .* needs 15"):
        mix(rows_of(85, "own"), rows_of(14, "general"), fraction=0.15, seed=0)
