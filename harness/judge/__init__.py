"""LLM-as-judge: another model grades answers that no rule can, under a protocol that fails closed.

    Question ──form──▶ messages ──Judge──▶ reply ──read──▶ Judgement ──▶ Score, and evidence beside the rows

What a judge says counts only as far as it was calibrated on labelled answers, see `calibration`.
"""

from harness.judge.asked import JudgeSettings, make_judge
from harness.judge.budget import Caps
from harness.judge.judgement import Judge, Judgement, Kind, Question, Status
from harness.judge.rubric import COMPLETE, CORRECT, FORMAT, Dimension, Rubric

__all__ = [
    "COMPLETE",
    "CORRECT",
    "FORMAT",
    "Caps",
    "Dimension",
    "Judge",
    "JudgeSettings",
    "Judgement",
    "Kind",
    "Question",
    "Rubric",
    "Status",
    "make_judge",
]
