"""Token F1: how many words an answer shares with its reference, as SQuAD counts them."""

import re
import unicodedata
from collections import Counter

from harness.metrics import Judgement, Metric, per_example
from harness.metrics.text_target import refuse_no_text
from harness.types import Example

__all__ = ["token_f1"]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def token_f1() -> Metric:
    """Harmonic mean of precision and recall over words, in [0, 1]; word order is nothing.

    Case, punctuation and the articles a, an, the are dropped first; two texts that are empty then are equal.

    Reason codes: `ok` at 1, else `truncated`, `no_overlap` or `partial`.

    Source: Rajpurkar et al. 2016 (arXiv 1606.05250), section 6.1, as in their evaluation script, but that punctuation
    is all of Unicode's and not only ASCII's.
    """
    return per_example("token_f1", _judge, refuse_unfit=lambda examples: refuse_no_text("token_f1", examples))


def _judge(example: Example, text: str) -> Judgement:
    wanted, said = _words(str(example.target)), _words(text)
    if not wanted or not said:
        value = float(wanted == said)
    else:
        shared = sum((Counter(wanted) & Counter(said)).values())
        value = 2 * shared / (len(wanted) + len(said))
    return Judgement(value, " ".join(said), "ok" if value == 1 else "partial" if value else "no_overlap")


def _words(text: str) -> list[str]:
    bare = "".join(
        " " if _is_mark(character) and character.isspace() else character
        for character in text.lower()
        if character.isspace() or not _is_mark(character)
    )
    return _ARTICLES.sub(" ", bare).split()


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
