"""Wording: how near answers come to the reference text by words and by characters, as summaries are scored.

Asks what `regression` asks, so that nothing is generated twice; copy it and change the data for a task with free text.
"""

from pathlib import Path

from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.chrf import chrf
from harness.metrics.rouge import rouge
from harness.metrics.sentence_bleu import sentence_bleu
from harness.metrics.token_f1 import token_f1
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="wording",
    version=1,
    examples=jsonl(Path(__file__).parents[1] / "data/regression.test.jsonl"),
    render=chat(),
    sampling=Sampling(max_new_tokens=16),
    metrics=[token_f1(), rouge("rougeL"), chrf(), sentence_bleu()],
    gates=[Gate("token_f1", max_drop=0.05)],
)


def test_gate(gate, check):
    check(gate)
