"""What counts as a leak and, as important, what does not."""

import pytest

from harness.audit.held_out import HeldOut, held_out
from harness.audit.leakage import leaks
from harness.audit.rows import Row
from harness.audit.side import Side
from harness.errors import BadExamples, BadSpec
from harness.types import Example
from tests.audit.made import WORDS, postings, write_rows

INSTRUCTION = "Extract the title, the company and the place from the following job posting and answer in JSON:"


def row(number, question, answer="ok"):
    """A row of one question and answer."""
    return Row(number, ({"role": "user", "content": question},), answer, answer)


def look(questions, examples, answers=None):
    """Leaks of these questions into a suite of these examples."""
    said = answers or ["ok"] * len(questions)
    rows = [row(number, *pair) for number, pair in enumerate(zip(questions, said, strict=True), start=1)]
    held = HeldOut("suite", tuple(Example(f"e{n}", each[0], each[1]) for n, each in enumerate(examples)))
    sides = (Side.of([each.question for each in rows]), Side.of([each.answer for each in rows]))
    return leaks(rows, *sides, [held])[0]


def texts(side, count=12, seed=0):
    """Postings of one side of the words."""
    return [each["input"] for each in postings(count, side, seed)]


def test_a_shared_instruction_is_no_leak():
    """Every row of both sides begins alike; what follows differs, so nothing leaked."""
    asked = [(f"{INSTRUCTION}\n{text}", "x") for text in texts("test")]
    assert look([f"{INSTRUCTION}\n{text}" for text in texts("train")], asked).findings == ()


def test_a_leak_behind_a_shared_instruction_is_found():
    """The instruction hides nothing: only the example's own words count."""
    asked = [(f"{INSTRUCTION}\n{text}", "x") for text in texts("test")]
    train = [f"{INSTRUCTION}\n{text}" for text in texts("train")]
    found = look([*train, f"Please look at this. {texts('test')[3]}"], asked)
    assert [(each.rows, each.details["example"]) for each in found.findings] == [((13,), "e3")]


def test_a_leak_with_a_typing_error_in_every_line_is_found():
    """With an error in each seventh word no run of eight is left, but nearly all runs of five characters are."""
    told = [f"{word}ification{n}" for n, word in enumerate(WORDS)]
    copied = [f"{word[:-1]}x" if n % 7 == 3 else word for n, word in enumerate(told)]
    (found,) = look([*texts("train"), " ".join(copied)], [(" ".join(told), "x")]).findings
    assert (found.rows, found.how) == ((13,), "minhash")
    assert 0.8 <= found.details["similarity"] < 1


def test_a_short_leak_behind_a_long_instruction_is_found():
    """Ten words of its own among sixty that all examples share are all that there is of an example."""
    long = " ".join(f"{INSTRUCTION} {part}" for part in ("first of all", "then once more", "and at the end"))
    own = [" ".join(f"{word}{n}" for word in WORDS[:10]) for n in range(8)]
    train = [f"{long}\n{text}" for text in texts("train")]
    found = look([*train, f"Please look at this. {own[3]}"], [(f"{long} {text}", "x") for text in own])
    assert [(each.rows, each.details["example"]) for each in found.findings] == [((13,), "e3")]


@pytest.mark.parametrize("count", [6, 30])
def test_rows_of_one_form_are_no_leak(count):
    """Rows that say the same in the same form about other things are how most data are made."""
    form = "At {} we are looking for somebody who brings {} and {} to our team in the north as soon as possible."

    def made(words):
        return [form.format(words[n % 12], words[(n + 3) % 12], words[(n * 5 + 4) % 12]) for n in range(count)]

    assert look(made(WORDS[:12]), [(text, "x") for text in made(WORDS[12:24])[:5]]).findings == ()


def test_labels_that_a_suite_has_too_are_no_leak():
    """Where training rows share their answers, a suite's equal answers say nothing; and the audit says so."""
    label = '{"mood": "good", "topic": "the invoice of last month", "urgent": false}'
    found = look(texts("train"), [(text, label) for text in texts("test")], [label] * 12)
    assert found.findings == ()
    assert found.answers == "not looked at: 12 of 12 questions share their answer with another one, as labels do"


def test_short_answers_are_no_leak():
    """A suite may have the answer 'Paris' although some training row has it too."""
    found = look(
        texts("train"), [(text, f"city {n}") for n, text in enumerate(texts("test"))], [f"city {n}" for n in range(12)]
    )
    assert found.findings == ()


def test_questions_about_one_subject_are_no_leak():
    """A heading that a subject's questions share is a form, even where few of them have it."""
    head = "The following are multiple choice questions (with answers) about astronomy.\n\n"
    asked = [
        (f"{head}What is the name of the {word} in the sky over {word}?\nA. {word}\nB. x\nAnswer:", "A")
        for word in WORDS[:6]
    ]
    assert (
        look([f"{head}Where did the {word} go after the war of that year?" for word in WORDS[6:]], asked).findings == ()
    )


def test_each_pair_is_named_once_with_its_strongest_match():
    """Two rows with one leaked question are two findings, however many ways find them."""
    question = texts("test")[0]
    found = look([question, question.upper(), "Something else."], [(question, "x")])
    assert [(each.rows, each.how) for each in found.findings] == [((1,), "exact"), ((2,), "normalised")]
    assert found.leaked == 1


def test_a_leak_that_is_pasted_everywhere_is_found():
    """A question that stands in so many rows that it looks like a form is still found as a whole."""
    question = texts("test")[0]
    found = look([f"{text} {question}" for text in texts("train")], [(text, "x") for text in texts("test")])
    assert {each.rows for each in found.findings} == {(n,) for n in range(1, 13)}


def test_a_paraphrase_is_not_found():
    """What docs/audit.md says of paraphrases is true: other words for the same are no finding."""
    asked = [("Why did the captain leave the harbour before the storm had passed over the bay?", "x")]
    assert (
        look(["For what reason was the port abandoned by its skipper ahead of the gale's end?"], asked).findings == ()
    )


def test_rows_of_another_split_are_read_in_any_form(tmp_path):
    """A split in another form is compared like a suite; a malformed row of it would go unseen and is refused."""
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    (found,) = held_out(write_rows(tmp_path / "valid.jsonl", [{"messages": turns, "cluster": "g"}]))
    assert [(each.input, each.cluster) for each in found.examples] == [("Why?", "g")]
    with pytest.raises(BadExamples, match=r"bad.jsonl:2: keys question"):
        held_out(write_rows(tmp_path / "bad.jsonl", [{"messages": turns}, {"question": "?"}]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no test_.*.py in it defines a `suite`"),
        ("def (", "cannot be read as a suite"),
        ("import nothing_of_that_name", "cannot be read as a suite"),
    ],
)
def test_suites_that_cannot_be_read_are_an_error(tmp_path, text, said):
    """No suite, or a broken one, is not the same as no leak."""
    if text:
        (tmp_path / "test_x.py").write_text(text)
    with pytest.raises(BadSpec, match=said):
        held_out(tmp_path)
