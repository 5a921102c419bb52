"""Tails of logits: the same numbers as a pass over everything, from less work."""

import pytest
import torch

from harness._tail_logits import repeatable, tail_logits
from tests.tiny import make_base


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(make_base(tmp_path_factory.mktemp("tiny") / "base")).eval()


@pytest.fixture
def widths(model):
    """The shapes of the tokens that the model is called with."""
    seen = []
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(tuple((args or (kwargs["input_ids"],))[0].shape)), with_kwargs=True
    )
    yield seen
    hook.remove()


def rows(shared, lengths, width):
    """Rows that begin alike, differ then, and are filled up with zeros."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 200, (len(lengths), width), generator=generator)
    tokens[:, :shared] = tokens[0, :shared]
    tokens[:, shared] = torch.arange(1, len(lengths) + 1)
    for row, length in enumerate(lengths):
        tokens[row, length:] = 0
    return tokens


@pytest.mark.parametrize(("shared", "calls"), [(20, [(1, 20), (3, 12)]), (7, [(3, 32)])])
def test_the_tail_has_the_logits_of_the_whole(model, widths, shared, calls):
    """Rows of 28 to 32 tokens with options of 2 need the last 7 positions; a long common head is read once."""
    tokens = rows(shared, [32, 30, 28], 32)
    tail = tail_logits(model, tokens, longest=2)
    assert widths == calls
    with torch.inference_mode():
        whole = model(tokens, use_cache=False).logits
    assert tail.shape[1] == 7
    assert torch.allclose(tail, whole[:, -7:], atol=1e-5)
    assert not torch.allclose(tail, whole[:, -8:-1], atol=1e-3)


def test_a_head_never_reaches_into_the_tail(model, widths):
    """Rows that are all alike still get logits for every position that an option needs."""
    tokens = rows(0, [32], 32).repeat(3, 1)
    assert tail_logits(model, tokens, longest=3).shape[1] == 4
    assert widths == [(1, 28), (3, 4)]


def test_a_real_token_0_at_the_end_only_lengthens_the_tail(model):
    """It looks like filling, so one position more is kept."""
    tokens = rows(0, [32, 32], 32)
    tokens[0, -1] = 0
    assert tail_logits(model, tokens, longest=1).shape[1] == 3


def test_only_caches_of_all_positions_are_shared():
    """A window or a recurrent state has no prefix to share."""
    from transformers import DynamicCache

    assert not repeatable(None)
    assert not repeatable(DynamicCache())
