"""The arithmetic between linear layers: one kernel on a GPU where the model's own code starts six to ten.

A step of a pack moves more bytes in norms, rotations and activations than in all adapters, because each of their
elementary operations reads and writes all tokens. On a GPU norms become torch's own fused one; rotations and gated
activations are compiled. On a CPU, where compiling takes longer than many a training, they are those of `by_hand`.
Each replacement is tried beside what it replaces, and stays only where both agree.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from trainers.bases import Model
from trainers.packed import by_hand
from trainers.packed.agree import agree

__all__ = ["TRIED", "compiled", "fused"]

TRIED = 512
"""Tokens of a try: as a batch has, since a compiler makes kernels for what it sees first, and enough for a GPU."""
ROTATION = "apply_rotary_pos_emb"
"""What the families that are packed call the rotation of queries and keys, in the module of their attention."""


@contextmanager
def fused(model: Model, say: Callable[[str], None]) -> Iterator[None]:
    """Have `model` move less meanwhile.

    Args:
        model: the base, on its device.
        say: told when compiling does not work here, and the model's own code is used.
    """
    with ExitStack() as changed:
        for module in model.modules():
            if (norm := _norm(module)) is not None:
                changed.enter_context(patch.object(module, "forward", norm))
        if model.device.type == "cuda":
            _compile_between(model, changed, say)
        else:
            _replace_between(model, changed, by_hand.rotated, by_hand.gated)
        yield


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` in as few kernels as can be, the same ones for any number of adapters and tokens.

    torch makes other kernels for a size of 1, and for a size that changes those of the one that came first. So that an
    adapter learns the same in any company, tokens of all adapters are one dimension that may have any size from the
    beginning, and all others are fixed.

    Args:
        function: of tensors (M, ...), to one or several of them, which looks at one of the M at a time. The first call
            decides what its kernels suit, so try it with many.

    Returns:
        The same of tensors (K, N, ...).
    """
    made = torch.compile(function)

    def at_tokens(*tensors: Tensor) -> Any:  # noqa: ANN401  # as the function
        flat = [tensor.flatten(0, 1).contiguous() for tensor in tensors]
        for tensor in flat:
            torch._dynamo.maybe_mark_dynamic(tensor, 0)  # noqa: SLF001  # documented, but not exported
            for at in range(1, tensor.ndim):
                torch._dynamo.mark_static(tensor, at)  # noqa: SLF001
        outer = tensors[0].shape[:2]
        return tree_map(lambda found: found.unflatten(0, outer), made(*flat))

    return at_tokens


def _norm(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """A faster norm for one of transformers; None for what is none."""
    weight, epsilon = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
    if weight is None or epsilon is None:
        return None

    def norm(x: Tensor) -> Tensor:
        if x.is_cuda:
            return nn.functional.rms_norm(x, weight.shape, weight, epsilon)
        return by_hand.normed(x, weight, epsilon)

    x = torch.randn(2, 3, len(weight), device=weight.device, dtype=weight.dtype)
    return norm if agree(norm(x), module(x)) else None


def _compile_between(model: Model, changed: ExitStack, say: Callable[[str], None]) -> None:
    """Compile rotations and gated activations, after a try."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler about itself
            gated = _gated(model.get_decoder().layers[0].mlp.act_fn)
            _replace_between(model, changed, _rotated(compiled(_turned)), compiled(gated))
    except torch.OutOfMemoryError:  # which a smaller pack may mend
        raise
    except Exception as error:  # noqa: BLE001  # whatever a compiler, its cache or a driver may lack
        reason = str(error).strip().partition("\n")[0]
        say(f"torch.compile does not work here ({type(error).__name__}: {reason[:200]}); the model's own code is used")


def _replace_between(
    model: Model, changed: ExitStack, rotate: Callable[..., Any], gate: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Put in what rotates and what gates, where both agree with the model's own."""
    layer = model.get_decoder().layers[0]
    home = sys.modules[type(layer.self_attn).__module__]
    mlps = [module for module in model.modules() if type(module) is type(layer.mlp)]
    if not (_rotates(rotate, getattr(home, ROTATION), model) and _gates(gate, layer.mlp, model)):
        return
    changed.enter_context(patch.object(home, ROTATION, rotate))
    for mlp in mlps:
        changed.enter_context(patch.object(mlp, "forward", _mlp(mlp, gate)))


def _rotated(turned: Callable[..., Any]) -> Callable[..., Any]:
    """A rotation of queries and keys (K, heads, N, D), which takes tokens before heads, as they lie in memory."""

    def rotated(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        around = (part.expand(len(q), -1, -1) for part in (cos, sin))
        q, k = turned(q.transpose(1, 2), k.transpose(1, 2), *around)
        return q.transpose(1, 2), k.transpose(1, 2)

    return rotated


def _turned(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys (M, heads, D) turned by angles (M, D): x cos + (-x2, x1) sin of its halves x1 and x2.

    Halves change places by their index, so that a kernel reads each number once.
    """
    half = cos.shape[-1] // 2
    signed = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)[:, None]
    around = cos[:, None]

    def one(x: Tensor) -> Tensor:
        other = x.unflatten(-1, (2, half)).flip(-2).flatten(-2)
        return x * around + other * signed

    return one(q), one(k)


def _gated(act: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def gated(gate: Tensor, up: Tensor) -> Tensor:
        return act(gate) * up

    return gated


def _mlp(mlp: nn.Module, gated: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        found: Tensor = mlp.down_proj(gated(mlp.gate_proj(x), mlp.up_proj(x)))
        return found

    return forward


def _rotates(mine: Callable[..., Any], theirs: Callable[..., Any], model: Model) -> bool:
    shape = model.config
    width = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    q, k = (_random(model, 2, TRIED, heads, width) for heads in (shape.num_attention_heads, shape.num_key_value_heads))
    angles = _random(model, 1, TRIED, width).detach()
    around = angles.cos(), angles.sin()
    turned = [part.transpose(1, 2) for part in (q, k)]
    found, expected = (function(*turned, *around) for function in (mine, theirs))
    sum(part.sum() for part in found).backward()
    return all(agree(one, other) for one, other in zip(found, expected, strict=True))


def _gates(mine: Callable[..., Any], mlp: nn.Module, model: Model) -> bool:
    gate, up = (_random(model, 2, TRIED, model.config.intermediate_size) for _ in range(2))
    found = mine(gate, up)
    found.sum().backward()
    x = _random(model, 1, 5, model.config.hidden_size).detach()
    return agree(found, mlp.act_fn(gate) * up) and agree(_mlp(mlp, mine)(x), mlp(x))


def _random(model: Model, *shape: int) -> Tensor:
    return torch.randn(*shape, device=model.device, dtype=model.get_input_embeddings().weight.dtype).requires_grad_()
