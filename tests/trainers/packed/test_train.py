"""A pack's products are the ordinary trainer's: the same job, files and receipt, and adapters that PEFT loads."""

import gc
import json
import weakref
from fractions import Fraction

import pytest
import torch
from peft.utils.save_and_load import load_peft_weights

import trainers.packed.train as module
from harness.errors import BadRunDirectory, ModelProblem
from harness.models import identify
from trainers.config import TrainConfig
from trainers.packed.span import Span
from trainers.packed.train import Wanted, train_pack
from trainers.planning.shapes import GROUPS, read_shape
from trainers.product import COMPLETE, failure_of, finished_job
from trainers.sections import Checkpoints, Quantization
from trainers.sft import Watcher, train


@pytest.fixture
def wanted(config, tmp_path) -> list[Wanted]:
    """Three points: other ranks, layers and rates."""
    points = {
        "r2": {"lora": {"rank": 2}},
        "r8-mlp": {"lora": {"rank": 8, "target_modules": "mlp"}},
        "slow": {"optim": {"learning_rate": 1e-3, "weight_decay": 0.1}},
    }
    plain = config.model_dump()
    made = {name: TrainConfig.model_validate(plain | settings) for name, settings in points.items()}
    return [Wanted(each, tmp_path / "pack" / name) for name, each in made.items()]


def weights(folder) -> torch.Tensor:
    """All numbers of an adapter."""
    return torch.cat([tensor.flatten() for _, tensor in sorted(load_peft_weights(folder, device="cpu").items())])


@pytest.mark.parametrize(("kind", "near"), [("none", 1e-3), ("int8", 0.03), ("nf4", 0.03)])
def test_products_are_those_of_trainings_by_themselves(wanted, tmp_path, kind, near):
    """Same job digest, same files, same adapter_config.json and pins; weights within rounding; cost told as a share.

    TRL rounds an adapter to bf16 where its base is quantised, and a pack does not.
    """
    said, quantization = [], Quantization(kind=kind)
    wanted = [Wanted(each.config.model_copy(update={"quantization": quantization}), each.out) for each in wanted]
    assert train_pack(wanted, Watcher(say=said.append)) == {each.out: "" for each in wanted}
    assert "3 adapters in one pass" in said
    for each in wanted:
        trained = train(each.config, tmp_path / "alone" / each.out.name)
        other = tmp_path / "alone" / each.out.name
        assert finished_job(each.out) == finished_job(other)
        assert {path.name for path in each.out.iterdir()} == {path.name for path in other.iterdir()}
        for name in ("adapter_config.json", "tunegate.json"):
            assert json.loads((each.out / name).read_text()) == json.loads((other / name).read_text())
        assert (weights(each.out) - weights(other)).norm() < near * weights(other).norm()
        ours, theirs = (json.loads((folder / "training.json").read_text()) for folder in (each.out, other))
        assert ours.keys() == theirs.keys()
        assert ours["packed"] == {"k": 3, "shared_seconds": pytest.approx(3 * ours["seconds"])}
        assert theirs["packed"] is None
        for key in ("rows", "tokens", "learned_tokens", "steps", "trainable_parameters", "audit", "data_sha256"):
            assert ours[key] == theirs[key]
        assert identify(trained.model).digests
    assert not list(wanted[0].out.parent.glob("*.checkpoints"))


def test_what_is_trained_is_not_trained_again(wanted):
    """A finished point is left as it is, and a pack of finished points reads no rows."""
    train_pack(wanted[:2], Watcher())
    before = [(each.out / COMPLETE).stat().st_mtime_ns for each in wanted[:2]]
    said = []
    train_pack(wanted, Watcher(say=said.append))
    assert "1 adapter in one pass" in said
    assert [(each.out / COMPLETE).stat().st_mtime_ns for each in wanted[:2]] == before
    wanted[0].config.data.unlink()
    wanted[0].config.data.write_text("not JSON")
    with pytest.raises(BadRunDirectory, match="adapter of another configuration, data or base"):
        train_pack(wanted, Watcher())


def test_a_pack_killed_among_its_products_writes_the_rest_without_training(wanted, tmp_path, monkeypatch):
    """One product is there, the process dies: the next goes on from the last step, and its adapters are the same."""
    calm = [Wanted(each.config, tmp_path / "calm" / each.out.name) for each in wanted]
    train_pack(calm, Watcher())
    real, written = module.write_summary, []

    def dies(folder, *rest):
        if written:
            raise KeyboardInterrupt
        written.append(folder)
        return real(folder, *rest)

    monkeypatch.setattr(module, "write_summary", dies)
    with pytest.raises(KeyboardInterrupt):
        train_pack(wanted, Watcher())
    monkeypatch.undo()
    assert [finished_job(each.out) is not None for each in wanted] == [True, False, False]
    said = []
    assert not any(train_pack(wanted, Watcher(say=said.append)).values())
    assert "going on from step 3" in said
    for each, undisturbed in zip(wanted, calm, strict=True):
        assert weights(each.out).equal(weights(undisturbed.out))


def test_a_point_that_diverges_is_told_beside_its_folder_and_the_others_are_made(wanted, monkeypatch):
    """The reason is what the ordinary trainer says; asked again, nothing is trained."""
    real = module.fit_pack

    def spoiled(*args, **kwargs):
        found = real(*args, **kwargs)
        bad = module.replace(found.adapters[1], fault="step 2: loss nan and gradient norm nan are not both finite")
        return module.replace(found, adapters=(found.adapters[0], bad, found.adapters[2]))

    monkeypatch.setattr(module, "fit_pack", spoiled)
    reasons = train_pack(wanted, Watcher())
    assert [bool(reason) for reason in reasons.values()] == [False, True, False]
    assert "training stopped at step 2: loss nan" in reasons[wanted[1].out]
    assert not wanted[1].out.exists()
    assert wanted[1].out.with_name("r8-mlp.failed").read_text().strip() == reasons[wanted[1].out]
    monkeypatch.setattr(module, "fit_pack", None)
    assert train_pack(wanted, Watcher()) == reasons


def test_an_adapter_that_learned_nothing_is_refused(wanted, monkeypatch):
    """Weights that are those of the start make no product."""
    real = module.fit_pack

    def idle(*args, **kwargs):
        found = real(*args, **kwargs)
        still = [module.replace(adapter, factors=adapter.start) for adapter in found.adapters]
        return module.replace(found, adapters=tuple(still))

    monkeypatch.setattr(module, "fit_pack", idle)
    assert all("still those of the start" in reason for reason in train_pack(wanted, Watcher()).values())


def test_a_pack_that_does_not_fit_is_halved(wanted, monkeypatch):
    """Out of memory with three, with two: each is trained; with one there is nothing to halve."""
    real, sizes = module.fit_pack, []

    def small(model, task, **kwargs):
        sizes.append(len(task.members))
        if len(task.members) > limit:
            raise torch.OutOfMemoryError("no room")
        return real(model, task, **kwargs)

    monkeypatch.setattr(module, "fit_pack", small)
    limit = 0
    with pytest.raises(ModelProblem, match="out of memory with one adapter in the pack; train with --no-pack"):
        train_pack(wanted, Watcher())
    assert sizes == [3, 1]
    limit, sizes[:] = 1, []
    assert not any(train_pack(wanted, Watcher()).values())
    assert sizes == [3, 1, 2, 1, 1]


def test_memory_decides_how_many_are_trained_at_once(config):
    """Packs are as few as fit and even in size; the estimate grows with the adapters, ranks and rows."""
    from trainers.encode import EncodedRow
    from trainers.packed.memory import pack_bytes, pack_sizes

    embedded = config.model_copy(update={"model": "embedded"})
    rows = [EncodedRow((1,) * 100, (1,) * 100)]
    one, five = (pack_bytes([embedded] * count, 100, exact=True) for count in (1, 5))
    assert one < five < 5 * one
    wide = embedded.model_copy(update={"lora": embedded.lora.model_copy(update={"rank": 64, "alpha": None})})
    assert pack_bytes([wide], 100, exact=True) > one
    assert pack_sizes([embedded] * 5, rows, five) == [5]
    assert pack_sizes([embedded] * 5, rows, five - 1) == [3, 2]
    assert pack_sizes([embedded] * 5, rows, 1) == [1, 1, 1, 1, 1]
    assert pack_sizes([config.model_copy(update={"model": "unknown/model"})] * 2, rows, 1) == [2]


def test_the_estimate_counts_padding_only_where_there_is_some(config):
    """Narrow adapters beside a wide one cost what it does, unless activations are computed twice: then their own."""
    from trainers.packed.memory import BYTES_A_NUMBER, pack_bytes

    def pack_of(ranks: list[int], *, twice: bool) -> int:
        return pack_bytes(
            [
                config.model_copy(
                    update={
                        "model": "embedded",
                        "gradient_checkpointing": twice,
                        "lora": config.lora.model_copy(update={"rank": rank, "alpha": None}),
                    }
                )
                for rank in ranks
            ],
            100,
            exact=True,
        )

    assert pack_of([64, 1, 1], twice=False) == pack_of([64] * 3, twice=False)
    wide, narrow = (pack_of(ranks, twice=True) for ranks in ([64] * 3, [64, 1, 1]))
    shape = read_shape("embedded")
    assert wide - narrow == BYTES_A_NUMBER * 2 * 63 * shape.adapter_parameters(1, GROUPS["all-linear"])


def test_a_pack_is_freed_before_the_next_one_begins(wanted, monkeypatch):
    """Its parts refer to each other, so somebody has to collect them: two packs would not fit side by side."""
    from trainers.packed import fit

    made = []

    class Seen(fit.Stack):
        """A stack that is watched, not kept."""

        def __init__(self, *args, **kwargs) -> None:
            assert not [earlier for earlier in made if earlier() is not None]
            super().__init__(*args, **kwargs)
            made.append(weakref.ref(self))

    monkeypatch.setattr(fit, "Stack", Seen)
    monkeypatch.setattr(module, "pack_sizes", lambda *_: [1, 1, 1])
    gc.collect()
    gc.disable()
    try:
        train_pack(wanted, Watcher())
    finally:
        gc.enable()
    assert len(made) == 3


@pytest.mark.parametrize("layout", [None, "an older one"])
def test_a_checkpoint_is_gone_on_from_where_its_layout_is_ours(wanted, monkeypatch, layout):
    """What an older version left in the middle of a pack is no checkpoint of this one: it begins anew."""
    often = [
        Wanted(each.config.model_copy(update={"checkpoints": Checkpoints(seconds=0)}), each.out) for each in wanted
    ]

    def stop(done, *_) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as before:
        before.setattr(module, "LAYOUT", layout or module.LAYOUT)
        with pytest.raises(KeyboardInterrupt):
            train_pack(often, Watcher(step=stop))
    said = []
    assert not any(train_pack(often, Watcher(say=said.append)).values())
    assert ("going on from step 1" in said) is (layout is None)


def test_a_pack_shrinks_on_the_way_and_what_is_left_is_what_it_would_have_been(wanted, tmp_path):
    """All to a half of three steps, one of them on to the end: its product is that of the whole pack."""
    half = Fraction(1, 2)
    reached = train_pack(wanted, Watcher(), Span(until=half))
    assert reached == {each.out.with_name(f"{each.out.name}.at-1-2"): "" for each in wanted}
    assert not any(each.out.exists() for each in wanted)
    stopped = wanted[0].out.with_name("r2.at-1-2")
    told = json.loads((stopped / "training.json").read_text())
    assert (told["steps"], len(told["curve"]), told["packed"]["k"]) == (2, 2, 3)
    said = []
    assert train_pack(wanted[2:], Watcher(say=said.append), Span(after=half)) == {wanted[2].out: ""}
    assert "1 adapter in one pass" in said
    whole = [Wanted(each.config, tmp_path / "whole" / each.out.name) for each in wanted]
    train_pack(whole, Watcher())
    assert finished_job(wanted[2].out) == finished_job(whole[2].out)
    ours, theirs = (json.loads((each.out / "training.json").read_text()) for each in (wanted[2], whole[2]))
    assert [point["step"] for point in ours["curve"]] == [1, 2, 3]
    assert (weights(wanted[2].out) - weights(whole[2].out)).norm() < 1e-4 * weights(whole[2].out).norm()
    assert {path.name for path in wanted[2].out.iterdir()} == {path.name for path in whole[2].out.iterdir()}
    share = told["packed"]["shared_seconds"] / 3
    assert ours["seconds"] == pytest.approx(share + ours["packed"]["shared_seconds"] - told["packed"]["shared_seconds"])
    assert ours["packed"]["k"] == theirs["packed"]["k"] == 3
    before = (stopped / COMPLETE).stat().st_mtime_ns
    assert train_pack(wanted, Watcher(), Span(until=half)) == reached
    assert (stopped / COMPLETE).stat().st_mtime_ns == before


def test_what_was_not_begun_cannot_be_gone_on_with(wanted):
    """One line says which folder is not there."""
    with pytest.raises(BadRunDirectory, match=r"r2.at-1-2: holds no training to go on from"):
        train_pack(wanted[:1], Watcher(), Span(after=Fraction(1, 2)))


def test_a_point_that_diverges_on_the_way_is_told_as_one_that_fails(wanted, overflowing_base):
    """The reason lies beside the folder of the whole training, so that nobody tries it again."""
    broken = [Wanted(each.config.model_copy(update={"model": str(overflowing_base)}), each.out) for each in wanted]
    reasons = train_pack(broken, Watcher(), Span(until=Fraction(2, 3)))
    assert all("training stopped at step 1: loss" in reason for reason in reasons.values())
    assert all(failure_of(each.out).exists() for each in wanted)
