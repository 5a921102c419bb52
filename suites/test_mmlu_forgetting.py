"""Forgetting: four-choice knowledge questions, through lm-eval on the model that is already loaded."""

from harness.gates import Gate
from harness.lm_eval_suite import LmEvalSuite
from harness.questions import mc_csv

suite = LmEvalSuite(
    name="mmlu_forgetting",
    version=1,
    source=mc_csv("data/knowledge.test.csv"),
    gates=[Gate("acc", max_drop=0.02)],
)


def test_gate(gate, check):
    check(gate)
