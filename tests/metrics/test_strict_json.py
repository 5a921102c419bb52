"""The strict parser."""

import itertools
import json
import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.strict_json import MAX_BYTES, MAX_DEPTH, InvalidJson, parse_strict

VALID = [
    ("{}", {}),
    ("[]", []),
    ('{"a": 1}', {"a": 1}),
    (' \t\r\n{"a": [true, false, null]}\n', {"a": [True, False, None]}),
    ('"text"', "text"),
    ('""', ""),
    ("0", 0),
    ("-0", 0),
    ("-1.5e3", -1500.0),
    ("1E+2", 100.0),
    ("null", None),
    ('"\\u00e9 \\ud83d\\ude00 \\n"', "é 😀 \n"),
    ('"é 😀 \u2028"', "é 😀 \u2028"),
    ('"\x7f"', "\x7f"),
    ('{"": 0}', {"": 0}),
    ('{"a": {"a": 1}}', {"a": {"a": 1}}),
    ("123456789012345678901234567890", 123456789012345678901234567890),
    ("5e-324", 5e-324),
    ("1e-400", 0.0),
    ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
    ('"[[[[{{{{"', "[[[[{{{{"),
    ('"' + "[" * 100 + '"', "[" * 100),
    ('["\\"[", "\\\\"]', ['"[', "\\"]),
]

INVALID = [
    ("", "empty"),
    (" \n\t", "empty"),
    ("\ufeff{}", "byte_order_mark"),
    ('```json\n{"a": 1}\n```', "code_fence"),
    ("```\n{}\n```", "code_fence"),
    ('Here is the JSON: {"a": 1}', "not_json"),
    ('{"a": 1} I hope this helps!', "trailing_text"),
    ('{"a": 1}\n```', "trailing_text"),
    ('{"a": 1}{"a": 1}', "trailing_text"),
    ('{"a": 1},', "trailing_text"),
    ("{}\x00", "trailing_text"),
    ("{}\u00a0", "trailing_text"),
    ("\u00a0{}", "not_json"),
    ("\x0b{}", "not_json"),
    ('{"a": 1,}', "not_json"),
    ("[1, 2,]", "not_json"),
    ("[1 2]", "not_json"),
    ("{'a': 1}", "not_json"),
    ("{a: 1}", "not_json"),
    ('{"a": 1 // why\n}', "not_json"),
    ('{"a": /* why */ 1}', "not_json"),
    ('{"a"}', "not_json"),
    ('{"a": }', "not_json"),
    ('{1: "a"}', "not_json"),
    ('{"a": 1', "not_json"),
    ('{"a": "unfinished', "not_json"),
    ('{"a": "b\\', "not_json"),
    ("[", "not_json"),
    ("]", "not_json"),
    ("True", "not_json"),
    ("None", "not_json"),
    ("undefined", "not_json"),
    ("nul", "not_json"),
    ("NaN", "not_a_number"),
    ('{"a": NaN}', "not_a_number"),
    ("Infinity", "not_a_number"),
    ("[-Infinity]", "not_a_number"),
    ("1e400", "number_out_of_range"),
    ("-1e400", "number_out_of_range"),
    ("9" * 400, "number_out_of_range"),
    ("9" * 5000, "number_out_of_range"),
    ('{"a": 1, "a": 1}', "duplicate_key"),
    ('{"ok": false, "ok": true}', "duplicate_key"),
    ('{"a": 1, "\\u0061": 2}', "duplicate_key"),
    ('[{"x": {"a": 1, "a": 2}}]', "duplicate_key"),
    ("01", "trailing_text"),
    ("1.", "trailing_text"),
    (".5", "not_json"),
    ("+1", "not_json"),
    ("0x1F", "trailing_text"),
    ("1_000", "trailing_text"),
    ("1,5", "trailing_text"),
    ("-", "not_json"),
    ("\u0661\u0662", "not_json"),  # Arabic-Indic digits, which int() takes
    ("\uff11", "not_json"),  # fullwidth digit one
    ("1\u0662", "trailing_text"),
    ('"\\ud800"', "lone_surrogate"),
    ('{"\\udfff": 1}', "lone_surrogate"),
    ('"\ud800"', "lone_surrogate"),
    ('"\\ude00\\ud83d"', "lone_surrogate"),
    ('"a\nb"', "control_character"),
    ('"a\tb"', "control_character"),
    ('{"a\x00": 1}', "control_character"),
    ('"\\x41"', "not_json"),
    ('"\\u12"', "not_json"),
    ("\u201ca\u201d", "not_json"),
    ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "too_deep"),
    ("[" * 100_000, "too_deep"),
    ('{"a":' * 100_000, "too_deep"),
    ('"' + "a" * MAX_BYTES + '"', "too_large"),
    ('"' + "é" * (MAX_BYTES // 2) + '"', "too_large"),
]

PINNED = [
    # RFC 8259 lets a parser choose here; what ours chooses is pinned, so that no release of Python changes a score
    ("\ufeff{}", "byte_order_mark"),
    ('{"a": 1, "a": 2}', "duplicate_key"),
    ('{"a": 1, "a": 1}', "duplicate_key"),
    ("1e400", "number_out_of_range"),
    ("-1e9999", "number_out_of_range"),
    ("1e-9999", 0.0),
    ("-1e-9999", -0.0),
    ("0.1e1", 1.0),
    ("123123e100000", "number_out_of_range"),
    ("100000000000000000000", 10**20),
    ("-237462374673276894279832749832423479823246327846", -237462374673276894279832749832423479823246327846),
    ("0.00000000000000000000000000000000000000000000000000000000000000000000000000000000000001", 1e-86),
    ("0." + "3" * 400, 1 / 3),
    ('"\\ud800"', "lone_surrogate"),
    ('"\\ud800\\u0041"', "lone_surrogate"),
    ('"\\udc00\\ud800"', "lone_surrogate"),
    ('"\\ud83d\\ud83d\\ude00"', "lone_surrogate"),
    ('"\\ufffe\\uffff"', "\ufffe\uffff"),
    ('"\\u0000"', "\x00"),
    ('"\ufffd"', "\ufffd"),
    ('"\u0085\u2028\u2029"', "\u0085\u2028\u2029"),
    ('"\U0010ffff"', "\U0010ffff"),
    ("[" * 500 + "]" * 500, "too_deep"),
    ('{"":{"":{"":0}}}', {"": {"": {"": 0}}}),
    ('{"\u212a": 1, "K": 2}', {"\u212a": 1, "K": 2}),
    ('{"e\u0301": 1, "\u00e9": 2}', {"e\u0301": 1, "\u00e9": 2}),
]

TOKENS = ["{", "}", "[", "]", ",", ":", '"a"', "1", "-", "true", "null", "NaN", ".5", "1.", "'a'", "//", "\n", "\x00"]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab\u00e9"\\', max_size=3), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
any_settings = settings(deadline=None, database=None, max_examples=300)


@pytest.mark.parametrize(("text", "value"), VALID, ids=range(len(VALID)))
def test_json_is_parsed(text, value):
    """What RFC 8259 and any two parsers agree on is taken as it is."""
    parsed = parse_strict(text)
    if value is not None or text == "null":
        assert parsed == value
        assert type(parsed) is type(value)


@pytest.mark.parametrize(("text", "reason"), INVALID, ids=range(len(INVALID)))
def test_anything_else_is_refused_with_its_reason(text, reason):
    """Fences, prose, repairs, doubtful numbers and hostile structure each have a reason code."""
    with pytest.raises(InvalidJson) as refused:
        parse_strict(text)
    assert refused.value.reason_code == reason


@pytest.mark.parametrize(("text", "expected"), PINNED, ids=range(len(PINNED)))
def test_where_parsers_may_differ_ours_is_pinned(text, expected):
    """A value is taken as it is, a string of the expected kind names the reason of a refusal."""
    try:
        found = parse_strict(text)
    except InvalidJson as error:
        found = error.reason_code
    assert found == expected
    assert repr(found) == repr(expected)  # 1 is not 1.0, and 0.0 not -0.0


def outcome(parse, text):
    """The value, as Python would write it; `no JSON`; or the reason for which ours alone refuses."""
    try:
        return repr(parse(text))
    except InvalidJson as error:
        return error.reason_code if error.reason_code == "not_a_number" else "no JSON"
    except ValueError:
        return "no JSON"


def test_every_short_row_of_tokens_is_judged_as_the_grammar_says():
    """All 6,174 rows of one to three tokens: ours accepts what Python accepts, less what is listed as stricter."""
    rows = [row for length in (1, 2, 3) for row in itertools.product(TOKENS, repeat=length)]
    assert len(rows) == 18 + 18**2 + 18**3
    for row in rows:
        text = "".join(row)
        lenient, strict = outcome(json.loads, text), outcome(parse_strict, text)
        assert strict in (lenient, "not_a_number"), text


@any_settings
@given(values)
def test_what_is_written_is_read_back(value):
    """Any JSON value survives being written and read."""
    assert parse_strict(json.dumps(value)) == value
    assert parse_strict(json.dumps(value, ensure_ascii=False, indent=1)) == value


@any_settings
@given(st.text() | st.text('{}[]",:\\ntrue0.eE-+ \ud800\ufeffNaIfiy', max_size=40))
def test_no_text_breaks_it(text):
    """Any text gives a value that can be written as strict JSON again, or InvalidJson; never another exception."""
    try:
        value = parse_strict(text)
    except InvalidJson:
        return
    written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    written.encode()  # no lone surrogate came through
    assert parse_strict(written) == value


@any_settings
@given(values.map(json.dumps), st.data())
def test_no_damaged_json_breaks_it(text, data):
    """Cut anywhere or with a character replaced, the same holds."""
    at = data.draw(st.integers(0, len(text)))
    for damaged in (text[:at], text[:at] + data.draw(st.characters()) + text[at + 1 :]):
        with suppress(InvalidJson):
            assert parse_strict(damaged) == json.loads(damaged)


def test_numbers_keep_their_kind():
    """Integers stay exact integers, fractions and exponents are finite doubles."""
    assert parse_strict("[1, 1.0, 1e2]") == [1, 1.0, 100.0]
    assert [type(number) for number in parse_strict("[1, 1.0, 1e2]")] == [int, float, float]
    assert math.isfinite(parse_strict("1.7976931348623157e308"))
