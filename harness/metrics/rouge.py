"""ROUGE: the longest common subsequence of words (ROUGE-L), or shared n-grams, by Google's rouge-score."""

from collections.abc import Sequence
from typing import Any, Literal

from harness.errors import BadExamples, BadSpec
from harness.metrics import Judgement, Metric, per_example
from harness.metrics.text_target import refuse_no_text
from harness.types import Example

__all__ = ["rouge"]

Kind = Literal["rougeL", "rouge1", "rouge2"]


def rouge(kind: Kind = "rougeL", *, stem: bool = False) -> Metric:
    """F-measure of one kind of ROUGE for each answer, in [0, 1]; the metric is named `rougeL`, `rouge1` or `rouge2`.

    Only a to z and digits count as words, so targets in other scripts are refused: use `chrf` there.

    Args:
        kind: `rougeL` (longest common subsequence), `rouge1` or `rouge2` (shared words, shared pairs).
        stem: compare Porter stems of words of more than 3 letters.

    Reason codes: `ok` at 1, else `truncated`, `no_overlap` or `partial`.

    Raises:
        BadSpec: another kind.

    Source: Lin 2004 (ACL W04-1013); computed by rouge-score, which reproduces its figures.
    """
    if kind not in ("rougeL", "rouge1", "rouge2"):
        raise BadSpec(f"rouge({kind!r}): the kinds are rougeL, rouge1 and rouge2")
    made: list[Any] = []  # the scorer, once it is needed: its import is slow

    def judge(example: Example, text: str) -> Judgement:
        if not made:
            made.append(_scorer(kind, stem=stem))
        value = float(made[0].score(str(example.target), text)[kind].fmeasure)
        return Judgement(value, text.strip(), "ok" if value == 1 else "partial" if value else "no_overlap")

    def refuse_unfit(examples: Sequence[Example]) -> None:
        refuse_no_text(kind, examples)
        for example in examples:
            if not any(letter.isascii() and letter.isalnum() for letter in str(example.target)):
                raise BadExamples(f"example {example.id}: {kind} sees no word in the target; use chrf for this script")

    return per_example(kind, judge, spec={"stem": str(stem)}, refuse_unfit=refuse_unfit)


def _scorer(kind: Kind, *, stem: bool) -> Any:  # noqa: ANN401  # the library declares no types
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], use_stemmer=stem)
