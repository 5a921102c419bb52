"""Regression: what the base does well besides the tuned task, the candidate must still do."""

from harness.datasets import jsonl
from harness.gates import Gate
from harness.keep import passed_by_base
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="regression",
    version=1,
    examples=jsonl("data/regression.test.jsonl"),
    render=chat(),
    sampling=Sampling(max_new_tokens=16),
    metrics=[exact_match()],
    gates=[Gate("exact_match", max_drop=0.05)],
    keep=passed_by_base("exact_match", at_least=400, repeats=3),
)


def test_gate(gate, check):
    check(gate)
