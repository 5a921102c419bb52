"""Health metrics: each fault is seen by its own metric and by no other, and references are no faults."""

import pytest

from harness.errors import NotMeasured
from harness.metrics.health import no_loop, no_prompt_echo, no_special_tokens, not_empty, not_truncated
from harness.types import Example, FinishReason, Generation

METRICS = [not_truncated(), not_empty(), no_loop(), no_special_tokens(), no_prompt_echo()]
QUESTION = "Please name the capital of the country that lies north of Spain."
WORDS = "the cat sat on the mat and then it slept until noon "


def faults(text, *, target="Paris", question=QUESTION, cut=False):
    """Reason codes of all metrics that find fault with one answer."""
    example = Example("e", question, target, cluster="e")
    given = Generation(text, (), FinishReason.LENGTH if cut else FinishReason.STOP, 1, 1)
    scores = [metric([example], [given])[0] for metric in METRICS]
    assert all(score.value == float(score.reason_code == "ok") for score in scores)
    return {score.reason_code for score in scores} - {"ok"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Paris", set()),
        ("", {"empty"}),
        (" \n\t", {"empty"}),
        ("Paris Paris Paris Paris", set()),
        ("Paris Paris Paris Paris Paris", {"loop"}),
        (WORDS * 5, {"loop"}),
        (WORDS * 4, set()),
        ("ha" * 20, {"loop"}),
        ("ha" * 19, set()),
        ("a" * 40, {"loop"}),
        ("-" * 200, set()),
        ("|---|---|\n" * 4, set()),
        ("one two three four five six seven", set()),
        ("Paris<|im_end|>", {"special_token"}),
        ("[INST] Paris [/INST]", {"special_token"}),
        ("Paris</s>", {"special_token"}),
        ("<start_of_turn>model", {"special_token"}),
        ("a < b | c > d, <b>bold</b>", set()),
        (f"You asked: {QUESTION} It is Paris.", {"prompt_echo"}),
        ("please name the capital of the country that has none", {"prompt_echo"}),
        ("The capital of the country that lies north of Spain is Paris.", set()),
    ],
)
def test_each_fault_is_seen_by_its_own_metric(text, found):
    """Cut, empty, looping, leaking and echoing answers each score 0 once, and healthy ones never."""
    assert faults(text) == found


def test_a_truncated_loop_is_both():
    """Answers that were cut are looked at all the same, because loops end there."""
    assert faults(WORDS * 9, cut=True) == {"truncated", "loop"}
    assert faults("Paris", cut=True) == {"truncated"}


@pytest.mark.parametrize(
    ("text", "target", "question"),
    [
        ("van van van van van van", "van van van van van", "Write van 5 times, will you?"),
        ("<s>", "<s>", "Which tag strikes text through?"),
        ("Repeat these four words.", "Repeat these four words.", "Repeat these four words."),
        ("One two three!", "-", "One two three?"),
    ],
)
def test_what_the_reference_does_too_is_no_fault(text, target, question):
    """A task that asks for repetition, a marker or an echo is not held against the answer; short prompts never are."""
    assert faults(text, target=target, question=question) == set()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_example_needs_an_answer(metric):
    """Too few answers are an error, never a shorter list of scores."""
    with pytest.raises(NotMeasured, match="0 answers for 1 examples"):
        metric([Example("e", "q", "a")], [])
