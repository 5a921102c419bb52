"""What one training run is told, as a TOML or YAML file: every field with its unit, its range, and why it is there.

Unknown keys are refused with the nearest known one. Paths are taken from the folder of the file.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, model_validator

from harness.errors import BadSpec
from trainers.sections import Checkpoints, EarlyStopping, Evaluation, Hub, Lora, Optim, Quantization, Section

__all__ = [
    "Checkpoints",
    "EarlyStopping",
    "Evaluation",
    "Hub",
    "Lora",
    "Optim",
    "Quantization",
    "TrainConfig",
    "explain",
    "load_config",
    "parse",
]

PATH_KEYS = ("data", "system_file", "replay_data", "against")
BRANCHES = ("a path", "a table")  # pydantic puts them into the place of an error

Rows = Annotated[
    Annotated[Path, Tag("a path")] | Annotated[Hub, Tag("a table")],
    Discriminator(lambda value: "a table" if isinstance(value, (dict, Hub)) else "a path"),
]
"""Where rows are: a file, or a data set on the Hub."""


class TrainConfig(Section):
    """One training run. Two equal configurations on equal data and base train equal adapters.

    The effective batch is `batch_size * accumulation` rows.
    """

    model: str = Field(default="embedded", min_length=1, description="`embedded`, a local folder, or a Hub id")
    revision: str | None = Field(default=None, description="commit of a Hub id; pins what `model` means")
    method: Literal["sft", "full", "orpo"] = Field(
        default="sft",
        description="sft trains an adapter, full every weight of a small model, orpo an adapter on preferred answers",
    )
    data: Rows = Field(
        description="training rows: a JSONL or JSON file, or { hub = 'org/name' }; harness/forms.py has their forms"
    )
    rows: int | None = Field(default=None, ge=1, description="train on the first rows of `data` only; all unless given")
    system: str = Field(
        default="", description="system turn put before each row of `data` that has none; measured with it too"
    )
    system_file: Path | None = Field(default=None, description="file that holds `system`, its final line break removed")
    replay_data: Rows | None = Field(
        default=None, description="general rows mixed in, so that old skills are rehearsed"
    )
    replay_fraction: float = Field(
        default=0.0, ge=0, le=0.9, description="share of general rows in the mix, [0, 0.9]; the guides advise 0.1-0.2"
    )
    backend: Literal["trl", "unsloth"] = Field(
        default="trl",
        description="who loads the model: unsloth patches it for speed and memory on a GPU; rows, loop and product "
        "stay the same",
    )
    interpreter: Path | None = Field(
        default=None,
        description="python of the environment that trains, such as /opt/unsloth/bin/python: Unsloth wants other "
        "versions than the gate",
    )
    against: Path | None = Field(
        default=None, description="suites, or rows of another split, that `data` must not leak into; looked at first"
    )
    audit: Literal["refuse", "accept"] = Field(
        default="refuse", description="what to do when `data` breaks a limit of the audit: stop, or train all the same"
    )
    lora: Lora = Field(default=Lora(), description="the adapter")
    quantization: Quantization = Field(default=Quantization(), description="the frozen base's weights")
    optim: Optim = Field(default=Optim(), description="the updates")
    orpo_beta: float = Field(
        default=0.1, gt=0, le=10, description="weight of the odds ratio beside the likelihood; method orpo only"
    )
    checkpoints: Checkpoints = Field(default=Checkpoints(), description="what an interrupted run goes on from")
    early_stopping: EarlyStopping | None = Field(default=None, description="end on a suite's score")
    evaluation: Evaluation | None = Field(default=None, description="the loss of rows that are set aside, to look at")
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
        if self.method == "orpo" and (self.packing or self.replay_data):
            raise ValueError("method 'orpo' knows neither 'packing' nor 'replay_data': its rows are pairs of answers")
        if self.method == "full" and self.quantization.kind != "none":
            raise ValueError("method 'full' trains the weights that 'quantization.kind' would freeze; give 'none'")
        four_bit = self.quantization.kind in ("nf4", "fp4")
        if self.lora.variant == "loftq" and not four_bit:
            raise ValueError("'lora.variant' = 'loftq' makes up for 4-bit rounding; set 'quantization.kind' to 'nf4'")
        if self.lora.variant in ("pissa", "olora") and self.quantization.kind != "none":
            raise ValueError(
                f"'lora.variant' = '{self.lora.variant}' moves weights of the base, which must then not be rounded; "
                "set 'quantization.kind' to 'none', or take 'loftq'"
            )
        if self.backend == "unsloth":
            refuse_for_unsloth(self)
        if self.lora.variant in ("pissa", "olora") and self.checkpoints.keep:
            raise ValueError(f"'checkpoints.keep' needs weights that are saved as they are, not '{self.lora.variant}'")
        return self


def refuse_for_unsloth(config: TrainConfig) -> None:
    """Refuse what Unsloth has not, or has under another meaning (ValueError)."""
    unlike = {
        "method": config.method != "sft",
        "lora.variant": config.lora.variant not in ("lora", "rslora"),
        "packing": config.packing,
        "evaluation": config.evaluation is not None,
        "quantization": config.quantization.label not in ("none", "nf4"),
    }
    if found := [key for key, differs in unlike.items() if differs]:
        raise ValueError(
            f"backend 'unsloth' trains LoRA or rsLoRA by sft, unpacked, on unquantised weights or NF4 with double "
            f"quantisation; change '{found[0]}' or take backend 'trl'"
        )


def load_config(path: Path, *, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a TOML or YAML file and check it.

    Args:
        path: ends in `.yaml` or `.yml` for YAML, else it is TOML; relative paths inside are taken from its folder, a
            model's when there is one.
        overrides: top-level values that replace those of the file, such as `{"model": "embedded"}`.

    Raises:
        BadSpec: the file cannot be read or parsed, or a key or value is wrong; names the file and the key.
    """
    values = parse(path)
    if "base_model" in values:
        raise BadSpec(f"{path}: is written for axolotl; `python -m trainers import-axolotl {path}` translates it")
    try:
        config = TrainConfig.model_validate(values | dict(overrides or {}))
    except ValidationError as error:
        raise BadSpec(f"{path}: {explain(error)}") from error
    folder = path.resolve().parent
    given = {key: getattr(config, key) for key in PATH_KEYS}
    absolute: dict[str, Any] = {
        key: (folder / value).resolve() for key, value in given.items() if isinstance(value, Path)
    }
    if config.interpreter:  # the link itself: followed, it leads out of its environment
        absolute["interpreter"] = Path(os.path.normpath(folder / config.interpreter))
    if "model" not in (overrides or {}) and (folder / config.model / "config.json").is_file():
        absolute["model"] = str((folder / config.model).resolve())
    if stopping := config.early_stopping:
        absolute["early_stopping"] = stopping.model_copy(update={"suite": (folder / stopping.suite).resolve()})
    return config.model_copy(update=absolute)


def parse(path: Path) -> dict[str, Any]:
    """The keys and values of a file, unchecked.

    Raises:
        BadSpec: it cannot be read, or is not what its name says.
    """
    import yaml  # type: ignore[import-untyped]  # it ships no types

    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text) if path.suffix in (".yaml", ".yml") else tomllib.loads(text)
    except OSError as error:
        raise BadSpec(f"{path}: cannot be read ({error.strerror}); check the path of the configuration") from error
    except yaml.YAMLError as error:
        raise BadSpec(f"{path}: not valid YAML ({' '.join(str(error).split())}); fix that line") from error
    except ValueError as error:
        raise BadSpec(f"{path}: not valid TOML ({error}); fix that line") from error
    if not isinstance(values, dict):
        raise BadSpec(f"{path}: holds a {type(values).__name__} instead of keys and values")
    return values


def explain(error: ValidationError) -> str:
    """The first fault, in words, and how many more there are; one line."""
    first, *rest = error.errors(include_url=False)
    place = tuple(part for part in first["loc"] if part not in BRANCHES)
    where = ".".join(str(part) for part in place)
    if first["type"] == "extra_forbidden":
        text = f"unknown key '{where}'; {_suggest(place)}"
    elif first["type"] == "missing":
        text = f"key '{where}' is missing; {_describe(place)}"
    elif first["type"] == "value_error":
        text = str(first["ctx"]["error"])
    else:
        text = f"'{where}' = {first['input']!r}: {first['msg'][0].lower() + first['msg'][1:]}; {_describe(place)}"
    return f"{text} (and {len(rest)} more)" if rest else text


def _fields(location: Iterable[str | int]) -> Mapping[str, Any]:
    """The fields of the section that the keys of `location` lead into."""
    section: Any = TrainConfig
    for part in location:
        field = section.model_fields.get(part)
        inner = _section(field.annotation) if field else None
        if inner is None:
            break
        section = inner
    return dict(section.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  # a type, or a form of typing
    """The table that a field of this type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section(part))), None)


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
