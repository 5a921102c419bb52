"""Sentence BLEU: shared word n-grams with a brevity penalty, by sacrebleu, one answer at a time."""

from harness.metrics import Judgement, Metric, per_example
from harness.metrics.text_target import refuse_no_text
from harness.types import Example

__all__ = ["sentence_bleu"]


def sentence_bleu() -> Metric:
    """BLEU of each answer alone, in [0, 1]: sacrebleu's sentence score (13a tokens, exponential smoothing) over 100.

    Its mean over rows is not corpus BLEU, which pools the counts of all rows before it divides, and must not be set
    beside figures of papers. It is there because a paired interval needs a number for each row.

    Reason codes: `ok` at 1, else `truncated`, `no_overlap` or `partial`.

    Source: Papineni et al. 2002 (ACL P02-1040), smoothing of Chen and Cherry 2014; computed by sacrebleu, which uses
    only the n-gram orders that both texts are long enough for.
    """
    return per_example("sentence_bleu", _judge, refuse_unfit=lambda examples: refuse_no_text("sentence_bleu", examples))


def _judge(example: Example, text: str) -> Judgement:
    from sacrebleu import sentence_bleu as score

    value = min(1.0, score(text, [str(example.target)]).score / 100)  # 100.00000000000004 happens
    return Judgement(value, text.strip(), "ok" if value == 1 else "partial" if value else "no_overlap")
