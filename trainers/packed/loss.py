"""The loss of every adapter, from logits that exist a few answers' tokens at a time and nowhere else.

The output layer is frozen, so its gradient with respect to what it reads is worked out while the logits are there.
"""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import ModelProblem
from trainers.bases import Model
from trainers.packed.fused import TRIED, compiled

__all__ = ["answer_losses", "refuse_other_head"]

LOGITS_AT_ONCE = {"cpu": 2**20, "cuda": 2**27}
"""Numbers: on CPU what stays in its cache, on GPU what keeps it busy and is small beside the weights."""


def answer_losses(read: Tensor, head: nn.Linear, labels: Tensor, *, learned: Tensor) -> Tensor:
    """Sum of the negative log-likelihoods over `learned`, in nats.

    Args:
        read: (K, n, h), what the output layer reads at the n places where an answer's token is predicted.
        head: the frozen output layer.
        labels: (n,), the tokens to predict, the same for all adapters; negative ones count for nothing.
        learned: the number of tokens that the sum is divided by: those of the whole step.

    Returns:
        (K,), differentiable with respect to `read`.
    """
    losses: Tensor = _AnswerLosses.apply(read, head.weight, head.bias, labels, learned)
    return losses


def refuse_other_head(model: Model, ids: Tensor) -> None:
    """Refuse a model whose logits are not its output layer's product with what its decoder says (ModelProblem).

    Args:
        model: the base.
        ids: (1, T), a row to try.
    """
    head = model.get_output_embeddings()
    with torch.no_grad():
        whole = model(input_ids=ids, use_cache=False).logits.float()
        ours = head(model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state).float()
    near = whole.isfinite() & ours.isfinite()
    if type(head) is not nn.Linear or not torch.allclose(whole[near], ours[near], rtol=1e-2, atol=1e-2):
        raise ModelProblem("this architecture does more than one product to make logits; train with --no-pack")


def _judged(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Losses (K, c) in nats, and their slope with respect to the logits (K, c, V), for the tokens wanted (K, c, 1)."""
    scores = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    losses = -scores.gather(-1, wanted).squeeze(-1)
    slope = scores.exp_().scatter_add_(-1, wanted, torch.full_like(wanted, -1, dtype=scores.dtype))
    return losses, slope.to(logits.dtype)


def _judged_in_one(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The same of (M, V) and (M, 1), without a step in place, so that a compiler makes one pass of it."""
    scores = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    losses = -scores.gather(-1, wanted).squeeze(-1)
    right = torch.arange(logits.shape[-1], device=logits.device) == wanted
    return losses, torch.where(right, scores.exp() - 1, scores.exp()).to(logits.dtype)


@cache
def _fastest(vocabulary: int, dtype: torch.dtype, device: torch.device) -> Callable[..., tuple[Tensor, Tensor]]:
    """The faster of these: (K, c, V) and (K, c, 1) to (K, c) and (K, c, V), compiled where the host of a GPU can."""
    if device.type == "cpu":
        return _judged
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler about itself
            made = compiled(_judged_in_one)
            tried = torch.zeros(1, TRIED, vocabulary, dtype=dtype, device=device)
            made(tried, torch.zeros(1, TRIED, 1, dtype=torch.long, device=device))
    except torch.OutOfMemoryError:  # which a smaller pack may mend
        raise
    except Exception:  # noqa: BLE001  # whatever a compiler may lack; `fused` has said so
        return _judged
    return made


class _AnswerLosses(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """See `answer_losses`."""

    @staticmethod
    def forward(  # autograd wants every input by itself
        ctx: Any,  # noqa: ANN401  # autograd's context
        read: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        learned: Tensor,
    ) -> Tensor:
        """(K, n, h) -> (K,)."""
        adapters, wide = read.shape[0], torch.promote_types(read.dtype, torch.float32)
        losses = torch.zeros(adapters, dtype=wide, device=read.device)
        grad = torch.empty_like(read)
        counted, labels = (labels >= 0).to(wide), labels.clamp(min=0)
        judged = _fastest(len(weight), read.dtype, read.device)
        size = max(1, LOGITS_AT_ONCE[read.device.type] // (adapters * weight.shape[0]))
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            wanted = labels[part].expand(adapters, -1)[..., None]  # (K, c, 1)
            # one product: of a part that lies apart torch makes K, each with a copy of the weight
            logits = nn.functional.linear(read[:, part].contiguous(), weight, bias)  # (K, c, V)
            each, slope = judged(logits, wanted)
            losses += each @ counted[part]
            grad[:, part] = slope @ weight
        ctx.save_for_backward(grad.mul_((counted / learned).to(grad.dtype)[:, None]))
        return losses / learned

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # autograd's context
        """`outer` is (K,)."""
        (grad,) = ctx.saved_tensors
        return grad * outer.to(grad.dtype)[:, None, None], None, None, None, None
