"""Predicted memory is what a step keeps alive, tensor by tensor, and what others have measured."""

import warnings
from dataclasses import asdict, replace

import pytest

from harness.quiet import quiet
from tests.bench.memory import TINY, build
from tests.trainers.live import step_bytes
from trainers.planning.claims import published
from trainers.planning.memory import CUBLAS_WORKSPACE, Setup, footprint
from trainers.planning.shapes import GROUPS, known_shapes

SHAPES = known_shapes()
PLAIN = Setup(replace(TINY, layers=6), batch=4, length=96, masked=False, chunked_loss=False)
NF4 = {"quantization": "nf4", "trained_dtype": "bfloat16"}
WIDE = replace(PLAIN.shape, vocab=8000)
CASES = {
    "lora": {},
    "padded": {"masked": True},
    "checkpointing": {"checkpointing": True},
    "qv": {"targets": GROUPS["qv"]},
    "attention": {"targets": GROUPS["attention"]},
    "dora": {"dora": True},
    "bf16-adapter": {"trained_dtype": "bfloat16"},
    "without-autocast": {"autocast": False},
    "float32": {"compute_dtype": "float32"},
    "nf4": NF4,
    "fp4": {**NF4, "quantization": "fp4"},
    "full-bf16": {"method": "full", "trained_dtype": "bfloat16"},
    "full-float32": {"method": "full"},
    "full-checkpointing": {"method": "full", "checkpointing": True},
    "large-vocabulary": {"shape": WIDE},
    "large-vocabulary-checkpointing": {"shape": WIDE, "checkpointing": True},
    "long-rows": {"length": 256, "batch": 2},
}
QUICK = ("lora", "checkpointing", "nf4")
"""The others are slow proofs: ten seconds each."""


def _built(setup):
    with quiet(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`gradient_checkpointing", FutureWarning)
        return build(setup, "cpu")


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_prediction_is_what_a_step_keeps_alive(case):
    """Forward and backward pass need what is predicted within -2 % and +5 %, the optimiser's step exactly that."""
    setup = replace(PLAIN, **CASES[case])
    autocast = setup.autocast and setup.compute_dtype == "bfloat16"
    found = step_bytes(_built(setup), batch=setup.batch, length=setup.length, autocast=autocast, padded=setup.masked)
    moments = {name: size - CUBLAS_WORKSPACE for name, size in footprint(setup).moments}
    passes = max(size for name, size in moments.items() if name != "step")
    assert 0.98 * found["backward"] < passes < 1.05 * found["backward"]
    assert moments["step"] == pytest.approx(found["step"], rel=0.01)


@pytest.mark.slow
def test_padding_repeats_keys_and_keeps_masks():
    """A mask makes sdpa keep keys and values once for every query head, and its own bytes: predicted within 10 %."""
    plain = replace(PLAIN, shape=replace(PLAIN.shape, heads=8, head_dim=32), batch=2, length=192)
    found, predicted = [], []
    for masked in (False, True):
        setup = replace(plain, masked=masked)
        run = {"batch": setup.batch, "length": setup.length, "autocast": True, "padded": masked}
        found.append(step_bytes(_built(setup), **run)["kept"])
        predicted.append(footprint(setup).allocated)
    assert predicted[1] - predicted[0] == pytest.approx(found[1] - found[0], rel=0.1)


@pytest.mark.slow
def test_checkpointing_a_quantised_base_is_predicted_from_above():
    """Where a CPU needs no dequantised copy, the prediction may be high, never low."""
    setup = replace(PLAIN, **NF4, checkpointing=True)
    found = step_bytes(_built(setup), batch=setup.batch, length=setup.length, autocast=True)
    assert found["backward"] < footprint(setup).allocated - CUBLAS_WORKSPACE < 1.15 * found["backward"]


@pytest.mark.parametrize("run", published(), ids=lambda run: run.name)
def test_peaks_that_others_measured(run):
    """PEFT's published peaks are met within 15 %, and never missed by more than 5 % from below."""
    assert 0.95 * run.reserved <= footprint(run.setup).reserved / 2**30 <= 1.15 * run.reserved


@pytest.mark.parametrize(
    ("model", "before", "after"),
    [
        ("Llama-3.2-3B", 6.43, 2.24),
        ("Llama-3.1-8B", 16.06, 5.70),
        ("Qwen2.5-0.5B", 0.99, 0.46),
        ("Llama-2-7b", 13.48, 3.87),
    ],
)
def test_weights_in_nf4(model, before, after):
    """Only linear layers shrink, so that NF4 saves less than four times; GB of weights and scales."""
    sizes = [footprint(Setup(SHAPES[model], quantization=kind)).components for kind in ("none", "nf4")]
    assert [round((each.weights + each.constants) / 1e9, 2) for each in sizes] == [before, after]


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_constants_equal_those_of_a_quantised_layer(kind, double):
    """The scales of a layer that bitsandbytes made take the bytes that are predicted: 0.5 or 0.127 bit a weight."""
    from bitsandbytes.nn import Linear4bit

    layer = Linear4bit(256, 640, bias=False, quant_type=kind, compress_statistics=double).to("cpu")
    state = layer.weight.quant_state
    scales = [state.absmax, state.state2.absmax] if double else [state.absmax]
    measured = sum(tensor.nbytes for tensor in scales)
    one = replace(TINY, layers=1)
    share = 256 * 640 / one.linear_parameters
    predicted = footprint(Setup(one, quantization=kind, double_quantization=double)).components
    assert layer.weight.nbytes == 256 * 640 // 2
    assert predicted.constants * share == pytest.approx(measured, rel=1e-3)
    assert 8 * measured / (256 * 640) == pytest.approx(0.127 if double else 0.5, abs=1e-4)


def test_double_quantisation_saves_0_373_bit():
    """32/64 - (8/64 + 32/(64 * 256)) bit a quantised weight."""
    shape = SHAPES["Llama-3.1-8B"]
    once, twice = (
        footprint(Setup(shape, quantization="nf4", double_quantization=double)).components.constants
        for double in (False, True)
    )
    assert round(8 * (once - twice) / shape.linear_parameters, 3) == 0.373


def test_constants_of_int8_equal_those_of_a_quantised_layer():
    """LLM.int8 keeps one byte a weight and one fp32 scale a row."""
    from bitsandbytes.nn import Linear8bitLt

    layer = Linear8bitLt(256, 640, bias=False, has_fp16_weights=False).to("cpu")
    one = replace(TINY, layers=1)
    found = footprint(Setup(one, quantization="int8")).components
    outputs = sum(linear.outputs for linear in one.linears)
    assert layer.weight.nbytes == 256 * 640
    assert layer.weight.SCB.nbytes == 4 * 640
    assert found.constants == 4 * outputs
    assert found.weights == one.linear_parameters + 2 * one.other_parameters


def test_optimizer_states_of_an_adapter():
    """Rank 16 on an 8B: 0.34 GB of fp32 states, 0.09 GB of 8-bit ones (the guides say 2-4 GB and half of it all)."""
    states = [
        footprint(Setup(SHAPES["Llama-3.1-8B"], optimizer=name)).components.optimizer
        for name in ("adamw", "adamw_8bit")
    ]
    assert [round(size / 1e9, 2) for size in states] == [0.34, 0.09]


@pytest.mark.parametrize("case", CASES)
def test_the_peak_is_the_largest_moment_and_the_sum_of_its_parts(case):
    """Components add up to the peak; the peak is one moment, not the sum of all."""
    found = footprint(replace(PLAIN, **CASES[case]))
    moments = dict(found.moments)
    assert found.allocated == max(moments.values()) == moments[found.moment]
    assert sum(asdict(found.components).values()) == found.peak
    assert found.allocated == found.peak - found.components.runtime


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"batch": 1}, {"batch": 2}),
        ({"length": 128}, {"length": 129}),
        ({"checkpointing": True}, {}),
        ({}, {"chunked_loss": False}),
        ({}, {"packed": True, "batch": 4}),
        ({"masked": False}, {"masked": True}),
        ({}, {"dropout": True}),
        ({"optimizer": "adamw_8bit"}, {}),
        ({"quantization": "nf4"}, {"quantization": "int8"}),
        ({"quantization": "int8"}, {"quantization": "none"}),
        ({"rank": 8}, {"rank": 16}),
        ({}, {"method": "full"}),
    ],
)
def test_what_needs_more(less, more):
    """Each lever moves the predicted peak the way it moves the real one."""
    base = Setup(SHAPES["Llama-3.2-1B"], length=512)
    assert footprint(replace(base, **less)).peak < footprint(replace(base, **more)).peak


def test_accumulation_costs_no_more_than_one_set_of_gradients():
    """Gradients outlive the forward pass when steps accumulate; nothing else does."""
    setup = Setup(SHAPES["Llama-3.2-3B"], chunked_loss=False)
    one, many = footprint(setup), footprint(replace(setup, accumulating=True))
    assert many.allocated - one.allocated == 4 * setup.trained
