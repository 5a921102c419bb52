"""The parts of the script that work things out, called by themselves: differences, hidden characters, quoted words."""

import subprocess
from importlib.resources import files

import pytest

from reports.texts import visible

pytestmark = pytest.mark.browser


@pytest.fixture
def blank(chromium):
    """An empty page."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def source(*names):
    """The text of files of the script, to call what is in them."""
    return "\n".join(files("reports.browser").joinpath(f"{name}.js").read_text() for name in names)


@pytest.mark.parametrize(
    ("reference", "base", "candidate", "wanted"),
    [
        ('{"a": 1.0}', '{"a": 1}', '{"a": 1.00}', [["/a", "1.0", "1", "1.00"]]),
        ('{"a": [1, {"b/c": "x"}]}', '{"a": []}', '{"a": 123456789012345678901}', None),
        ('{"n": null}', '{"n": false}', '{"m": ""}', [["/n", "null", "false", None], ["/m", None, None, '""']]),
        ("[1]", '{"a": 1}', '{"a": 1}', []),
        ('{"a": 1', '{"a": 1}', '{"a": 1}', []),
    ],
)
def test_fields_keep_what_was_written(blank, reference, base, candidate, wanted):
    """Numbers keep their digits, pointers escape, what is absent is null, and what is no object gives no fields."""
    wanted = (
        wanted
        if wanted is not None
        else [
            ["/a/0", "1", None, None],
            ["/a/1/b~1c", '"x"', None, None],
            ["/a", None, "[]", "123456789012345678901"],
        ]
    )
    assert (
        blank.evaluate(
            f"([a, b, c]) => {{ {source('differences')}; return fieldDiff(a, b, c) }}", [reference, base, candidate]
        )
        == wanted
    )


def test_word_differences_lose_nothing(blank):
    """Stretches join to both texts, equal texts have no change, and endless ones are one change."""
    call = f"([old, fresh]) => {{ {source('differences')}; return wordDiff(old, fresh) }}"
    texts = ["", "same words", "a b c d", "a x c d e", "żółw 漢字 🙂 end", "żółw 漢 🙂", "x " * 3000, "y " * 3000 + "z"]
    for old in texts:
        for fresh in texts:
            sides = blank.evaluate(call, [old, fresh])
            assert ["".join(words for words, _ in side) for side in sides] == [old, fresh]
            assert any(changed for side in sides for _, changed in side) == (old != fresh)
    assert blank.evaluate(call, ["a b c d", "a x c d e"]) == [
        [["a ", False], ["b", True], [" c d", False]],
        [["a ", False], ["x", True], [" c d", False], [" e", True]],
    ]


def test_hidden_characters_are_shown_as_elsewhere(blank):
    """The script's `visible` gives for every code point what Python's gives, so that both halves of a page agree."""
    codes = [*range(0x3400), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10010), *range(0xDFFF0, 0xE1010)]
    call = f"(codes) => {{ {source('text')}; return codes.map((code) => visible(String.fromCodePoint(code))) }}"
    shown = blank.evaluate(call, codes)
    assert [code for code, text in zip(codes, shown, strict=True) if text != visible(chr(code))] == []


def test_words_of_a_command_are_quoted(blank):
    """Whatever an id holds, the shell reads it back as it was, and no terminal obeys it."""
    words = ["plain", "two words", "it's", "$(touch x)", "`x`", "a\nb", "\x1b[31m", "漢'\"\\", "--flag", "!$*?", ""]
    call = f"(words) => {{ {source('address')}; return words.map(quoted) }}"
    for word, quoted in zip(words, blank.evaluate(call, words), strict=True):
        assert not set(quoted) & {"\x1b", "\n"}
        done = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, text=True, check=True)
        assert done.stdout == word


@pytest.mark.parametrize(
    ("html", "key"),
    [
        ("−0.8", -0.8),
        ("▲ +39.8", "▲ +39.8"),
        ('<span aria-hidden="true">▲</span> +39.8<span class="metric">+30 to +40</span>', 39.8),
        ("1,234", 1234),
        ("12.5%", 12.5),
        ("3 min 05 s", 185),
        ("2 h 10 min", 7800),
        ("12.4 MB", 12.4e6),
        ("–", None),
        ("not measured", None),
        ("2nd", "2nd"),
    ],
)
def test_a_figure_is_read_as_written(blank, html, key):
    """Signs, thousands, shares, durations and sizes sort by what they are worth."""
    source = files("reports.browser").joinpath("comforts.js").read_text().split("/** Commands can")[0]
    cell = "const cell = document.createElement('td'); cell.innerHTML = html; return sortKey(cell);"
    assert blank.evaluate(f"(html) => {{ {source}; {cell} }}", html) == key
