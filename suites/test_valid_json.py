"""Valid-JSON rate: a job posting becomes one JSON object that the schema accepts."""

from pathlib import Path

from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.valid_json import valid_json
from harness.prompting import prompting
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

SYSTEM = (Path(__file__).parent / "data/job_postings.system.txt").read_text(encoding="utf-8").removesuffix("\n")

suite = Suite(
    name="valid_json",
    version=1,
    examples=jsonl("data/job_postings.test.jsonl"),
    render=chat(system=SYSTEM),
    sampling=Sampling(max_new_tokens=128),
    metrics=[valid_json(schema="data/job_posting.schema.json")],
    gates=[Gate("valid_json", at_least=0.95), Gate("valid_json", max_drop=0.01)],
    prompting=prompting(shots=jsonl("data/job_postings.shots.jsonl"), schema="data/job_posting.schema.json"),
)


def test_gate(gate, check):
    check(gate)
