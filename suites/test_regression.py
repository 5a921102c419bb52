"""Regression: what the base does well besides the tuned task, the candidate must still do.

Beside the pool are the cases that `tunegate regression add` pinned, which each hold by themselves.
"""

from harness.datasets import jsonl
from harness.gates import Gate
from harness.keep import passed_by_base
from harness.metrics.exact_match import exact_match
from harness.prompts import chat
from harness.regression_suite import with_pinned
from harness.suite import Suite
from harness.types import Sampling

pool = Suite(
    name="regression",
    version=1,
    examples=jsonl("data/regression.test.jsonl"),
    render=chat(),
    sampling=Sampling(max_new_tokens=16),
    metrics=[exact_match()],
    gates=[Gate("exact_match", max_drop=0.05)],
    keep=passed_by_base("exact_match", at_least=400, repeats=3),
)
suite = with_pinned(pool, "data/regression.pinned.jsonl")


def test_gate(gate, check):
    check(gate)
