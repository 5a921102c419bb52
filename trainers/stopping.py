"""Early stopping on a suite's score: the loss falls long after the answers have stopped improving, or before they do.

Scores and the best weights lie beside the checkpoints, so that an interrupted run stops where any other one does.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import ModelProblem
from trainers.bases import Model
from trainers.sections import EarlyStopping

__all__ = ["Measured", "Scorer", "Scoring", "Stopper"]

Scorer = Callable[[Model], float]
"""Measures a model in memory; a score in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """A scorer, and the digest of what it measures with."""

    score: Scorer
    digest: str


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: after which step, the score in [0, 1], and the seconds that it took."""

    step: int
    score: float
    seconds: float


class Stopper:
    """Measures every few steps, remembers the best weights, and ends a run that has stopped gaining."""

    def __init__(self, settings: EarlyStopping, scorer: Scorer, folder: Path, resumed_at: int) -> None:
        """Take up where a run stood.

        Args:
            settings: when to measure and when to stop.
            scorer: measures.
            folder: for scores and weights.
            resumed_at: step that the run goes on from; later measurements are forgotten.
        """
        self._settings, self._scorer, self._folder = settings, scorer, folder
        path = folder / "scores.json"
        known = json.loads(path.read_text(encoding="utf-8")) if resumed_at and path.is_file() else []
        self.measured = [Measured(**item) for item in known if item["step"] <= resumed_at]

    @property
    def seconds(self) -> float:
        """Seconds spent measuring, in all processes that took part."""
        return sum(item.seconds for item in self.measured)

    @property
    def best(self) -> Measured | None:
        """The first measurement that later ones do not exceed by more than `min_gain`."""
        best: Measured | None = None
        for item in self.measured:
            if best is None or item.score > best.score + self._settings.min_gain:
                best = item
        return best

    def measure(self, model: Model, step: int) -> bool:
        """Measure the model as it is after `step`; True when the run should end."""
        started = time.monotonic()
        score = self._scorer(model)
        self.measured.append(Measured(step, score, time.monotonic() - started))
        if self.best == self.measured[-1]:
            self._save(model, step)
        part = self._folder / "scores.json.tmp"
        part.write_text(json.dumps([asdict(item) for item in self.measured]), encoding="utf-8")
        part.replace(self._folder / "scores.json")
        since = sum(item.step > self.best.step for item in self.measured) if self.best else 0
        return since >= self._settings.patience

    def restore(self, model: Model) -> int:
        """Put the best weights back into `model`, and return their step.

        Raises:
            ModelProblem: the run ended before the first measurement.
        """
        from safetensors.torch import load_file

        if self.best is None:
            raise ModelProblem(
                f"training ended before step {self._settings.every}, where early_stopping first measures; lower 'every'"
            )
        weights = load_file(self._weights(self.best.step))
        for name, tensor in model.named_parameters():
            if tensor.requires_grad:
                tensor.data.copy_(weights[name])
        return self.best.step

    def callback(self) -> Any:  # noqa: ANN401  # a callback of transformers
        """What a trainer calls after each step."""
        from transformers import TrainerCallback

        stopper, every = self, self._settings.every

        class Callback(TrainerCallback):  # type: ignore[misc]  # transformers has no types
            """Measures every few steps, and after the last."""

            def on_step_end(self, args: Any, state: Any, control: Any, model: Model, **_: Any) -> Any:  # noqa: ANN401, ARG002
                """Called after each optimiser step."""
                if state.global_step % every == 0 or state.global_step == state.max_steps:
                    control.should_training_stop |= stopper.measure(model, state.global_step)
                return control

        return Callback()

    def _save(self, model: Model, step: int) -> None:
        from safetensors.torch import save_file

        weights = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in model.named_parameters()
            if tensor.requires_grad
        }
        part = self._weights(step).with_suffix(".tmp")
        save_file(weights, part)
        part.replace(self._weights(step))

    def _weights(self, step: int) -> Path:
        return self._folder / f"best-{step}.safetensors"
