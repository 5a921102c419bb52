"""What others wrote is shown whole, visible and marked."""

import pytest

from reports.texts import anchor, clip, visible, word_diff


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext é 漢 🙂", "plain\n\ttext é 漢 🙂"),
        ("\x1b[31mred", "␛[31mred"),
        ("a\x00b\x7f", "a␀b␡"),
        ("\r\n", "␍\n"),
        ("\u202egnp.exe", "⟨U+202E⟩gnp.exe"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("\u2028\u0085", "⟨U+2028⟩⟨U+0085⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_hidden_characters_are_shown(text, shown):
    """Characters that hide, reorder or control become glyphs; others stay as they are."""
    assert visible(text) == shown


def test_visible_text_always_encodes():
    """Every code point, surrogates too, can be written as UTF-8 once it is visible."""
    shown = visible("".join(map(chr, range(0x11000))))
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_word_diff_marks_only_what_differs():
    """Words of one side only are marked, and the segments add up to the texts."""
    old, new = word_diff("the red fox, asleep", "the grey fox, asleep")
    assert [part.text for part in old if part.changed] == ["red"]
    assert [part.text for part in new if part.changed] == ["grey"]
    assert "".join(part.text for part in new) == "the grey fox, asleep"


def test_word_diff_gives_up_on_long_texts_at_once():
    """A text of a million words is one marked segment instead of hours of comparing."""
    old, new = word_diff("a " * 1_000_000, "b")
    assert [len(old), len(new)] == [1, 1]
    assert old[0].changed
    assert new[0].changed


def test_clip_says_how_much_is_left_out():
    """A long text is cut and the rest counted."""
    assert (clip("abcdef", 4).text, clip("abcdef", 4).left_out, clip("ab", 4).left_out) == ("abcd", 2, 0)


def test_anchors_are_plain_and_distinct():
    """Any text makes a short id of harmless characters, and different texts make different ids."""
    names = ["a b", "a-b", 'a" onclick="x', "../../etc", "\ud800", "x" * 300, ""]
    made = [anchor("s", name) for name in names]
    assert len(set(made)) == len(names)
    assert all(set(each) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and len(each) <= 64 for each in made)
