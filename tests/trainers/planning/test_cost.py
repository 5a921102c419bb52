"""Projected time rests on measured rates."""

import pytest

from trainers.planning.cost import Work, default_rate, project
from trainers.planning.memory import Setup
from trainers.planning.shapes import known_shapes

SHAPES = known_shapes()
BATCHES = (1, 2, 4, 8, 16, 32)
STEP_MS = {
    # one H200, rows of 512 tokens, rank 16 on all linear layers, at micro-batches of 1 to 32
    ("Llama-3.2-1B", "none", False): (115, 120, 108, 108, 186, 357),
    ("Llama-3.2-1B", "none", True): (171, 148, 144, 149, 255, 490),
    ("Llama-3.2-3B", "none", False): (149, 141, 141, 221, 421, 819),
    ("Llama-3.2-3B", "none", True): (312, 291, 302, 316, 591, 1150),
    ("Llama-3.2-3B", "nf4", False): (293, 283, 208, 296, 510, 981),
    ("Llama-3.2-3B", "nf4", True): (472, 433, 428, 389, 714, 1371),
}


@pytest.mark.parametrize(("model", "kind", "checkpointing"), STEP_MS)
def test_default_rate_sums_up_what_was_measured(model, kind, checkpointing):
    """The default rate is within 25 % of each of the 36 measured steps."""
    for batch, measured in zip(BATCHES, STEP_MS[model, kind, checkpointing], strict=True):
        setup = Setup(SHAPES[model], quantization=kind, checkpointing=checkpointing, batch=batch, length=512)
        assert 1000 * setup.tokens / default_rate(setup) == pytest.approx(measured, rel=0.25)


def test_a_declared_rate_and_price_are_used():
    """7.2 million tokens at 2,000 a second are an hour; the price is that of an hour."""
    cost = project(
        Work(100, 7_200_000, exact=True), Setup(SHAPES["Llama-3.2-1B"]), tokens_per_second=2000, price_per_hour=2.5
    )
    assert (cost.seconds, cost.price, cost.rate_source) == (3600, 2.5, "declared")


def test_no_price_without_a_declared_one():
    """A price that nobody declared is missing, not 0."""
    cost = project(Work(1, 512, exact=True), Setup(SHAPES["Llama-3.2-1B"]))
    assert cost.price is None
    assert "H200" in cost.rate_source
