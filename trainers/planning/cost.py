"""How long training will take and what it will cost: a projection from tokens and a rate, never a measurement."""

from dataclasses import dataclass

from trainers.planning.memory import Setup

__all__ = ["Cost", "Work", "default_rate", "project"]

RATE_SOURCE = (
    "one H200: transformers 5.17, PEFT 0.21, rank 16 on all linear layers of 1B and 3B shapes, rows of 512 tokens, sdpa"
)
LAUNCH_MS = {(False, False): 6.0, (False, True): 10.0, (True, False): 9.0, (True, True): 15.0}
"""Milliseconds of one step and block below which a small batch cannot get, by (quantised, checkpointing)."""
FLOPS = {(False, False): 240e12, (False, True): 175e12, (True, False): 215e12, (True, True): 155e12}
"""Useful floating-point operations a second of a full batch, 4 for each parameter and token, by the same."""
FULL_FLOPS = 6
"""Operations a parameter and token when every weight gets a gradient; LoRA, whose base gets none, has 4."""
LORA_FLOPS = 4


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to train.

    Attributes:
        rows: in one pass, replayed ones included.
        tokens: seen in the whole run.
        exact: tokens were counted with the base's tokenizer; if not, every row counts as `max_length` tokens.
    """

    rows: int
    tokens: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """A projection.

    Attributes:
        tokens_per_second: the rate it rests on, > 0.
        rate_source: who says so.
        seconds: of training, without loading and evaluation.
        price: in the currency of the price per hour; None when none was declared.
    """

    tokens_per_second: float
    rate_source: str
    seconds: float
    price: float | None


def default_rate(setup: Setup) -> float:
    """Tokens a second on one H200; see `RATE_SOURCE`. Other GPUs differ by their own factor.

    The step takes the larger of a launch-bound and a compute-bound time. Within 25 % of the 36 measurements
    that it sums up.
    """
    key = (setup.quantization != "none", setup.checkpointing)
    launch = LAUNCH_MS[key] * setup.shape.layers / 1000
    work = setup.shape.parameters * (FULL_FLOPS if setup.method == "full" else LORA_FLOPS) / FLOPS[key]
    return setup.tokens / max(launch, setup.tokens * work)


def project(
    work: Work, setup: Setup, *, tokens_per_second: float | None = None, price_per_hour: float | None = None
) -> Cost:
    """Time and price of a run.

    Args:
        work: what there is to train.
        setup: how; read only for the default rate.
        tokens_per_second: measured by the caller, > 0; the default is `default_rate`.
        price_per_hour: in any currency, >= 0.
    """
    rate = tokens_per_second or default_rate(setup)
    seconds = work.tokens / rate
    return Cost(
        tokens_per_second=rate,
        rate_source="declared" if tokens_per_second else RATE_SOURCE,
        seconds=seconds,
        price=None if price_per_hour is None else seconds / 3600 * price_per_hour,
    )
