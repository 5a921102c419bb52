"""chrF: shared character n-grams, by sacrebleu. For any script, and kinder to inflected languages than words are."""

from harness.metrics import Judgement, Metric, per_example
from harness.metrics.text_target import refuse_no_text
from harness.types import Example

__all__ = ["chrf"]


def chrf() -> Metric:
    """chrF2 of each answer, in [0, 1]: sacrebleu's sentence score (n-grams of 1 to 6 characters, beta 2) over 100.

    The mean over rows is a mean of sentence scores, which is not the chrF of the corpus that papers report.

    Reason codes: `ok` at 1, else `truncated`, `no_overlap` or `partial`.

    Source: Popović 2015 (ACL W15-3049); computed by sacrebleu.
    """
    return per_example("chrf", _judge, refuse_unfit=lambda examples: refuse_no_text("chrf", examples))


def _judge(example: Example, text: str) -> Judgement:
    from sacrebleu import sentence_chrf

    value = min(1.0, sentence_chrf(text, [str(example.target)]).score / 100)  # 100.00000000000001 happens
    return Judgement(value, text.strip(), "ok" if value == 1 else "partial" if value else "no_overlap")
