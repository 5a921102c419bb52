"""What one adapter of a pack does to the others: nothing, whether it diverges, is wider, drops out or is resumed."""

import math
from contextlib import nullcontext

import pytest
import torch

from tests.trainers.packed.running import distance, member, pack


@pytest.fixture
def steps(config):
    """Eight steps of one pass each, with a checkpoint after each."""
    return config.model_copy(update={"steps": 8, "checkpoints": config.checkpoints.model_copy(update={"seconds": 0})})


def same(one, other) -> bool:
    """Whether two adapters are equal to the bit."""
    return all(a.equal(b) for name in one for a, b in zip(one[name], other[name], strict=True))


@pytest.fixture
def stacks(monkeypatch):
    """Every stack that is made, to look into and to spoil."""
    import trainers.packed.fit as module

    made = []

    class Kept(module.Stack):
        """A stack that is not forgotten."""

        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(module, "Stack", Kept)
    return made


def spoiled(stacks, row, after):
    """A callback that makes an adapter's numbers infinite after so many steps: what a rate that is too high ends in."""

    def on_step(done, *_) -> None:
        if done == after:
            stack = stacks[-1]
            stack.own(stack.weights)[row].mul_(float("inf"))

    return on_step


def test_an_adapter_that_diverges_is_given_up_and_leaves_the_others_untouched(steps, tmp_path, stacks):
    """Its curve ends where it stopped being finite; the others are what they are beside a sound one, bit for bit."""
    said = []
    members = member("a"), member("wild", seed=5), member("b", seed=2, lora={"target_modules": "mlp", "dropout": 0.1})
    sound = pack(steps, tmp_path / "sound", *members, dtype="float32")
    wild = pack(
        steps, tmp_path / "wild", *members, dtype="float32", say=said.append, on_step=spoiled(stacks, row=1, after=3)
    )
    assert "step 4: loss nan and gradient norm nan are not both finite" in wild.adapters[1].fault
    assert len(wild.adapters[1].curve) == 4
    assert math.isnan(wild.adapters[1].curve[-1].loss)
    assert not any(part.any() for factors in wild.adapters[1].factors.values() for part in factors)  # 0, so finite
    assert said == [f"wild is given up at {wild.adapters[1].fault}; the others go on"]
    for place in (0, 2):
        assert not wild.adapters[place].fault
        assert len(wild.adapters[place].curve) == 8
        assert same(wild.adapters[place].factors, sound.adapters[place].factors)


def test_a_pack_whose_adapters_all_diverge_ends(steps, tmp_path, overflowing_base):
    """Nobody is left to go on for."""
    broken = steps.model_copy(update={"model": str(overflowing_base)})
    adapters = pack(broken, tmp_path / "pack", member("a"), member("b", seed=1), dtype="float32").adapters
    assert [len(each.curve) for each in adapters] == [1, 1]
    assert ["step 1: loss" in each.fault for each in adapters] == [True, True], adapters[0].fault


def test_rank_padding_and_layers_left_alone_are_inert(steps, tmp_path, stacks):
    """Beside a wide adapter on all layers, what pads a narrow one on few is 0 before and after training, exactly."""
    narrow = member("narrow", lora={"rank": 4, "target_modules": "qv"}, optim={"weight_decay": 0.1})
    trained = pack(steps, tmp_path, narrow, member("wide", lora={"rank": 32}, optim={"weight_decay": 0.1}))
    (stack,) = stacks
    held, wide = (
        sum(tensor.numel() for factors in adapter.factors.values() for tensor in factors)
        for adapter in trained.adapters
    )
    assert stack.weights.numel() == 2 * wide > 16 * held
    assert int((stack.weights[wide:] != 0).sum()) == held  # row 1: most layers come first


def test_whoever_wants_memory_gets_the_same_adapters_of_a_stack_without_padding(steps, tmp_path, stacks):
    """With activations computed twice, unlike adapters hold their own numbers alone, and end where they would have."""
    members = (
        member("narrow", lora={"rank": 4, "target_modules": "qv", "dropout": 0.2}),
        member("wide", lora={"rank": 32}),
        member("other", lora={"rank": 4, "target_modules": "qv"}, optim={"learning_rate": 1e-3}),
        member("mlp", lora={"rank": 8, "target_modules": "mlp"}),
    )
    plain = pack(steps, tmp_path / "plain", *members, dtype="float64").adapters
    lean = pack(
        steps.model_copy(update={"gradient_checkpointing": True}), tmp_path / "lean", *members, dtype="float64"
    ).adapters
    for one, other in zip(lean, plain, strict=True):
        assert distance(one.factors, other.factors) < 1e-9
    padded, tight = stacks
    held = sum(tensor.numel() for each in lean for factors in each.factors.values() for tensor in factors)
    assert tight.weights.numel() == held < padded.weights.numel() / 2


@pytest.mark.parametrize("at", [1, 5, 8])
def test_a_run_that_was_killed_goes_on_to_the_same_adapters(steps, tmp_path, stacks, at):
    """From the checkpoint of any step, the last one too; what was given up stays so, and the curve is whole."""
    members = member("a", lora={"dropout": 0.2}), member("wild"), member("b", lora={"rank": 8, "target_modules": "mlp"})
    calm = pack(steps, tmp_path / "calm", *members, dtype="float32", on_step=spoiled(stacks, row=1, after=2))

    class Killed(Exception):
        """Ends the run."""

    def kill(done, *_) -> None:
        spoiled(stacks, row=1, after=2)(done)
        if done == at + 1:
            raise Killed

    with pytest.raises(Killed) if at < 8 else nullcontext():
        pack(steps, tmp_path / "killed", *members, dtype="float32", on_step=kill)
    assert len(list((tmp_path / "killed").glob("checkpoint-*"))) == min(at, 2)
    resumed = pack(steps, tmp_path / "killed", *members, dtype="float32", on_step=spoiled(stacks, row=1, after=2))
    assert resumed.resumed_at == at
    for one, other in zip(resumed.adapters, calm.adapters, strict=True):
        assert same(one.factors, other.factors)
        assert repr(one.curve) == repr(other.curve)  # NaN equals itself in writing
        assert one.fault == other.fault


def test_dropout_changes_what_is_learned_and_differs_by_seed(steps, tmp_path):
    """The masks are there, and another seed draws others; A's first values are the only other thing that it decides."""
    with_dropout = [member(f"{seed}", seed=0, lora={"dropout": rate}) for seed, rate in enumerate((0.0, 0.3))]
    plain, dropped = pack(steps, tmp_path / "a", *with_dropout).adapters
    assert same(plain.start, dropped.start)
    assert distance(dropped.factors, plain.factors) > 0.01
    one, other = (
        pack(steps, tmp_path / name, member(seed=seed, lora={"dropout": 0.3})) for name, seed in (("b", 0), ("c", 1))
    )
    assert one.adapters[0].curve[0].grad_norm != other.adapters[0].curve[0].grad_norm
    assert same(one.adapters[0].factors, dropped.factors) or distance(one.adapters[0].factors, dropped.factors) < 1e-9


def test_checkpointing_activations_changes_nothing(steps, tmp_path):
    """What is computed twice is computed alike, dropout included."""
    members = member("a", lora={"dropout": 0.2}), member("b", lora={"rank": 8})
    kept = pack(steps, tmp_path / "kept", *members)
    again = pack(steps.model_copy(update={"gradient_checkpointing": True}), tmp_path / "again", *members)
    for one, other in zip(kept.adapters, again.adapters, strict=True):
        assert distance(one.factors, other.factors) < 1e-9


@pytest.mark.parametrize(("kind", "dtype"), [("nf4", "float32"), ("int8", "float32"), ("none", "bfloat16")])
def test_packed_equals_solo_on_a_quantised_base_and_in_bf16(steps, tmp_path, kind, dtype):
    """The distance to the solo run is rounding; the factors are kept in fp32 while products are in lower precision."""
    members = (
        member("a", optim={"learning_rate": 0.01}),
        member("b", seed=2, lora={"rank": 8, "target_modules": "mlp"}, optim={"learning_rate": 0.01}),
    )
    together = pack(steps, tmp_path / "pack", *members, dtype=dtype, quantization=kind)
    for packed in together.adapters:
        alone = pack(steps, tmp_path / packed.member.name, packed.member, dtype=dtype, quantization=kind).adapters[0]
        moved = distance(packed.factors, packed.start)
        assert distance(packed.factors, alone.factors) < (1e-4 if dtype == "float32" else 0.2 * moved)
        assert next(iter(packed.factors.values())).a.dtype == torch.float32
        assert packed.curve[-1].loss < packed.curve[0].loss - 0.2
