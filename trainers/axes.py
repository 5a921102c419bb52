"""The axes of a sweep: which keys of a training configuration vary, over which values, and what the points are called.

    grid(rank=[8, 16], target_modules=["qv", "mlp"])     four points
    paired(rank=[8, 16], learning_rate=[4e-3, 2e-3])     two points: the lists are walked together

A point is a mapping of dotted keys (`lora.rank`) to values.
"""

import difflib
import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.errors import BadSpec
from trainers.config import TrainConfig

__all__ = ["Settings", "axis_of", "combined", "grid", "key_of", "name_of", "names_of", "paired"]

Settings = Mapping[str, Any]
"""Dotted key of a training configuration -> value."""

ALIASES = {"lr": "optim.learning_rate", "quantization": "quantization.kind", "target": "lora.target_modules"}
LABELS = {
    "lora.rank": "r",
    "lora.alpha": "a",
    "lora.scale": "s",
    "lora.target_modules": "",
    "lora.variant": "",
    "lora.dropout": "drop",
    "optim.learning_rate": "lr",
    "optim.name": "",
    "quantization.kind": "",
    "replay_fraction": "replay",
    "rows": "n",
    "epochs": "e",
    "batch_size": "b",
    "method": "",
    "backend": "",
}
"""What stands before a value in a point's name; other keys stand there themselves."""

WORDS = {("quantization.kind", "none"): "unquantised"}
MAX_NAME = 80


def grid(**axes: Any) -> tuple[Settings, ...]:  # noqa: ANN401  # values of any type
    """Every combination of the axes' values, the last axis changing fastest.

    Raises:
        BadSpec: an axis is no list, empty, unknown, or holds a value twice.
    """
    lists = {key_of(name): _values(name, values) for name, values in axes.items()}
    return tuple(dict(zip(lists, combination, strict=True)) for combination in itertools.product(*lists.values()))


def paired(**axes: Any) -> tuple[Settings, ...]:  # noqa: ANN401  # values of any type
    """The axes walked together: first values, second values, and so on.

    Raises:
        BadSpec: an axis is no list, empty or unknown, or their lengths differ.
    """
    lists = {key_of(name): _values(name, values, repeats=True) for name, values in axes.items()}
    lengths = {name: len(values) for name, values in axes.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise BadSpec(f"paired axes are walked together, but {told}; give lists of one length, or make it a grid")
    return tuple(dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True))


def combined(parts: Sequence[Sequence[Settings]]) -> tuple[Settings, ...]:
    """Every combination of one point from each part.

    Raises:
        BadSpec: two parts set one key.
    """
    points: list[Settings] = []
    for some in itertools.product(*parts):
        merged: dict[str, Any] = {}
        for settings in some:
            if both := merged.keys() & settings.keys():
                raise BadSpec(f"sweep: '{min(both)}' is set twice; give each axis once")
            merged |= settings
        points.append(merged)
    return tuple(points)


def axis_of(text: str) -> tuple[Settings, ...]:
    """The points of `rank=8,16,32`, as the command line has it. Module names of one value are joined by `+`.

    Raises:
        BadSpec: no values, or an unknown key.
    """
    name, _, values = text.partition("=")
    words = [word.strip() for word in values.split(",")]
    if not all(words):
        raise BadSpec(f"--sweep {text}: a value is missing; write {name}=8,16")
    return grid(**{name.strip(): [_value(word) for word in words]})


def key_of(name: str) -> str:
    """The dotted key that an axis means: `rank` is `lora.rank`, `learning_rate` is `optim.learning_rate`.

    Raises:
        BadSpec: no key of the training configuration is called so, or several tables have it.
    """
    known = _keys()
    if name in known or name in ALIASES:
        return ALIASES.get(name, name)
    found = [key for key in known if key.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadSpec(f"sweep: '{name}' may be any of {', '.join(found)}; write it out")
    leaves = [key.rpartition(".")[2] for key in known]
    near = difflib.get_close_matches(name, leaves, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known axes: {', '.join(dict.fromkeys(leaves))}"
    raise BadSpec(f"sweep: unknown axis '{name}'; {hint}")


def name_of(settings: Settings) -> str:
    """A readable id, safe in file names and test ids: `r16-all-linear`, `r8-lr2e-3`."""
    words = [_label(key, value) for key, value in settings.items()]
    name = re.sub(r"[^a-z0-9.+_-]+", "-", "-".join(words).lower()).strip("-.")
    return name[:MAX_NAME] or "defaults"


def names_of(points: Sequence[Settings]) -> list[str]:
    """A name for each point, from the keys in which points differ.

    Raises:
        BadSpec: two points have one name.
    """
    varied = {key for point in points for key in point if any(other.get(key, ...) != point[key] for other in points)}
    names = [name_of({key: value for key, value in point.items() if key in varied or not varied}) for point in points]
    for name in names:
        if names.count(name) > 1:
            raise BadSpec(f"sweep: two points are called {name!r}; let them differ in the keys that they set")
    return names


def _label(key: str, value: Any) -> str:  # noqa: ANN401  # a value of any type
    before = LABELS.get(key, key.rpartition(".")[2].replace("_", "-"))
    if word := WORDS.get((key, str(value))):
        return word
    if isinstance(value, bool):
        return before if value else f"no-{before}"
    if isinstance(value, Mapping):
        return "-".join([before, *map(str, value.values())])
    return before + ("" if key in LABELS or isinstance(value, int | float) else "-") + _text(value)


def _text(value: Any) -> str:  # noqa: ANN401  # a value of any type
    if isinstance(value, float):
        plain = f"{value:g}"
        mantissa, _, exponent = f"{value:e}".partition("e")
        short = f"{float(mantissa):g}e{int(exponent)}"
        return short if 0 < value < 0.01 else plain  # noqa: PLR2004  # rates read better as 2e-3
    if isinstance(value, list | tuple):
        return "+".join(str(part) for part in value)
    return Path(value).stem if isinstance(value, Path) else str(value)


def _values(name: str, values: Any, *, repeats: bool = False) -> list[Any]:  # noqa: ANN401  # a value of any type
    if not isinstance(values, list | tuple):
        raise BadSpec(f"sweep: {name} = {values!r} must be a list; did you mean {name} = [{values!r}]?")
    if not values:
        raise BadSpec(f"sweep: {name} = [] has no values; an empty sweep decides nothing")
    if not repeats and any(value in values[:place] for place, value in enumerate(values)):
        raise BadSpec(f"sweep: {name} = {list(values)!r} holds a value twice; each point is trained once")
    return list(values)


def _value(word: str) -> Any:  # noqa: ANN401  # a value of any type
    """A number, a truth value, a list joined by `+`, or the word itself."""
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word.split("+") if "+" in word else word


def _keys() -> list[str]:
    """Every key that may vary, tables by their keys."""
    keys: list[str] = []
    for name, field in TrainConfig.model_fields.items():
        if isinstance(field.default, BaseModel):
            keys += [f"{name}.{inner}" for inner in type(field.default).model_fields]
        else:
            keys.append(name)
    return keys
