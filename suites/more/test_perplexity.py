"""Perplexity on response tokens: how surprised a model is by the reference answers of the task. Shown, not gated.

A lower loss does not say that answers are better, only where to look; it costs one pass over each row.
"""

from pathlib import Path

from harness.datasets import jsonl
from harness.perplexity_suite import PerplexitySuite
from harness.prompts import chat

DATA = Path(__file__).parents[1] / "data"
SYSTEM = (DATA / "job_postings.system.txt").read_text(encoding="utf-8").removesuffix("\n")

suite = PerplexitySuite(
    name="perplexity",
    version=1,
    examples=jsonl(DATA / "job_postings.test.jsonl"),
    render=chat(system=SYSTEM),
)


def test_gate(gate, check):
    check(gate)
