"""What five widely read fine-tuning guides say about time and cost, beside what our own figures say."""

from collections.abc import Iterator

from trainers.planning.claim_rows import Claim
from trainers.planning.cost import Work, default_rate, project
from trainers.planning.memory import Setup
from trainers.planning.shapes import Shape, known_shapes

__all__ = ["time_claims"]


def time_claims() -> tuple[Claim, ...]:
    """All claims about time, cost and packing, by row."""
    return (*_times(known_shapes()), *_packing())


def _times(shapes: dict[str, Shape]) -> Iterator[Claim]:
    small, huge = shapes["Llama-3.2-3B"], shapes["Llama-3.1-70B"]
    tokens = 5000 * 3 * 512
    qlora = Setup(small, quantization="nf4", batch=4, length=512, checkpointing=True)
    rate = default_rate(qlora)
    yield Claim(
        69,
        "S0:121",
        "5,000 rows x 3 epochs x 512 tokens on 16 GB: 30-45 min",
        "3B, QLoRA; projected for one H200",
        f"{tokens:,} tokens: the claim needs {tokens / 2700:,.0f}-{tokens / 1800:,.0f} tokens/s; "
        f"one H200 does {rate:,.0f}",
        f"only on a card at {tokens / 2700 / rate:.0%}-{tokens / 1800 / rate:.0%} of an H200's speed; measure the rate",
    )
    large = Setup(huge, quantization="nf4", batch=4, length=512, checkpointing=True)
    hours = project(Work(5000, tokens, exact=False), large).seconds / 3600
    yield Claim(
        70,
        "S2:259-263,396",
        "7B, 3 epochs: 5K rows 1-3 h on 24 GB, 0.75-1.5 h on an A100-40; 50K rows 4-6 h; 70B, 5K rows 2-4 h",
        "rows of 512 tokens; projected for one H200",
        f"5K rows need {tokens / 10800:,.0f}-{tokens / 2700:,.0f} tokens/s, 50K rows in 4-6 h "
        f"{10 * tokens / 21600:,.0f}-{10 * tokens / 14400:,.0f}; 70B on one H200 {hours:.1f} h",
        "contradicts itself: ten times the rows in four to five times the time",
    )
    yield Claim(
        71,
        "S2:261-263,387,396",
        "$1.5-2 an hour; $15-50 for small runs of 45-90 min",
        "hours x price",
        f"${0.75 * 1.5:.1f}-{1.5 * 2:.1f}",
        "contradicts itself",
    )
    yield Claim(
        72,
        "S2:265",
        "several GPUs: 4-6x the cost, 3-4x faster",
        "-",
        "not predicted",
        "out of scope: one GPU is planned",
    )
    yield Claim(
        73,
        "S3:75,217",
        "Unsloth: 2x faster, 60 % less VRAM; T4 under 10 min",
        "1B shape, 4 x 512 tokens, one H200, beside the backend trl",
        "1.8x and 23 % less in bf16; 1.2x and as much in NF4 with checkpointing",
        "less on this card, see measurements.md; a T4 was not tried",
    )


def _packing() -> Iterator[Claim]:
    bound = 2048 / 200
    yield Claim(
        74,
        "S1:88",
        "packing: GPU use 40 % -> 90 %, up to 2x in time",
        "time falls as use rises",
        f"90 / 40 = {90 / 40:.2f}x",
        "consistent with itself",
    )
    yield Claim(
        75,
        "S2:193",
        "packing 200-token rows into 2,048 gives about 10x useful compute",
        "rows padded to 2,048 before; to their batch's longest row, as here, there is little padding to win",
        f"at most {bound:.1f}x",
        "an upper bound; contradicts row 74's 2x",
    )
    yield Claim(
        76,
        "-",
        "no guide says that packing also makes fewer optimiser steps",
        "200-token rows in blocks of 2,048",
        f"{bound:.1f} times fewer steps in the same epochs",
        "compare packed with unpacked runs at equal steps or tokens",
    )
