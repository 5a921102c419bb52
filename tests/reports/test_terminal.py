"""The verdict table on a terminal."""

import io
import json

import pytest

from reports.terminal import print_verdicts
from tests.reports.maker import demo


def printed(tmp_path, made, **options):
    """What is printed for a made run."""
    content = json.loads((made.write(tmp_path / "run") / "run.json").read_text(encoding="utf-8"))
    out = io.StringIO()
    print_verdicts(content, file=out, **{"color": False, **options})
    return out.getvalue()


def test_every_gate_has_a_line(tmp_path):
    """Five gates, five lines, and the outcome last."""
    made = demo(400, loss=0.05)
    made.partial_reasons = ["--limit 400"]
    lines = printed(tmp_path, made).splitlines()
    assert [line.split()[0] for line in lines[1:6]] == ["PASS", "PASS", "PASS", "FAIL", "PASS"]
    assert lines[6] == "outcome: FAIL (partial: not a verdict to ship on)"


@pytest.mark.parametrize(("columns", "lines_each"), [(60, 2), (80, 2), (120, 1)])
def test_a_narrow_terminal_breaks_no_name(tmp_path, monkeypatch, columns, lines_each):
    """Where the table does not fit a gate has two lines: what it is, and its numbers; no word is cut in two."""

    class Screen(io.StringIO):
        """A terminal."""

        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    content = json.loads((demo(400, loss=0.05).write(tmp_path / "run") / "run.json").read_text(encoding="utf-8"))
    print_verdicts(content, file=(out := Screen()), color=False)
    lines = out.getvalue().splitlines()
    told = content["verdicts"]
    assert len(lines) == lines_each * len(told) + (lines_each == 1) + 1
    for each in told:
        (line,) = [line for line in lines if each["gate"] in line and each["suite"] in line]
        assert line.startswith(each["outcome"])
        assert each["model"] in line
        numbers = lines[lines.index(line) + lines_each - 1]
        assert f" {each['n']:,}" in numbers


def test_text_of_others_cannot_style_or_drive_the_terminal(tmp_path):
    """Markup, escape sequences, emoji codes and line breaks are printed as the characters they are."""
    made = demo(20, loss=0.5)
    made.candidates = ("[red]bad[/red] \x1b]0;owned\x07 [link=http://x]a[/link] :boom:\nPASS everything",)
    text = printed(tmp_path, made)
    assert "[red]bad[/red]" in text
    assert ":boom:" in text
    assert "␛]0;owned␇" in text
    assert not set(text) & {"\x1b", "\x07"}
    assert not any(line.startswith("PASS everything") for line in text.splitlines())


def test_colour_is_asked_for(tmp_path):
    """Escape sequences appear only when colour is wanted."""
    assert "\x1b[" in printed(tmp_path, demo(20), color=True)


def test_a_stream_in_ascii_gets_the_verdict(tmp_path):
    """A log that cannot hold a minus sign still gets the table."""
    content = json.loads((demo(20).write(tmp_path / "run") / "run.json").read_text(encoding="utf-8"))
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as out:
        print_verdicts(content, file=out, color=False)
        assert b"outcome: " in raw.getvalue()
