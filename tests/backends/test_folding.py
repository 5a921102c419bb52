"""Folding: an adapter added to the base's weights answers as its own layers do, and leaves the base as it was."""

from dataclasses import replace

import pytest
import torch

from harness.backends import _folding
from harness.backends._residency import Residency
from harness.backends.hf import HfBackend
from harness.types import Sampling
from tests.tiny import make_adapter

TOKENS = torch.arange(20, 60).reshape(2, 20)


def logits(residency, model):
    """Logits of two rows, (2, 20, V)."""
    with torch.inference_mode():
        return residency.switch(model)(TOKENS).logits


def test_a_folded_adapter_answers_as_its_own_layers_do(ask, base, candidate):
    """Logits agree to rounding, tokens exactly, and no layer of the adapter is called."""
    folded, apart = Residency("cpu"), Residency("cpu", fold=False)
    ours, theirs = logits(folded, candidate), logits(apart, candidate)
    assert torch.allclose(ours, theirs, atol=0.01)  # random weights this wide make 1e-7 of a weight 1e-3 of a logit
    assert not torch.equal(ours, theirs)  # another order of adding: the two ways are told apart
    assert not torch.allclose(ours, logits(folded, base), atol=0.1)
    answers = [ask(HfBackend("cpu", 16, fold=fold), candidate, Sampling(12)) for fold in (True, False)]
    assert answers[0] == answers[1]


def test_the_base_comes_back_bit_for_bit(base, candidate, base_folder, tmp_path):
    """However often an adapter is folded in and another one takes its place."""
    residency = Residency("cpu")
    other = replace(candidate, name="other", adapter=str(make_adapter(base_folder, tmp_path / "other", seed=5)))
    alone = logits(residency, base)
    first = logits(residency, candidate)
    for model in (other, candidate, base, other):
        logits(residency, model)
        assert torch.equal(logits(residency, base), alone)
    assert torch.equal(logits(residency, candidate), first)


@pytest.mark.parametrize(
    "kind",
    [{"use_dora": True}, {"target_modules": ["lm_head", "q_proj"]}],
    ids=["dora", "shared weights"],
)
def test_what_is_more_than_a_sum_of_weights_is_not_folded(kind, base, base_folder, tmp_path, recwarn):
    """Such adapters answer through PEFT's own layers, as they did."""
    adapter = make_adapter(base_folder, tmp_path / "lora", seed=3, **kind)
    model = replace(base, name="lora", adapter=str(adapter))
    residency = Residency("cpu")
    ours = logits(residency, model)
    assert residency._folding is None
    assert torch.equal(ours, logits(Residency("cpu", fold=False), model))
    recwarn.clear()  # PEFT warns of weights that are shared


def test_fewer_bits_and_large_layers_are_not_folded(candidate, monkeypatch):
    """A sum in bfloat16 loses part of the adapter; a copy of large layers takes memory and saves little time."""
    short = Residency("cpu")
    short.switch(replace(candidate, dtype="bfloat16"))
    assert short._folding is None
    whole = Residency("cpu")
    whole.switch(candidate)
    assert whole._folding is not None
    monkeypatch.setattr(_folding, "MOST_BYTES", 1000)
    small = Residency("cpu")
    small.switch(candidate)
    assert small._folding is None


def test_a_sum_that_answers_otherwise_is_not_used(candidate, monkeypatch):
    """The probes are asked both ways, so that a library's mistake in adding up changes no answer."""
    from peft.tuners.lora import Linear

    right = logits(Residency("cpu", fold=False), candidate)
    added = Linear.get_delta_weight
    monkeypatch.setattr(Linear, "get_delta_weight", lambda layer, slot: added(layer, slot) * 0.5)
    assert torch.equal(logits(Residency("cpu"), candidate), right)
