"""Wording metrics: the maintained libraries' numbers, row by row in [0, 1], and what they cannot score."""

import pytest

from harness.errors import BadExamples, BadSpec
from harness.metrics.chrf import chrf
from harness.metrics.rouge import rouge
from harness.metrics.sentence_bleu import sentence_bleu
from harness.metrics.token_f1 import token_f1
from tests.metrics.answers import answer, example

METRICS = [token_f1(), rouge("rougeL"), rouge("rouge1"), rouge("rouge2"), chrf(), sentence_bleu()]
REFERENCE = "The quick brown fox jumps over the lazy dog."


def value(metric, target, text):
    """The score of one answer."""
    (score,) = metric([example(target)], [answer(text)])
    return score.value


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_bounds(metric):
    """The reference itself is 1, nothing in common is 0 or next to it, and part of it is between."""
    assert value(metric, REFERENCE, REFERENCE) == 1.0
    assert value(metric, REFERENCE, "zzz") < 0.05
    assert 0.2 < value(metric, REFERENCE, "The quick brown fox sleeps beside the lazy dog.") < 0.95


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_truncated_answer_scores_0(metric):
    """However much of the reference it holds."""
    (score,) = metric([example(REFERENCE)], [answer(REFERENCE, cut=True)])
    assert (score.value, score.reason_code) == (0.0, "truncated")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("target", ["", {"a": 1}, 7, None])
def test_a_target_that_is_no_text_is_refused(metric, target):
    """Wording is compared with wording."""
    with pytest.raises(BadExamples, match="needs a text as target"):
        metric.refuse_unfit([example(target)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("the cat", 1.0), ("A CAT!", 1.0), ("cat dog", 2 / 3), ("cat cat", 2 / 3), ("dog", 0.0), ("", 0.0)],
)
def test_token_f1_counts_words_as_squad_does(text, expected):
    """Articles, case and punctuation are nothing; a repeated word counts as often as the reference has it."""
    assert value(token_f1(), "The cat.", text) == pytest.approx(expected)
    assert value(token_f1(), "cat cat", "cat cat") == 1.0


def test_rouge_l_is_the_longest_common_subsequence():
    """By hand: 3 of 4 words in order on both sides, so precision, recall and F are 3/4."""
    assert value(rouge("rougeL"), "police killed the gunman", "police kill the gunman") == pytest.approx(0.75)
    assert value(rouge("rougeL", stem=True), "police killed the gunman", "police kill the gunman") == 1.0


def test_rouge_refuses_what_its_words_cannot_see():
    """A target without a Latin letter would score 0 whatever the answer."""
    with pytest.raises(BadExamples, match="rougeL sees no word in the target; use chrf"):
        rouge().refuse_unfit([example("東京")])
    chrf().refuse_unfit([example("東京")])
    assert value(chrf(), "東京都", "東京都") == 1.0
    with pytest.raises(BadSpec, match="the kinds are"):
        rouge("rougeW")


def test_bleu_of_a_sentence_is_sacrebleus():
    """The figure of sacrebleu's own documentation style: its sentence score over 100, and no corpus score."""
    from sacrebleu import corpus_bleu
    from sacrebleu import sentence_bleu as theirs

    pairs = [("the cat is on the mat", "the cat sat on the mat"), ("there is a dog", "there was a dog in the yard")]
    ours = [value(sentence_bleu(), target, text) for text, target in pairs]
    assert ours == [pytest.approx(theirs(text, [target]).score / 100) for text, target in pairs]
    corpus = corpus_bleu([text for text, _ in pairs], [[target for _, target in pairs]]).score / 100
    assert sum(ours) / 2 != pytest.approx(corpus, abs=0.01)
