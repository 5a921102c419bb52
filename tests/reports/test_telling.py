"""What stands behind a FAIL on a terminal."""

import io
from dataclasses import replace

import pytest

from harness.types import Score
from reports.load import load
from reports.telling import print_telling, telling
from tests.reports.maker import Case, Made, demo, row


def case(outcomes, gate=("-drop<=0.02", 0.02)):
    """A suite whose examples are right for the base, and for the candidate end in these (output, reason code)."""

    def rows(model):
        made = []
        for index, (output, reason) in enumerate(outcomes):
            right = model == "base" or reason == "ok"
            score = Score("exact_match", float(right), output, "ok" if right else reason)
            made.append(row(index, output=f"right {index}" if right else output, scores=(score,)))
        return made

    return Case("asks", "exact_match", rows, [gate])


def failed(tmp_path, outcomes):
    """The run of such a suite, and its failed verdict."""
    made = Made([case(outcomes)])
    run = load(made.write(tmp_path / "run"))
    return run, replace(run.verdicts[0], suite="asks", metric="exact_match")


def printed(folder):
    """What is printed for a run directory."""
    out = io.StringIO()
    print_telling(folder, file=out)
    return out.getvalue()


def test_commonest_causes_come_first_one_example_each(tmp_path):
    """Of ten wrong values, five cut ones and an empty answer, one of each is shown, in that order."""
    wrong = [(f"wrong value {index:>3}", "wrong_value:title") for index in range(10)]
    run, verdict = failed(tmp_path, [*wrong, *[("cut", "truncated")] * 5, ("", "empty"), *[("x", "ok")] * 40])
    assert [each.cause for each in telling(run, verdict)] == [
        "broken: wrong_value:title",
        "broken: truncated",
        "broken: empty",
    ]


def test_one_cause_is_shown_three_times(tmp_path):
    """Where there is one cause only, its three shortest answers are shown."""
    run, verdict = failed(tmp_path, [("z" * (30 - index), "wrong_value") for index in range(10)])
    assert [len(each.candidate) for each in telling(run, verdict)] == [21, 22, 23]


def test_a_failed_gate_shows_target_base_and_candidate(tmp_path):
    """The forgetting gate of the demo fails; its examples are there, with the command that shows one in full."""
    folder = demo(400, loss=0.05).write(tmp_path / "run")
    text = printed(folder)
    assert "broken examples, r16-all-linear: " in text.splitlines()[0]
    assert " of mmlu_forgetting" in text.splitlines()[0]
    assert "FAIL mmlu_forgetting · " in text
    assert text.count("    target    B. Oslo\n    base      B. Oslo\n    candidate C. Bergen\n") == 3
    assert f"    one in full: tunegate show {folder} --id " in text
    assert "FAIL valid_json" not in text


def test_the_same_examples_are_not_printed_twice(tmp_path):
    """Two gates that fail on one metric share their examples; the second one says where they are."""
    made = Made([case([("bad", "wrong_value")] * 60)])
    made.cases[0].gates = [("-drop<=0.02", 0.02), ("-drop<=0.05", 0.05)]
    lines = printed(made.write(tmp_path / "run")).splitlines()
    assert sum(line.startswith("    candidate ") for line in lines) == 3
    assert lines[-1].startswith("FAIL asks · ")
    assert ": the examples of asks · " in lines[-1]


def test_a_base_by_itself_shows_what_it_missed(tmp_path):
    """Without a candidate nothing is broken, and there is no second answer to show."""
    made = demo(400)
    made.candidates = ()
    text = printed(made.write(tmp_path / "run"))
    assert "broken examples" not in text
    assert "FAIL valid_json" in text
    assert "    base      " not in text
    assert text.count("    candidate ") == 3


def test_nothing_broken_is_said(tmp_path):
    """A candidate that broke nothing has its line too: silence would not say so."""
    folder = Made([case([("x", "ok")] * 60)]).write(tmp_path / "run")
    assert printed(folder) == "broken examples, r16-all-linear: none\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[red]bad[/red] [/INST]", "[red]bad[/red] [/INST]"),
        ("\x1b[2Jgone\r\x07", "␛[2Jgone␍␇"),
        ("a\nPASS everything\tb", "a␊PASS everything␉b"),
        ("\u202egnp.exe", "⟨U+202E⟩gnp.exe"),
        ("\u200b", "⟨U+200B⟩"),
        ("", "(empty)"),
        ("y" * 100_000, f"{'y' * 100}…"),
    ],
)
def test_text_of_models_is_shown_and_does_nothing(tmp_path, text, shown):
    """Markup, control sequences, line breaks, bidirectional marks, nothing and far too much: a line of plain text."""
    folder = Made([case([(text, "wrong_value")] * 60)]).write(tmp_path / "run")
    lines = printed(folder).split("\n")
    assert f"    candidate {shown}" in lines
    assert not {"\x1b", "\x07", "\r", "\u202e", "\u200b"} & set("".join(lines))


def test_a_run_that_cannot_be_read_is_one_line(tmp_path):
    """The verdicts were printed already; what is missing is said, and no exception escapes."""
    folder = demo(60).write(tmp_path / "run")
    next((folder / "records").iterdir()).write_text("")
    text = printed(folder)
    assert text.startswith("examples cannot be shown: ")
    assert text.count("\n") == 1


def test_a_stream_in_ascii_gets_the_examples(tmp_path):
    """A log that cannot hold a middle dot still gets the lines."""
    folder = demo(400, loss=0.05).write(tmp_path / "run")
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as out:
        print_telling(folder, file=out)
        assert b"FAIL mmlu_forgetting ? " in raw.getvalue()
