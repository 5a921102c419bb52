"""Exact match: all four fields of a job posting are right. Asks what `valid_json` asks, so answers are shared."""

from pathlib import Path

from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.exact_match import exact_match
from harness.metrics.field_accuracy import field_accuracy
from harness.prompting import prompting
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

SYSTEM = (Path(__file__).parent / "data/job_postings.system.txt").read_text(encoding="utf-8").removesuffix("\n")

suite = Suite(
    name="exact_match",
    version=1,
    examples=jsonl("data/job_postings.test.jsonl"),
    render=chat(system=SYSTEM),
    sampling=Sampling(max_new_tokens=128),
    metrics=[exact_match(), field_accuracy(fields=("title", "company", "location", "remote"))],
    gates=[Gate("exact_match", min_gain=0.20)],
    prompting=prompting(shots=jsonl("data/job_postings.shots.jsonl"), schema="data/job_posting.schema.json"),
)


def test_gate(gate, check):
    check(gate)
