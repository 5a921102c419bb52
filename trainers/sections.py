"""The tables of a training configuration: every field with its unit, its range, and why it is there."""

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Checkpoints", "EarlyStopping", "Evaluation", "Hub", "Lora", "Optim", "Quantization", "Section"]

Rate = Annotated[float, Field(ge=0, lt=1)]

DEFAULT_SCALE = 2.0
"""alpha / rank where neither is given: the usual alpha = 2 * rank."""


class Section(BaseModel):
    """Frozen, and strict about its keys: a mistyped key that is ignored trains something else than was asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Hub(Section):
    """`data = { hub = "org/name" }`: rows of a data set on the Hub, downloaded once and cached."""

    hub: str = Field(min_length=1, description="id of the data set, such as `org/name`")
    split: str = Field(default="train", min_length=1, description="which split; held-out rows stay out of training")
    subset: str | None = Field(default=None, description="configuration of the data set, when it has several")
    revision: str | None = Field(default=None, description="commit; pins what the rows are")


class Lora(Section):
    """`[lora]`: the adapter. Its weights add `scale * B(A(x))` to each targeted layer.

    B starts at 0, so the start equals the base, for all variants but these. `pissa` and `olora` move part of the base
    into the adapter while it trains; what is saved is an ordinary LoRA of twice the rank on the untouched base.
    `loftq` starts from what 4-bit rounding has lost. `eva` chooses A from the activations that the rows cause.
    """

    rank: int = Field(
        default=16, ge=1, le=1024, description="inner dimension of A and B, 1-1024; parameters and memory grow with it"
    )
    alpha: float | None = Field(
        default=None,
        gt=0,
        le=65536,
        description="sets the scale to alpha / rank (rslora: alpha / sqrt(rank)); give it or `scale`",
    )
    scale: float | None = Field(
        default=None,
        gt=0,
        le=1024,
        description="factor of B(A(x)), 2 unless given; acts like a learning rate, and stays put when the rank changes",
    )
    dropout: Rate = Field(
        default=0.0, description="on the adapter's input, [0, 1); 0 is fastest and the guides' choice"
    )
    target_modules: Literal["all-linear", "attention", "mlp", "qv"] | tuple[str, ...] = Field(
        default="all-linear",
        min_length=1,
        description="which linear layers: a named group, or module names; `all-linear` leaves out the output layer",
    )
    variant: Literal["lora", "rslora", "dora", "pissa", "olora", "eva", "loftq"] = Field(
        default="lora",
        description="rslora changes the scale, dora learns a magnitude besides, the others start from other A and B",
    )

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        """Refuse two ways to say one number."""
        if self.alpha is not None and self.scale is not None:
            raise ValueError("give 'lora.alpha' or 'lora.scale', not both")
        return self

    @property
    def effective_scale(self) -> float:
        """What B(A(x)) is multiplied by."""
        if self.alpha is not None:
            return self.alpha / self._divisor
        return self.scale if self.scale is not None else DEFAULT_SCALE

    @property
    def effective_alpha(self) -> float:
        """The alpha of this scale at this rank, in PEFT's convention."""
        return self.alpha if self.alpha is not None else self.effective_scale * self._divisor

    @property
    def _divisor(self) -> float:
        return math.sqrt(self.rank) if self.variant == "rslora" else self.rank


class Quantization(Section):
    """`[quantization]`: how the frozen base is held in memory while the adapter trains (QLoRA)."""

    kind: Literal["none", "int8", "nf4", "fp4"] = Field(
        default="none",
        description="nf4 and fp4 take an eighth of fp32's memory and round the base; measure with the same kind",
    )
    double: bool = Field(
        default=True, description="quantise the 4-bit scales too, which saves 0.37 bit a weight; 4-bit kinds only"
    )

    @property
    def label(self) -> str:
        """How a measurement names this: `none`, `int8`, `nf4`, `fp4`; `nf4-single`, `fp4-single` with exact scales."""
        return self.kind if self.double or self.kind in ("none", "int8") else f"{self.kind}-single"


class Optim(Section):
    """`[optim]`: how the trained weights are updated."""

    name: Literal["adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit"] = Field(
        default="adamw",
        description="8-bit states save 6 bytes a trained parameter, which is little for an adapter; paged ones move "
        "to host memory when the GPU's is full",
    )
    learning_rate: float = Field(
        default=2e-4, gt=0, le=1, description="peak step size, (0, 1]; LoRA wants about 10x that of full fine-tuning"
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="cosine", description="decay after warm-up; linear and cosine end at 0"
    )
    warmup: Rate = Field(
        default=0.05, description="share of the steps with a rising rate, [0, 1); early Adam steps are noisy"
    )
    weight_decay: float = Field(
        default=0.0, ge=0, le=1, description="per step, times the rate, [0, 1]; rarely helps adapters"
    )
    max_grad_norm: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="gradients are scaled down to this L2 norm; guards against single bad batches",
    )


class Checkpoints(Section):
    """`[checkpoints]`: what an interrupted run goes on from. How often they are written changes no result."""

    seconds: float = Field(
        default=60.0, ge=0, le=86400, description="least time between two; 0 writes one after every step"
    )
    keep: int = Field(
        default=0,
        ge=0,
        le=100,
        description="how many adapters from along the way, evenly spaced, the product also holds; for trajectories",
    )


class EarlyStopping(Section):
    """`[early_stopping]`: end when a suite's score stops rising, and keep the best weights. Loss decides nothing."""

    suite: Path = Field(description="file that defines `suite`; use other rows than those that the gates judge")
    metric: str | None = Field(default=None, description="which metric's mean counts; the suite's first unless given")
    every: int = Field(default=50, ge=1, description="steps between two measurements")
    patience: int = Field(default=2, ge=1, le=100, description="measurements without a gain that end the run")
    min_gain: float = Field(default=0.0, ge=0, lt=1, description="a smaller rise of the score, in [0, 1), is no gain")
    limit: int | None = Field(default=None, ge=1, description="measure a fixed slice of so many examples; all unless")


class Evaluation(Section):
    """`[evaluation]`: set rows aside, and measure their loss along the way. It decides nothing; gates decide."""

    share: float = Field(default=0.05, gt=0, lt=1, description="share of `data` that is set aside and not learned")
    every: int = Field(default=50, ge=1, description="steps between two measurements")
