"""What one training run is told, as a TOML file: every field with its unit, its range, and why it is there.

Unknown keys are refused with the nearest known one. Paths are taken from the folder of the TOML file.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import BadSpec

__all__ = ["Lora", "Optim", "Quantization", "TrainConfig", "load_config"]

PATH_KEYS = ("data", "system_file", "replay_data")

Rate = Annotated[float, Field(ge=0, lt=1)]


class _Section(BaseModel):
    """Frozen, and strict about its keys: a mistyped key that is ignored trains something else than was asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Lora(_Section):
    """`[lora]`: the adapter. Its weights add `scale * B(A(x))` to each targeted layer, and B starts at 0."""

    rank: int = Field(
        default=16, ge=1, le=1024, description="inner dimension of A and B, 1-1024; parameters and memory grow with it"
    )
    alpha: float = Field(
        default=32,
        gt=0,
        le=4096,
        description="scale = alpha / rank (rslora: alpha / sqrt(rank)); acts like a learning rate",
    )
    dropout: Rate = Field(
        default=0.0, description="on the adapter's input, [0, 1); 0 is fastest and the guides' choice"
    )
    target_modules: Literal["all-linear", "attention", "mlp", "qv"] | tuple[str, ...] = Field(
        default="all-linear",
        min_length=1,
        description="which linear layers: a named group, or module names; `all-linear` leaves out the output layer",
    )
    variant: Literal["lora", "rslora", "dora"] = Field(
        default="lora",
        description="rslora changes the scale, dora learns a magnitude besides; all start equal to the base",
    )


class Quantization(_Section):
    """`[quantization]`: how the frozen base is held in memory while the adapter trains (QLoRA)."""

    kind: Literal["none", "int8", "nf4"] = Field(
        default="none",
        description="nf4 (with double quantisation) takes an eighth of fp32's memory and rounds the base; "
        "measure the adapter with the same kind",
    )


class Optim(_Section):
    """`[optim]`: how the adapter is updated."""

    name: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = Field(
        default="adamw", description="8-bit states save 6 bytes a trained parameter, which is little for an adapter"
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


class TrainConfig(_Section):
    """One training run. Two equal configurations on equal data and base train equal adapters.

    The effective batch is `batch_size * accumulation` rows.
    """

    model: str = Field(default="embedded", min_length=1, description="`embedded`, a local folder, or a Hub id")
    revision: str | None = Field(default=None, description="commit of a Hub id; pins what `model` means")
    data: Path = Field(description="training rows, JSONL: input/output, prompt/completion or messages")
    rows: int | None = Field(default=None, ge=1, description="train on the first rows of `data` only; all unless given")
    system: str = Field(
        default="", description="system turn put before each row of `data` that has none; measured with it too"
    )
    system_file: Path | None = Field(default=None, description="file that holds `system`, its final line break removed")
    replay_data: Path | None = Field(
        default=None, description="general rows mixed in, so that old skills are rehearsed"
    )
    replay_fraction: float = Field(
        default=0.0, ge=0, le=0.9, description="share of general rows in the mix, [0, 0.9]; the guides advise 0.1-0.2"
    )
    lora: Lora = Field(default=Lora(), description="the adapter")
    quantization: Quantization = Field(default=Quantization(), description="the frozen base's weights")
    optim: Optim = Field(default=Optim(), description="the updates")
    epochs: float = Field(default=1.0, gt=0, le=1000, description="passes over the mix; forgetting grows with them")
    steps: int | None = Field(default=None, ge=1, description="optimiser steps; when given, `epochs` is not used")
    batch_size: int = Field(default=8, ge=1, le=4096, description="rows in one forward pass; sets peak memory")
    accumulation: int = Field(
        default=1, ge=1, le=4096, description="forward passes in one step; larger batches, same memory"
    )
    max_length: int = Field(
        default=1024, ge=8, description="tokens; a longer row is an error, because cutting it cuts answers"
    )
    packing: bool = Field(
        default=False,
        description="join rows into blocks of `max_length` tokens, isolated from each other; for GPUs",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="recompute activations: less memory, a third more time"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the arithmetic; auto is float32 on CPU and bfloat16 on GPU"
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="of A's initial values, the order of rows, and the replayed rows"
    )
    report_to: tuple[Literal["wandb", "mlflow", "tensorboard", "trackio"], ...] = Field(
        default=(), description="experiment trackers that also get the curves; none unless named"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse what is valid field by field and makes no sense together."""
        if self.system and self.system_file:
            raise ValueError("give 'system' or 'system_file', not both")
        if (self.replay_fraction > 0) != (self.replay_data is not None):
            raise ValueError("'replay_fraction' > 0 and 'replay_data' go together; give both or neither")
        return self


def load_config(path: Path, *, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a TOML file and check it.

    Args:
        path: the TOML file; relative paths inside are taken from its folder, a model's when there is one.
        overrides: top-level values that replace those of the file, such as `{"model": "embedded"}`.

    Raises:
        BadSpec: the file cannot be read, is no TOML, or a key or value is wrong; names the file and the key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSpec(f"{path}: cannot be read ({error.strerror}); check the path of the configuration") from error
    except ValueError as error:
        raise BadSpec(f"{path}: not valid TOML ({error}); fix that line") from error
    try:
        config = TrainConfig.model_validate(values | dict(overrides or {}))
    except ValidationError as error:
        raise BadSpec(f"{path}: {_explain(error)}") from error
    folder = path.resolve().parent
    given = {key: getattr(config, key) for key in PATH_KEYS}
    absolute: dict[str, Any] = {key: (folder / value).resolve() for key, value in given.items() if value}
    if "model" not in (overrides or {}) and (folder / config.model / "config.json").is_file():
        absolute["model"] = str((folder / config.model).resolve())
    return config.model_copy(update=absolute)


def _explain(error: ValidationError) -> str:
    """The first fault, in words, and how many more there are."""
    first, *rest = error.errors(include_url=False)
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        text = f"unknown key '{where}'; {_suggest(first['loc'])}"
    elif first["type"] == "missing":
        text = f"key '{where}' is missing; {_describe(first['loc'])}"
    elif first["type"] == "value_error":
        text = str(first["ctx"]["error"])
    else:
        text = (
            f"'{where}' = {first['input']!r}: {first['msg'][0].lower() + first['msg'][1:]}; {_describe(first['loc'])}"
        )
    return f"{text} (and {len(rest)} more)" if rest else text


def _fields(location: Iterable[str | int]) -> Mapping[str, Any]:
    """The fields of the section that the keys of `location` lead into."""
    section: Any = TrainConfig
    for part in location:
        field = section.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            break
        section = field.annotation
    return dict(section.model_fields)


def _suggest(location: tuple[str | int, ...]) -> str:
    known = _fields(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"


def _describe(location: tuple[str | int, ...]) -> str:
    for depth in range(len(location), 0, -1):
        field = _fields(location[: depth - 1]).get(str(location[depth - 1]))
        if field is not None and field.description:
            return str(field.description)
    return "see the fields in trainers/config.py"
