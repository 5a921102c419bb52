"""Output health: answers are no more often cut, empty, looping, leaking markers or echoing than the base's.

Asks what `exact_match` asks, so that nothing is generated twice. A point of each rate is ruled out, which takes 268
rows even without a single fault.
"""

from pathlib import Path

from harness.datasets import jsonl
from harness.gates import Gate
from harness.metrics.health import no_loop, no_prompt_echo, no_special_tokens, not_empty, not_truncated
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

DATA = Path(__file__).parents[1] / "data"
SYSTEM = (DATA / "job_postings.system.txt").read_text(encoding="utf-8").removesuffix("\n")

metrics = [not_truncated(), not_empty(), no_loop(), no_special_tokens(), no_prompt_echo()]
suite = Suite(
    name="output_health",
    version=1,
    examples=jsonl(DATA / "job_postings.test.jsonl"),
    render=chat(system=SYSTEM),
    sampling=Sampling(max_new_tokens=128),
    metrics=metrics,
    gates=[Gate(metric.name, max_drop=0.01) for metric in metrics],
)


def test_gate(gate, check):
    check(gate)
