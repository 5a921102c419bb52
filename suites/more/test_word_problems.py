"""Word problems: the last number of a worked answer is right. `--data gsm8k=test.jsonl` asks GSM8K itself.

For bases that can do sums in words; the embedded one cannot, and is refused as a yardstick.
"""

from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.numeric_match import numeric_match
from harness.outside import Gsm8k, outside
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

suite = Suite(
    name="word_problems",
    version=1,
    examples=outside("gsm8k", Gsm8k, otherwise=jsonl("data/word_problems.jsonl")),
    render=chat(system="Work the problem out step by step. End with the answer alone after ####."),
    sampling=Sampling(max_new_tokens=320),
    metrics=[numeric_match()],
    gates=[Gate("numeric_match", max_drop=0.05)],
    uses_adapter_prompt=False,
)


def test_gate(gate, check):
    check(gate)
