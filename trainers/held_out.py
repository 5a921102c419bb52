"""The loss of rows that are set aside: what training does to rows like its own that it never sees. It decides nothing.

    rows --set_aside--> learned | held;   every few steps: model, held --> nats a token of their answers

Measured before the first step, every few steps and after the last. What was measured lies in the trainer's own state,
so that an interrupted run goes on with it.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness._response_loss import Forced, Loss, force
from harness.backends import LoadedModel
from harness.errors import BadExamples
from trainers.bases import Model
from trainers.encode import IGNORED_LABEL, EncodedRow

__all__ = ["HeldOutLoss", "observer", "of_history", "set_aside"]

_KEY = "held_out_loss"
_DIGITS = 1 << 64


@dataclass(frozen=True, slots=True)
class HeldOutLoss:
    """The loss after `step` steps, in nats a token of the answers that were set aside, and the seconds it took."""

    step: int
    loss: float
    seconds: float


def set_aside(
    rows: Sequence[EncodedRow], share: float, seed: int
) -> tuple[tuple[EncodedRow, ...], tuple[EncodedRow, ...]]:
    """Rows that are learned, and rows that are not, each in order; equal rows stand on one side.

    Args:
        rows: encoded.
        share: about how much of them is set aside, in (0, 1): each row by a hash of its ids and of `seed`.
        seed: of the training.

    Raises:
        BadExamples: one of the two sides is empty.
    """
    held = [_number(row, seed) < share * _DIGITS for row in rows]
    if not 0 < sum(held) < len(held):
        raise BadExamples(
            f"evaluation.share = {share:g}: sets aside {sum(held)} of {len(held)} rows; give a share that leaves some "
            "on both sides, or another seed"
        )
    learned = tuple(row for row, away in zip(rows, held, strict=True) if not away)
    return learned, tuple(row for row, away in zip(rows, held, strict=True) if away)


def observer(rows: Sequence[EncodedRow], every: int, batch_size: int) -> Any:  # noqa: ANN401  # of transformers
    """A callback that measures the rows and writes the loss into the trainer's history."""
    from transformers import TrainerCallback

    forced = [_forced(row) for row in rows]

    class Observer(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        """Looks at the model before the first step, every few steps, and after the last."""

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Model, **_: Any) -> None:  # noqa: ANN401, ARG002
            """Called once; a run that goes on has this measurement already."""
            if state.global_step == 0:
                self._look(state, model)

        def on_step_end(self, args: Any, state: Any, control: Any, model: Model, **_: Any) -> None:  # noqa: ANN401, ARG002
            """Called after each optimiser step."""
            if state.global_step % every == 0 or state.global_step == state.max_steps:
                self._look(state, model)

        def _look(self, state: Any, model: Model) -> None:  # noqa: ANN401
            started = time.monotonic()
            loss = _mean(model, forced, batch_size)
            entry = {"step": state.global_step, _KEY: loss, "held_out_seconds": time.monotonic() - started}
            state.log_history.append(entry)

    return Observer()


def of_history(history: Sequence[Mapping[str, Any]]) -> tuple[HeldOutLoss, ...]:
    """What `observer` wrote into the history of a trainer, in order."""
    return tuple(
        HeldOutLoss(entry["step"], entry[_KEY], entry["held_out_seconds"]) for entry in history if _KEY in entry
    )


def _mean(model: Model, rows: Sequence[Forced], batch_size: int) -> float:
    """Nats a token over all rows together; dropout is off meanwhile, and no random number is drawn."""
    found: list[Loss] = []
    was_training = model.training
    model.eval()
    try:
        loaded = LoadedModel(model, None, batch_size)
        force(loaded, rows, lambda batch: found.extend(loss for _, loss in batch), name="in training")
    finally:
        model.train(was_training)
    return sum(loss.nats for loss in found) / sum(loss.tokens for loss in found)


def _forced(row: EncodedRow) -> Forced:
    """The learned labels are the end of a row."""
    start = sum(label == IGNORED_LABEL for label in row.labels)
    return Forced(row.input_ids[:start], row.input_ids[start:])


def _number(row: EncodedRow, seed: int) -> int:
    text = json.dumps([seed, row.input_ids, row.rejected.input_ids if row.rejected else None])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
