"""Decoding of one left-padded batch, dropping each row the moment it is finished.

A static batch costs its longest answer times all its rows. Here the rows that are done leave the batch and the
cache, so a runaway answer is decoded almost alone. What all prompts begin with (a system text, worked examples) is
read once, by one row.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from harness._tail_logits import WORTHWHILE, repeatable
from harness.backends import Prompt
from harness.backends._grammar import Grammar
from harness.backends._residency import Model
from harness.errors import ModelProblem
from harness.fingerprint import digest
from harness.types import Sampling

__all__ = ["decode"]

Tensor = Any
"""A torch tensor; torch is imported only where something is computed."""


def decode(
    model: Model,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    *,
    stop: frozenset[int],
    grammar: Grammar | None = None,
) -> list[list[int]]:
    """New token ids of each prompt, the stop token included when there is one.

    Args:
        model: in evaluation mode, on its device.
        prompts: at least one; longer than 0 tokens each.
        sampling: greedy when `temperature` is 0. Otherwise every row draws from its own generator, seeded by
            `sampling.seed` and the prompt, so that a draw depends neither on the batch nor on the row's place in it.
        stop: token ids that end an answer; none for answers of full length.
        grammar: with a state for each prompt, what answers are held to; None for no limits.

    Returns:
        One list for each prompt, in order, of 1 to `max_new_tokens` ids.

    Raises:
        ModelProblem: the model keeps no key-value cache.
    """
    import torch

    from harness.backends._cache import with_room

    answers: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))
    choose = _chooser(prompts, sampling)
    stops = torch.tensor(sorted(stop), dtype=torch.long, device=model.device)
    with torch.inference_mode():
        cache = _read_head(model, prompts)
        head = cache.get_seq_length() if cache else 0
        ids, mask = _left_padded(prompts, head, model.device)
        for _ in range(sampling.max_new_tokens):
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            step = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = with_room(getattr(step, "past_key_values", None))
            if cache is None:
                raise ModelProblem(f"{type(model).__name__} keeps no key-value cache, so its rows cannot leave a batch")
            logits = step.logits[:, -1]  # (rows, vocabulary)
            tokens = choose(grammar.mask(logits, alive) if grammar else logits, alive)  # (rows,)
            for row, token in zip(alive, tokens.tolist(), strict=True):
                answers[row].append(token)
            if grammar:
                grammar.advance(alive, tokens.tolist())
            going = torch.isin(tokens, stops, invert=True)
            if not going.any():
                break
            ids, mask = tokens[:, None], torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            if not going.all():
                keep = going.nonzero()[:, 0]
                alive = [alive[row] for row in keep.tolist()]
                ids, mask = ids[keep], mask[keep]
                cache.reorder_cache(keep)  # made for beams; every kind of layer has it, and it may shrink the batch
    return answers


def _read_head(model: Model, prompts: Sequence[Prompt]) -> Any:  # noqa: ANN401  # a cache of transformers
    """The cache of the tokens that all prompts begin with, for every row; None where that is not worth a call."""
    import torch

    first, last = min(prompt.token_ids for prompt in prompts), max(prompt.token_ids for prompt in prompts)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    length = min(alike, len(first) - 1)  # a token of each prompt is left, for its logits
    if len(prompts) == 1 or length < WORTHWHILE:
        return None
    cache = model(torch.tensor([first[:length]], device=model.device), use_cache=True, logits_to_keep=1).past_key_values
    if not repeatable(cache):
        return None
    cache.batch_repeat_interleave(len(prompts))
    return cache


def _left_padded(prompts: Sequence[Prompt], head: int, device: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401  # a torch device
    """Token ids after the first `head`, (rows, longest), and the attention mask of all, (rows, head + longest).

    The id under the padding, which lies between the head and the rest, is never looked at.
    """
    import torch

    width = max(len(prompt.token_ids) for prompt in prompts) - head
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.ones(len(prompts), head + width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        rest = prompt.token_ids[head:]
        ids[row, width - len(rest) :] = torch.tensor(rest)
        mask[row, head : head + width - len(rest)] = 0
    return ids.to(device), mask.to(device)


def _chooser(prompts: Sequence[Prompt], sampling: Sampling) -> Any:  # noqa: ANN401  # (logits, rows) -> token ids
    """How the next token is chosen from logits (rows, vocabulary)."""
    import torch

    if sampling.temperature == 0:
        return lambda logits, _rows: logits.argmax(-1)
    generators = [
        torch.Generator().manual_seed(int(digest([sampling.seed, *prompt.token_ids])[:15], 16)) for prompt in prompts
    ]

    def draw(logits: Tensor, rows: Sequence[int]) -> Tensor:
        chances = _nucleus((logits.float() / sampling.temperature).softmax(-1), sampling.top_p).cpu()
        drawn = [torch.multinomial(chances[i], 1, generator=generators[row]) for i, row in enumerate(rows)]
        return torch.cat(drawn).to(logits.device)

    return draw


def _nucleus(chances: Tensor, top_p: float) -> Tensor:
    """Leave the likeliest tokens whose chances reach `top_p` together; the rest become 0. Rows need not sum to 1."""
    if top_p >= 1:
        return chances
    ordered, places = chances.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return chances.scatter(-1, places, ordered.where(before < top_p, ordered.new_zeros(())))
