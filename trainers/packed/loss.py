"""The loss of every adapter, from logits that exist a few answers' tokens at a time and nowhere else.

The output layer is frozen, so its gradient with respect to what it reads is worked out while the logits are there.
"""

from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import ModelProblem
from trainers.bases import Model

__all__ = ["answer_losses", "refuse_other_head"]

LOGITS_AT_ONCE = {"cpu": 2**20, "cuda": 2**26}
"""Numbers: on CPU what stays in its cache, on GPU what keeps it busy and is small beside the weights."""


def answer_losses(read: Tensor, head: nn.Linear, labels: Tensor, *, learned: int) -> Tensor:
    """Sum of the negative log-likelihoods over `learned`, in nats.

    Args:
        read: (K, n, h), what the output layer reads at the n places where an answer's token is predicted.
        head: the frozen output layer.
        labels: (n,), the tokens to predict, the same for all adapters.
        learned: tokens that the sum is divided by: those of the whole step.

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


class _AnswerLosses(torch.autograd.Function):  # type: ignore[misc]  # torch is read without its types
    """See `answer_losses`."""

    @staticmethod
    def forward(  # autograd wants every input by itself
        ctx: Any,  # noqa: ANN401  # autograd's context
        read: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        learned: int,
    ) -> Tensor:
        """(K, n, h) -> (K,)."""
        adapters, wide = read.shape[0], torch.promote_types(read.dtype, torch.float32)
        losses = torch.zeros(adapters, dtype=wide, device=read.device)
        grad = torch.empty_like(read)
        size = max(1, LOGITS_AT_ONCE[read.device.type] // (adapters * weight.shape[0]))
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            wanted = labels[part].expand(adapters, -1)[..., None]  # (K, c, 1)
            logits = nn.functional.linear(read[:, part], weight, bias).to(wide)  # (K, c, V)
            scores = torch.log_softmax(logits, dim=-1)
            losses -= scores.gather(-1, wanted).sum(dim=(1, 2))
            slope = scores.exp_().scatter_add_(-1, wanted, torch.full_like(wanted, -1, dtype=wide))
            grad[:, part] = slope.to(read.dtype) @ weight
        ctx.save_for_backward(grad.div_(learned))
        return losses / learned

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # autograd's context
        """`outer` is (K,)."""
        (grad,) = ctx.saved_tensors
        return grad * outer.to(grad.dtype)[:, None, None], None, None, None, None
