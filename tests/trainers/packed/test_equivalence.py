"""A packed adapter is the adapter that it would have been alone, and alone it is the ordinary trainer's."""

import pytest
import torch

import trainers.packed.fit as loop
from tests.trainers.packed.running import distance, member, ordinary, pack

UNLIKE = (
    member("small", lora={"rank": 4, "target_modules": "qv"}),
    member("wide", seed=3, lora={"rank": 64, "alpha": 16}, optim={"learning_rate": 5e-4, "schedule": "constant"}),
    member("mlp", lora={"rank": 8, "target_modules": "mlp", "variant": "rslora", "alpha": 8}),
    member("decayed", optim={"weight_decay": 0.1, "schedule": "linear", "max_grad_norm": 0.05, "warmup": 0.3}),
    member("dropped", seed=1, lora={"rank": 16, "dropout": 0.3, "target_modules": ("o_proj", "down_proj")}),
)
"""All that may differ within a pack."""


@pytest.fixture
def steps(config):
    """Twenty steps of two passes each, of rows that differ in length."""
    return config.model_copy(update={"steps": 20, "batch_size": 2, "accumulation": 2})


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-9), ("float32", 1e-4)])
def test_every_packed_adapter_equals_its_solo_run(steps, tmp_path, dtype, bound):
    """Of five adapters of other ranks, layers, scales, rates, decays, dropouts and seeds, each ends where it would."""
    together = pack(steps, tmp_path / "pack", *UNLIKE, dtype=dtype)
    for packed in together.adapters:
        alone = pack(steps, tmp_path / packed.member.name, packed.member, dtype=dtype).adapters[0]
        assert packed.fault == alone.fault == ""
        assert distance(packed.factors, alone.factors) < bound
        assert distance(packed.factors, packed.start) > 0.001
        assert [point.loss for point in packed.curve] == pytest.approx([point.loss for point in alone.curve], rel=bound)


def test_tokens_that_rows_share_teach_as_if_they_were_there_in_each(steps, tmp_path, monkeypatch):
    """The rows begin with the same instructions: with those once and with those in every row, the same adapters.

    Not to the last digits of float64: the model's norms round to float32 on the way, and sums come in another order.
    """
    members = [
        each for each in UNLIKE if not each.lora.dropout
    ]  # whose masks are of tokens, however many rows have them
    shared = pack(steps, tmp_path / "shared", *members)
    counted = {True: 0, False: 0}
    plain = loop.Stream

    def stream(rows, config, device, *, multiple, share):
        assert share
        made = {once: plain(rows, config, device, multiple=multiple, share=once) for once in counted}
        for once, each in made.items():
            counted[once] = sum(batch.ids.numel() for batch in each.step(0).batches)
        return made[False]

    monkeypatch.setattr(loop, "Stream", stream)
    apart = pack(steps, tmp_path / "apart", *members)
    assert counted[True] < 0.9 * counted[False]
    for one, other in zip(shared.adapters, apart.adapters, strict=True):
        assert distance(one.factors, other.factors) < 1e-6


def test_tokens_that_only_fill_up_teach_nothing(steps, tmp_path, monkeypatch):
    """Where steps are replayed, sizes are multiples: with the same rows and 64 of everything, the same adapters."""
    plain = pack(steps, tmp_path / "plain", *UNLIKE)
    sizes = []

    class Filled(loop.Stream):
        """As on a GPU."""

        def __init__(self, rows, config, device, *, multiple, share) -> None:
            super().__init__(rows, config, device, multiple=64 * multiple, share=share)

        def step(self, number):
            found = super().step(number)
            sizes.extend((batch.ids.shape[1], batch.rows.longest, len(batch.labels)) for batch in found.batches)
            return found

    monkeypatch.setattr(loop, "Stream", Filled)
    filled = pack(steps, tmp_path / "filled", *UNLIKE)
    assert all(size % 64 == 0 for each in sizes for size in each)
    assert len(set(sizes)) < 10
    for one, other in zip(filled.adapters, plain.adapters, strict=True):
        if not one.member.lora.dropout:  # masks are drawn for all tokens
            assert distance(one.factors, other.factors) < 1e-6
            assert [point.loss for point in one.curve] == pytest.approx([point.loss for point in other.curve])


@pytest.mark.parametrize(
    ("seed", "lora", "optim"),
    [
        (0, {"rank": 4}, {"schedule": "cosine", "warmup": 0.2}),
        (
            3,
            {"rank": 16, "target_modules": "attention", "variant": "rslora", "alpha": 8},
            {"schedule": "linear", "warmup": 0.0},
        ),
        (1, {"rank": 3, "target_modules": "mlp"}, {"schedule": "constant", "weight_decay": 0.1, "max_grad_norm": 0.1}),
    ],
)
def test_a_pack_of_one_equals_the_ordinary_trainer(steps, tmp_path, seed, lora, optim):
    """TRL's trainer on the same configuration: the same losses, norms, rates and epochs, and the same adapter."""
    one = member(seed=seed, lora=lora, optim={"learning_rate": 2e-3} | optim)
    config = steps.model_copy(update={"lora": one.lora, "optim": one.optim, "seed": seed})
    (packed,) = pack(config, tmp_path / "pack", one, dtype="float32").adapters
    factors, curve = ordinary(config, tmp_path / "ordinary")
    assert distance(packed.factors, factors) < 1e-4
    assert len(packed.curve) == len(curve) == 20
    for ours, theirs in zip(packed.curve, curve, strict=True):
        assert (ours.step, ours.epoch) == (theirs.step, pytest.approx(theirs.epoch))
        assert ours.learning_rate == pytest.approx(theirs.learning_rate)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        # at one step of these the norm is ten times as sensitive to rounding as at any other: 1.1e-3 in fp32, 9e-5 in
        # float64, where the adapters are 8e-6 apart
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=5e-3)


def test_the_base_is_left_as_it_was(steps, tmp_path, base):
    """After a pack the model has its own layers back, and answers to the bit what it answered before."""
    from tests.trainers.packed.running import rows_of
    from trainers.bases import load_base
    from trainers.packed.fit import PackTask, fit_pack
    from trainers.sections import Quantization

    model = load_base(base, dtype="float32", quantization=Quantization(), device="cpu")
    ids, names = torch.tensor([[1, 20, 30, 40]]), [name for name, _ in model.named_modules()]
    with torch.inference_mode():
        before = model.eval()(ids).logits
    config = steps.model_copy(update={"steps": 1})
    fit_pack(model, PackTask(config, UNLIKE, rows_of(config), tmp_path, "job"), on_step=lambda *_: None, say=print)
    with torch.inference_mode():
        assert model.eval()(ids).logits.equal(before)
    assert [name for name, _ in model.named_modules()] == names
