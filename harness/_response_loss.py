"""Teacher forcing: how likely a model finds given answers to given prompts, batch by batch on the model in memory."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness._tail_logits import tail_logits
from harness.backends import LoadedModel
from harness.errors import ModelProblem, NotMeasured

__all__ = ["Forced", "Loss", "force"]


@dataclass(frozen=True, slots=True)
class Forced:
    """A prompt and the answer to force, as token ids; neither is empty."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """What an answer costs: `nats` is minus its log-likelihood given the prompt, >= 0, over `tokens` of it."""

    nats: float
    tokens: int


def force(
    loaded: LoadedModel, rows: Sequence[Forced], on_batch: Callable[[Sequence[tuple[int, Loss]]], None], *, name: str
) -> None:
    """Compute the loss of every row; `on_batch` gets (index, Loss) pairs as each batch ends.

    Batches are cut from the rows sorted by length, longest first. One that does not fit into memory is halved.

    Raises:
        ModelProblem: a row is longer than the model's context, or does not fit into memory even alone.
        NotMeasured: a loss is not finite.
    """
    context = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    longest = max((len(row.prompt) + len(row.answer) for row in rows), default=0)
    if context is not None and longest > context:
        raise ModelProblem(
            f"model {name!r}: the longest prompt with its answer has {longest} tokens, its context {context}; "
            "leave such rows out"
        )
    order = sorted(range(len(rows)), key=lambda index: (-len(rows[index].prompt) - len(rows[index].answer), index))
    for start in range(0, len(order), loaded.batch_size):
        batch = order[start : start + loaded.batch_size]
        losses = _losses(loaded.model, [rows[index] for index in batch], name)
        on_batch(list(zip(batch, losses, strict=True)))


def _losses(model: Any, rows: Sequence[Forced], name: str) -> list[Loss]:  # noqa: ANN401  # transformers has no types
    import torch

    try:
        return _pass(model, rows, name)
    except torch.OutOfMemoryError as error:
        if len(rows) == 1:
            raise ModelProblem(
                f"model {name!r}: one row of {len(rows[0].prompt) + len(rows[0].answer)} tokens does not fit into "
                "memory; use a smaller dtype, --quantization, or a larger device"
            ) from error
    torch.cuda.empty_cache()
    middle = len(rows) // 2
    return _losses(model, rows[:middle], name) + _losses(model, rows[middle:], name)


def _pass(model: Any, rows: Sequence[Forced], name: str) -> list[Loss]:  # noqa: ANN401  # likewise
    """One pass; what a row's last token predicts is not asked for, so it is not read."""
    import torch

    read = [(*row.prompt, *row.answer)[:-1] for row in rows]
    width = max(map(len, read))
    tokens = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids in read], device=model.device)  # (B, T)
    logits = tail_logits(model, tokens, longest=max(len(row.answer) for row in rows))  # (B, K, V)
    first = width - logits.shape[1]
    found = []
    for row, ids, scores in zip(rows, read, logits, strict=True):
        end = len(ids) - first
        predicted = scores[end - len(row.answer) : end].float().log_softmax(dim=-1)  # (answer, V)
        wanted = torch.tensor(row.answer, device=model.device).unsqueeze(1)
        nats = -float(predicted.gather(1, wanted).sum(dtype=torch.float64))
        if not math.isfinite(nats):
            raise NotMeasured(
                f"model {name!r}: a loss is not finite ({nats}); its numbers overflow, try --dtype float32"
            )
        found.append(Loss(max(nats, 0.0), len(row.answer)))
    return found
