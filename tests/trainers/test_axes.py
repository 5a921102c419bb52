"""The axes of a sweep: which points they make, how points are called, and what is refused."""

import pytest

from harness.errors import BadSpec
from trainers.axes import axis_of, combined, grid, key_of, names_of, paired


def test_grid_is_every_combination_in_order():
    """The last axis changes fastest, and short names become dotted keys."""
    assert grid(rank=[8, 16], target_modules=["qv", "mlp"]) == (
        {"lora.rank": 8, "lora.target_modules": "qv"},
        {"lora.rank": 8, "lora.target_modules": "mlp"},
        {"lora.rank": 16, "lora.target_modules": "qv"},
        {"lora.rank": 16, "lora.target_modules": "mlp"},
    )


def test_paired_axes_are_walked_together():
    """First values with first values; a value may come twice."""
    assert paired(rank=[8, 8], learning_rate=[1e-3, 2e-3]) == (
        {"lora.rank": 8, "optim.learning_rate": 1e-3},
        {"lora.rank": 8, "optim.learning_rate": 2e-3},
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: grid(rank=8), r"rank = 8 must be a list; did you mean rank = \[8\]"),
        (lambda: grid(target_modules="qv"), r"did you mean target_modules = \['qv'\]"),
        (lambda: grid(rank=[]), "an empty sweep decides nothing"),
        (lambda: grid(rank=[8, 8]), "holds a value twice"),
        (lambda: grid(rnk=[8]), "unknown axis 'rnk'; did you mean 'rank'"),
        (lambda: grid(colour=[8]), "unknown axis 'colour'"),
        (lambda: key_of("keep_going"), "unknown axis"),
        (lambda: paired(rank=[8, 16], epochs=[1]), "rank has 2, epochs has 1"),
        (lambda: axis_of("rank="), "a value is missing; write rank=8,16"),
        (lambda: axis_of("rank=8,,16"), "a value is missing"),
        (lambda: combined([grid(rank=[8]), grid(rank=[16])]), "'lora.rank' is set twice"),
        (lambda: names_of([{"lora.rank": 8}, {"lora.rank": 8}]), "two points are called"),
    ],
)
def test_mistake_is_named_with_its_remedy(make, message):
    """A bare value where a list is meant, an empty or repeated axis, and an unknown one say what to write instead."""
    with pytest.raises(BadSpec, match=message):
        make()


def test_command_line_values_have_their_types():
    """Numbers, truth values, words, and module names joined by `+`."""
    assert axis_of("rank=8,16") == ({"lora.rank": 8}, {"lora.rank": 16})
    assert axis_of("lr=2e-3, 1e-3") == ({"optim.learning_rate": 2e-3}, {"optim.learning_rate": 1e-3})
    assert axis_of("packing=true") == ({"packing": True},)
    assert axis_of("target_modules=q_proj+v_proj,mlp") == (
        {"lora.target_modules": ["q_proj", "v_proj"]},
        {"lora.target_modules": "mlp"},
    )


@pytest.mark.parametrize(
    ("points", "names"),
    [
        (grid(rank=[16], target_modules=["all-linear", "qv"]), ["all-linear", "qv"]),
        (grid(rank=[8, 16], target_modules=["all-linear", "qv"])[:1], ["r8-all-linear"]),
        (grid(learning_rate=[2e-3, 5e-4]), ["lr2e-3", "lr5e-4"]),
        (grid(quantization=["none", "nf4"]), ["unquantised", "nf4"]),
        (grid(replay_fraction=[0.0, 0.15]), ["replay0", "replay0.15"]),
        (grid(target_modules=[["q_proj", "v_proj"], "mlp"]), ["q_proj+v_proj", "mlp"]),
        (grid(packing=[True, False]), ["packing", "no-packing"]),
        (grid(data=[{"hub": "Org/Name"}, "b.jsonl"]), ["data-org-name", "data-b.jsonl"]),
        ([{"lora.variant": "dora"}, {"lora.alpha": 32}], ["dora", "a32"]),
    ],
)
def test_names_say_what_differs(points, names):
    """A point is called by the keys in which it differs from others, in words that are safe in file names."""
    assert names_of(points) == names
