"""The engine beside the loop that every tutorial shows, on the same prompts, in one run; prints JSON.

    python -m tests.bench.engine [--model embedded] [--n 128]

The loop: one prompt at a time, `apply_chat_template`, then `model.generate(..., do_sample=False)`. The engine: batches
of 64. Both load the model beforehand, both decode greedily in float32 on the CPU with the same limit, and `identical`
says whether their token ids agree, prompt by prompt, also at batch sizes 1 and 3.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.backends import Prompt
from harness.backends.hf import HfBackend
from harness.errors import HarnessError
from harness.types import Generation, Message, ModelRef, Sampling

DATA = Path(__file__).parents[2] / "suites" / "data"

Answers = list[tuple[int, ...]]


def main() -> int:
    """Run the comparison; 1 when the answers differ, 2 when there is no model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded", help="embedded (default) or a model folder")
    parser.add_argument("--n", type=int, default=128, help="prompts (default: 128)")
    parser.add_argument("--repeats", type=int, default=3, help="timed rounds of each, interleaved (default: 3)")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="limit of an answer (default: 256)")
    options = parser.parse_args()
    try:
        report = compare(options.model, conversations(options.n), Sampling(options.max_new_tokens), options.repeats)
    except (HarnessError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["identical"] else 1


def compare(folder: str, asked: Sequence[Sequence[Message]], sampling: Sampling, repeats: int) -> dict[str, object]:
    """Time both ways `repeats` times, taking turns, and compare what they answer."""
    engine = HfBackend("cpu", batch_size=64)
    model = engine.identify(ModelRef("base", folder))
    loaded = engine.loaded(model)
    prompts = [engine.render(model, messages) for messages in asked]
    one_by_one(loaded.model, loaded.tokenizer, asked[:1], sampling)  # warm-up
    loop_seconds, engine_seconds, loop, ours = [], [], [], []
    for _ in range(repeats):
        seconds, loop = timed(lambda: one_by_one(loaded.model, loaded.tokenizer, asked, sampling))
        loop_seconds.append(seconds)
        seconds, ours = timed(lambda: batched(engine, model, prompts, sampling))
        engine_seconds.append(seconds)
    others = {size: batched(HfBackend("cpu", batch_size=size), model, prompts, sampling) for size in (1, 3)}
    slow, fast = statistics.median(loop_seconds), statistics.median(engine_seconds)
    return {
        "model": folder,
        "n": len(asked),
        "new_tokens": sum(map(len, ours)),
        "loop": {"seconds": loop_seconds, "examples_per_second": len(asked) / slow},
        "engine": {"seconds": engine_seconds, "examples_per_second": len(asked) / fast, "batch_size": 64},
        "speedup": slow / fast,
        "identical": loop == ours and all(answers == ours for answers in others.values()),
    }


def conversations(n: int) -> list[list[Message]]:
    """The first `n` prompts of the demo task."""
    system = (DATA / "job_postings.system.txt").read_text(encoding="utf-8").strip()
    with (DATA / "job_postings.test.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["input"] for _, line in zip(range(n), lines, strict=False)]
    return [[{"role": "system", "content": system}, {"role": "user", "content": text}] for text in texts]


def one_by_one(model, tokenizer, asked: Sequence[Sequence[Message]], sampling: Sampling) -> Answers:
    """The tutorial's loop."""
    answers = []
    for messages in asked:
        inputs = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_tensors="pt")
        output = model.generate(**inputs, do_sample=False, max_new_tokens=sampling.max_new_tokens)
        answers.append(tuple(output[0, inputs["input_ids"].shape[1] :].tolist()))
    return answers


def batched(engine: HfBackend, model: ModelRef, prompts: Sequence[Prompt], sampling: Sampling) -> Answers:
    """The engine."""
    answers: dict[int, Generation] = {}
    engine.generate(model, prompts, sampling, answers.update)
    return [answers[index].token_ids for index in range(len(prompts))]


def timed(run: Callable[[], Answers]) -> tuple[float, Answers]:
    """Seconds, and what came back."""
    started = time.perf_counter()
    answers = run()
    return time.perf_counter() - started, answers


if __name__ == "__main__":
    sys.exit(main())
