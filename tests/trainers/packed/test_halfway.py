"""An adapter that is stopped on the way goes on in other company to what it would have been without the stop."""

from fractions import Fraction

import pytest
import torch

import trainers.packed.fit as loop
from harness.errors import BadRunDirectory, BadSpec
from tests.trainers.packed.running import distance, member, pack
from trainers.packed.halfway import read_halfway, write_halfway
from trainers.packed.span import part_of
from trainers.packed.stack import Factors

QUARTER, HALF = Fraction(1, 4), Fraction(1, 2)


@pytest.fixture
def steps(config):
    """Eight steps of one pass each."""
    return config.model_copy(update={"steps": 8})


MEMBERS = (
    member("a", lora={"dropout": 0.2}, optim={"learning_rate": 0.01, "weight_decay": 0.1}),
    member("b", lora={"rank": 8, "target_modules": "mlp"}, optim={"schedule": "cosine", "learning_rate": 0.005}),
    member("c", seed=3, lora={"rank": 2, "target_modules": "qv"}),
)


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-9), ("float32", 1e-4)])
def test_a_survivor_equals_the_adapter_of_the_full_training(steps, tmp_path, dtype, bound):
    """Three to a quarter, two to a half, one to the end: rate, order, dropout and moments are the full grid's."""
    full = pack(steps, tmp_path / "full", *MEMBERS, dtype=dtype)
    first = pack(steps, tmp_path / "first", *MEMBERS, dtype=dtype, part=QUARTER)
    assert [len(each.curve) for each in first.adapters] == [2, 2, 2]
    begun = []
    for place in (0, 1):
        folder = tmp_path / f"kept-{place}"
        folder.mkdir()
        write_halfway(folder, first.adapters[place].halfway)
        begun.append(read_halfway(folder, "cpu"))
    second = pack(steps, tmp_path / "second", *MEMBERS[:2], dtype=dtype, part=HALF, begun=tuple(begun))
    assert [each.halfway.step for each in second.adapters] == [4, 4]
    last = pack(steps, tmp_path / "last", MEMBERS[1], dtype=dtype, begun=(second.adapters[1].halfway,))
    survivor, whole = last.adapters[0], full.adapters[1]
    assert distance(survivor.factors, whole.factors) < bound
    assert distance(survivor.factors, survivor.start) > 1000 * bound
    assert survivor.halfway is None
    assert [point.step for point in survivor.curve] == list(range(1, 9))
    assert [point.learning_rate for point in survivor.curve] == [point.learning_rate for point in whole.curve]
    assert [point.loss for point in survivor.curve] == pytest.approx([point.loss for point in whole.curve], rel=1e-4)


def test_a_stop_alone_changes_no_bit(steps, tmp_path):
    """In the same company, stopped and taken up again from files, every adapter is the same to the bit."""
    full = pack(steps, tmp_path / "full", *MEMBERS, dtype="float32")
    first = pack(steps, tmp_path / "first", *MEMBERS, dtype="float32", part=HALF)
    begun = tuple(each.halfway for each in first.adapters)
    again = pack(steps, tmp_path / "again", *MEMBERS, dtype="float32", begun=begun)
    assert again.resumed_at == 4
    for one, other in zip(again.adapters, full.adapters, strict=True):
        assert all(
            a.equal(b) for name in one.factors for a, b in zip(one.factors[name], other.factors[name], strict=True)
        )
        assert one.curve == other.curve


def kept_weights(monkeypatch):
    """The weights of the stack after each step, by the number of steps."""
    stacks, seen, plain = [], {}, loop.Stack.__init__

    def init(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        stacks.append(self)

    monkeypatch.setattr(loop.Stack, "__init__", init)
    return seen, lambda done, *_: seen.update({done: stacks[-1].adapter(0)})


def mean(weights, steps):
    """Their mean over some steps."""
    return {
        name: Factors(*(torch.stack([weights[step][name][side] for step in steps]).mean(dim=0) for side in (0, 1)))
        for name in weights[steps[0]]
    }


def test_what_is_measured_on_the_way_is_the_mean_of_the_later_half(steps, tmp_path, monkeypatch):
    """Of the steps so far, in one stretch or two; what goes on are the last weights, and the end is no mean."""
    seen, on_step = kept_weights(monkeypatch)
    half = pack(steps, tmp_path / "half", MEMBERS[0], part=HALF, on_step=on_step).adapters[0]
    assert distance(half.factors, mean(seen, (3, 4))) < 1e-12
    assert distance(half.factors, seen[4]) > 1e-4
    assert distance(half.halfway.factors, seen[4]) == 0
    most = pack(
        steps, tmp_path / "most", MEMBERS[0], part=Fraction(7, 8), begun=(half.halfway,), on_step=on_step
    ).adapters[0]
    assert distance(most.factors, mean(seen, (5, 6, 7))) < 1e-12
    end = pack(steps, tmp_path / "end", MEMBERS[0], begun=(most.halfway,), on_step=on_step).adapters[0]
    assert distance(end.factors, seen[8]) == 0


def test_a_stretch_that_was_killed_goes_on_with_its_mean(steps, tmp_path):
    """After the third of four steps, of which the third counts."""
    often = steps.model_copy(update={"checkpoints": steps.checkpoints.model_copy(update={"seconds": 0})})

    def kill(done, *_):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(often, tmp_path / "killed", MEMBERS[0], part=HALF, on_step=kill)
    again = pack(often, tmp_path / "killed", MEMBERS[0], part=HALF)
    whole = pack(steps, tmp_path / "whole", MEMBERS[0], part=HALF)
    assert again.resumed_at == 3
    assert distance(again.adapters[0].factors, whole.adapters[0].factors) < 1e-12


def test_what_is_kept_on_the_way_comes_back_as_it_was(steps, tmp_path):
    """Every number of the file is the one that was written; a damaged or missing file is told in one line."""
    halfway = pack(steps, tmp_path / "pack", MEMBERS[0], part=HALF).adapters[0].halfway
    write_halfway(tmp_path, halfway)
    found = read_halfway(tmp_path, "cpu")
    assert (found.step, found.steps, found.updates, found.curve) == (4, 8, 4.0, halfway.curve)
    assert found.moments.keys() == {"exp_avg", "exp_avg_sq"}
    for key, factors in (("weights", halfway.factors), *halfway.moments.items()):
        theirs = found.factors if key == "weights" else found.moments[key]
        assert all(torch.equal(a, b) for name in factors for a, b in zip(factors[name], theirs[name], strict=True))
    (tmp_path / "halfway" / "state.json").write_text("{")
    with pytest.raises(BadRunDirectory, match=r"holds no training to go on from .*; remove it"):
        read_halfway(tmp_path, "cpu")
    with pytest.raises(BadRunDirectory, match="holds no training to go on from"):
        read_halfway(tmp_path / "nowhere", "cpu")


def test_a_stop_before_anything_can_be_learned_is_refused(steps, tmp_path):
    """After the first step of a warm-up the adapter is still the base, and nothing could be chosen by it."""
    with pytest.raises(BadSpec, match="halving: 1/8 of 8 steps is 1, too early to tell points apart"):
        pack(steps, tmp_path, MEMBERS[0], part=Fraction(1, 8))


def test_the_folder_of_a_part_is_named_by_it(tmp_path):
    """The whole training's is the folder itself."""
    assert part_of(tmp_path / "job", QUARTER) == tmp_path / "job.at-1-4"
    assert part_of(tmp_path / "job", Fraction(1)) == tmp_path / "job"
