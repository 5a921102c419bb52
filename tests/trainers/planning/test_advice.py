"""Advice lowers the prediction, and never names what has no effect."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.config import TrainConfig
from trainers.planning.advice import enough, suggestions
from trainers.planning.memory import footprint
from trainers.planning.setups import setup_of
from trainers.planning.shapes import known_shapes

SHAPES = known_shapes()
LONGEST = st.none() | st.integers(16, 4096)


@st.composite
def runs(draw):
    """A configuration that is valid, and the shape of its base."""
    method = draw(st.sampled_from(["sft", "sft", "full", "orpo"]))
    kind = draw(st.sampled_from(["none", "int8", "nf4", "fp4"])) if method != "full" else "none"
    variants = ["lora", "rslora", "dora", *([] if kind != "none" else ["pissa"])]
    config = TrainConfig.model_validate(
        {
            "data": "rows.jsonl",
            "method": method,
            "batch_size": draw(st.integers(1, 64)),
            "accumulation": draw(st.integers(1, 8)),
            "max_length": draw(st.integers(8, 8192)),
            "packing": method != "orpo" and draw(st.booleans()),
            "gradient_checkpointing": draw(st.booleans()),
            "dtype": draw(st.sampled_from(["auto", "float32", "bfloat16"])),
            "lora": {
                "rank": draw(st.integers(1, 256)),
                "alpha": draw(st.integers(1, 512)),
                "dropout": draw(st.sampled_from([0.0, 0.05])),
                "target_modules": draw(st.sampled_from(["all-linear", "attention", "mlp", "qv", ("q_proj",)])),
                "variant": draw(st.sampled_from(variants)),
            },
            "quantization": {"kind": kind, "double": draw(st.booleans())},
            "optim": {"name": draw(st.sampled_from(["adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit"]))},
        }
    )
    return config, SHAPES[draw(st.sampled_from(["Llama-3.2-1B", "Llama-3.1-8B", "Qwen2.5-0.5B"]))]


def _peak(config, shape, longest=None):
    return footprint(setup_of(config, shape, longest=longest)).peak


@settings(deadline=None, max_examples=50)
@given(run=runs(), longest=LONGEST)
def test_every_suggestion_lowers_the_prediction(run, longest):
    """Whatever the run, each suggested configuration is valid, and predicted to need less by what is said."""
    config, shape = run
    before = _peak(config, shape, longest)
    for each in suggestions(config, shape, longest=longest):
        TrainConfig.model_validate(each.config.model_dump())
        assert _peak(each.config, shape, longest) == each.peak < before
        assert each.saves == before - each.peak


@settings(deadline=None, max_examples=50)
@given(run=runs())
def test_alpha_and_accumulation_are_never_suggested(run):
    """Two errors of the guides: alpha has no memory, and fewer accumulated batches free no activation."""
    config, shape = run
    for each in suggestions(config, shape):
        assert each.config.lora.alpha == config.lora.alpha
        assert each.config.accumulation == config.accumulation
        assert "alpha" not in each.change
        assert "accumulation" not in each.change


@settings(deadline=None, max_examples=30)
@given(run=runs(), gib=st.integers(1, 80))
def test_enough_is_enough(run, gib):
    """The combination fits; there is none exactly when the run fits already, or no change is left that helps."""
    config, shape = run
    found = enough(config, shape, gib * 2**30)
    if found is not None:
        assert found.peak == _peak(found.config, shape) <= gib * 2**30 < _peak(config, shape)
    elif _peak(config, shape) > gib * 2**30:
        assert footprint(setup_of(config, shape)).components.weights > 0
        assert _smallest(config, shape) > gib * 2**30


def _smallest(config, shape):
    while found := suggestions(config, shape):
        config = found[0].config
    return _peak(config, shape)


def test_alpha_changes_no_byte():
    """The prediction with alpha 8 is that with alpha 512."""
    shape = SHAPES["Llama-3.2-3B"]
    low, high = (TrainConfig.model_validate({"data": "x", "lora": {"alpha": alpha}}) for alpha in (8, 512))
    assert footprint(setup_of(low, shape)) == footprint(setup_of(high, shape))


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ({}, "gradient_checkpointing false -> true"),
        ({"batch_size": 8}, "batch_size 8 -> 4"),
        ({"max_length": 2048}, "max_length 2048 -> 1024"),
        ({"lora": {"variant": "dora"}}, "lora.variant dora -> lora"),
        ({"quantization": {"kind": "nf4", "double": False}}, "quantization.double false -> true"),
    ],
)
def test_suggestions_are_written_as_in_the_file(values, change):
    """A suggestion names key, old and new value, ready to be copied."""
    config = TrainConfig.model_validate({"data": "x", **values})
    assert change in [each.change for each in suggestions(config, SHAPES["Llama-3.2-3B"])]


def test_a_known_longest_row_makes_max_length_idle():
    """Where no row is longer than 200 tokens, a lower limit above that frees nothing, and is not suggested."""
    config = TrainConfig.model_validate({"data": "x", "max_length": 1024})
    found = suggestions(config, SHAPES["Llama-3.2-3B"], longest=200)
    assert not [each for each in found if each.change.startswith("max_length")]
