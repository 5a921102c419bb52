"""`tunegate speed`: how fast a base, its adapter and the merged model answer a suite's prompts. Nothing is gated.

Each model sits in an engine of its own. One set of weights for all would be cheaper, but a base inside PEFT's wrapper
is not the base that anyone serves, and the merged model would have to be loaded again in every round.
"""

import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Protocol

from harness.answers import with_dtype
from harness.backends import Prompt
from harness.backends.hf import HfBackend
from harness.errors import UsageProblem
from harness.models import locate
from harness.options import Options, models
from harness.quiet import quiet
from harness.stopwatch import Pace, Timing, take_times
from harness.suite import Suite, refuse_other_prompt
from harness.suite_files import load_suite
from harness.types import Json, ModelRef

__all__ = ["Merge", "Question", "Speed", "measure_speed"]


class Merge(Protocol):
    """Writes a merged model; `trainers.merge.merge` is one."""

    def __call__(self, adapter: Path, out: Path, *, model: str) -> object:
        """Merge `adapter` into `model` and write the folder `out`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is measured.

    Attributes:
        suite: a suite file.
        options: those of the gate; model, adapter, device, dtype and quantization count.
        rows: prompts, a seeded slice of the suite; all of a smaller suite.
        pace: rounds and tokens.
        merge: makes the merged model; None leaves it out.
    """

    suite: Path
    options: Options
    rows: int
    pace: Pace
    merge: Merge | None = None


@dataclass(frozen=True, slots=True)
class Speed:
    """What was found.

    Attributes:
        suite: its name.
        prompt_tokens: length of each prompt.
        pace: rounds and tokens.
        models: base first, as identified.
        policy: engine, libraries and device.
        timings: one for each way of asking, figure and model.
    """

    suite: str
    prompt_tokens: tuple[int, ...]
    pace: Pace
    models: tuple[ModelRef, ...]
    policy: Mapping[str, str]
    timings: tuple[Timing, ...]

    def spec(self) -> dict[str, Json]:
        """As JSON values."""
        return {
            "suite": self.suite,
            "rows": len(self.prompt_tokens),
            "prompt_tokens_median": statistics.median(self.prompt_tokens),
            "new_tokens": self.pace.tokens,
            "rounds": self.pace.rounds,
            "models": [
                {"name": each.name, "fingerprint": each.fingerprint, "dtype": each.dtype, "held_as": each.quantization}
                for each in self.models
            ],
            "policy": {name: value for name, value in self.policy.items() if name != "batch_size"},
            "timings": [each.spec() for each in self.timings],
        }


def measure_speed(question: Question, say: Callable[[str], None]) -> Speed:
    """Ask the models in turn. No answer is read from a store or kept in one; a merged model lies in a temporary folder.

    Args:
        question: what is measured.
        say: told what is done next.

    Raises:
        HarnessError: suite, models or options cannot be used, or a time was not measured.
    """
    suite = load_suite(question.suite)
    if not isinstance(suite, Suite):
        raise UsageProblem(
            f"{question.suite}: suite {suite.name!r} does not ask for written answers by itself; give a suite file "
            "that defines a Suite, such as suites/test_valid_json.py"
        )
    with tempfile.TemporaryDirectory(prefix="tunegate-speed-") as folder:
        engines = _engines(question, suite, Path(folder), say)
        base, engine = engines[0]
        prompts = _prompts(suite, question.rows, base, engine)
        writers = {model.name: partial(each.write, model) for model, each in engines}
        timings = take_times(writers, prompts, pace=question.pace, clock=perf_counter, say=say)
    return Speed(
        suite=suite.name,
        prompt_tokens=tuple(len(prompt.token_ids) for prompt in prompts),
        pace=question.pace,
        models=tuple(model for model, _ in engines),
        policy=engine.policy(),
        timings=timings,
    )


def _engines(
    question: Question, suite: Suite, folder: Path, say: Callable[[str], None]
) -> list[tuple[ModelRef, HfBackend]]:
    """Each model as identified, with the engine that will hold it."""
    base, adapter = models(question.options)
    refuse_other_prompt(suite.name, suite.render.system, adapter, checked=suite.uses_adapter_prompt)
    wanted = [base, adapter]
    engines = []
    for model in wanted:
        engine = HfBackend(device=question.options.device, fold=False)  # as it is served
        engines.append((engine.identify(with_dtype(engine, model)), engine))
        if question.merge is not None and model is adapter:  # only when base and adapter were found to be sound
            say("merging")
            with quiet():
                question.merge(Path(str(model.adapter)), folder / "merged", model=str(locate(base.base, base.revision)))
            merged = replace(base, name=f"{adapter.name}-merged", base=str(folder / "merged"), revision=None)
            wanted.append(merged)
    return engines


def _prompts(suite: Suite, rows: int, base: ModelRef, engine: HfBackend) -> list[Prompt]:
    return [engine.render(base, suite.render.messages(row)) for row in suite.plan(rows)]
