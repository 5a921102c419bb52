"""Judge: how good the answers to job postings are, graded by another model. Needs --judge; without it, it says so."""

from pathlib import Path

from harness.datasets import jsonl
from harness.gates import Gate
from harness.judge import COMPLETE, CORRECT, Rubric
from harness.judge_suite import JudgeSuite
from harness.prompts import chat
from harness.types import Sampling

SYSTEM = (Path(__file__).parent / "data/job_postings.system.txt").read_text(encoding="utf-8").removesuffix("\n")

suite = JudgeSuite(
    name="judge",
    version=1,
    examples=jsonl("data/job_postings.test.jsonl"),
    render=chat(system=SYSTEM),
    sampling=Sampling(max_new_tokens=128),
    rubric=Rubric((CORRECT, COMPLETE)),
    gates=[Gate("judge", max_drop=0.10), Gate("preference", max_drop=0.10)],
    take=32,  # few, so that the demo stays quick; more rows decide more
)


def test_gate(gate, check):
    check(gate)
