"""Sweeps: many training configurations from one, each a candidate of the gate with a readable name.

--sweep rank=8,16 --sweep target_modules=qv,mlp     axes on the command line
--sweep my_sweep.toml                               a file, see below
--sweep rank_by_target                              a file that ships, in trainers/sweeps/

config = "../default.toml"      what every point starts from
rank_by = "exact_match"         suite, or suite:metric, that ranks the points
match_params = true             choose each rank so that all points train as many parameters as the first
set = { rows = 400 }            differs from `config` in all points
grid = { rank = [4, 8], target_modules = ["qv", "mlp"] }
paired = { learning_rate = [2e-3, 1e-3], epochs = [1, 2] }
points = [{ variant = "dora" }, { variant = "rslora", alpha = 16 }]
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import BadSpec, HarnessError
from harness.halving import Reached
from harness.models import locate
from harness.options import Options
from harness.sweeps import Point, Screen
from harness.types import ModelRef
from trainers.axes import Settings, axis_of, combined, grid, key_of, name_of, names_of, paired
from trainers.climbing import reach
from trainers.config import TrainConfig, load_config
from trainers.jobs import Job, train
from trainers.material import job_of, system_text
from trainers.packed.jobs import train_together
from trainers.packed.plan import group
from trainers.packed.span import Span
from trainers.planning.shapes import GROUPS, read_shape
from trainers.record import plain

__all__ = ["SweepSpec", "TrainedSweep", "make_sweep", "read_sweep"]

SHIPPED = Path(__file__).parent / "sweeps"
DEFAULT = Path(__file__).parent / "default.toml"
KEYS = ("config", "rank_by", "match_params", "set", "grid", "paired", "points")
ADAPTERS = "adapters"
ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """What is swept.

    Attributes:
        points: settings of each point.
        config: file of the configuration that they start from; None for the demo's.
        fixed: settings of all points.
        rank_by: what ranks them; empty to let the gates say.
        match_params: whether ranks are chosen so that all train as many parameters as the first.
    """

    points: tuple[Settings, ...]
    config: Path | None = None
    fixed: Settings = field(default_factory=dict)
    rank_by: str = ""
    match_params: bool = False


@dataclass(slots=True)
class TrainedSweep:
    """The points of `--sweep`, trained when they are asked for. Implements `harness.sweeps.Sweep`."""

    options: Options
    configs: Mapping[str, TrainConfig]
    settings: Mapping[str, Settings]
    given: Mapping[str, Settings]
    rank_by: str
    _jobs: dict[str, Job] = field(default_factory=dict)
    _packs: list[tuple[str, ...]] = field(default_factory=list)
    _alone: dict[str, str] = field(default_factory=dict)
    _fresh: set[str] = field(default_factory=set)
    _models: dict[str, ModelRef] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """See `Sweep.names`."""
        return tuple(self.configs)

    def plan(self, base: ModelRef, system: str) -> tuple[Point, ...]:
        """See `Sweep.plan`."""
        folder = locate(base.base, base.revision)
        points = []
        for name, config in self.configs.items():
            asked = config.model_copy(update={"system": system, "system_file": None}) if system else config
            job = job_of(asked, folder, system_text(asked))
            out = self.options.store / ADAPTERS / job[:ID_LENGTH]
            self._jobs[name] = Job(name, asked, out, self.options.device)
            full = asked.method == "full"
            model = replace(
                base,
                name=name,
                base=str(out) if full else base.base,
                revision=None if full else base.revision,
                adapter=None if full else str(out),
                quantization=asked.quantization.label,
                train_config=plain(asked),
            )
            set_, given = _json(self.settings[name]), _json(self.given[name])
            points.append(Point(name, model, set_, job, _parameters(asked), given))
        if not self.options.no_pack:
            packs, self._alone = group({name: job.config for name, job in self._jobs.items()}, folder)
            self._packs = list(packs)
        self._models = {point.name: point.model for point in points}
        return tuple(points)

    @property
    def uncut(self) -> Mapping[str, str]:
        """See `Sweep.uncut`."""
        if self.options.no_pack:
            return dict.fromkeys(self.names, "--no-pack trains it by itself, drop that")
        return {name: f"by itself: {reason}" for name, reason in self._alone.items()}

    def reach(
        self, names: Sequence[str], screen: Screen, *, after: Fraction, until: Fraction
    ) -> Mapping[str, Reached | HarnessError]:
        """See `Sweep.reach`."""
        jobs = {name: self._jobs[name] for name in names}
        return reach(jobs, self._models, tuple(self._packs), screen, Span(after, until))

    def train(self, name: str, screen: Screen) -> bool:
        """See `Sweep.train`. A point's pack is trained with it, and what it brings counts when it is asked for."""
        place = f"{self.names.index(name) + 1} of {len(self.configs)}"
        pack = next((pack for pack in self._packs if name in pack), None)
        if pack is not None and name not in self._fresh:
            jobs = [self._jobs[each] for each in pack]
            trained = train_together(jobs, self._jobs[name], screen, place=place)
            if trained is None:
                self._packs.remove(pack)
            self._fresh |= trained or set()
        if name in self._fresh:
            self._fresh.remove(name)
            return True
        reason = f"; by itself: {self._alone[name]}" if name in self._alone else ""
        return train(self._jobs[name], screen, place=place + reason)


def make_sweep(options: Options) -> TrainedSweep:
    """The sweep that `--sweep`, `--train-config`, `--train-data`, `--model` and `--quantization` describe.

    Raises:
        BadSpec: an axis, file or value is wrong, or two points have one name.
    """
    spec = read_sweep(options.sweep)
    base = _base_config(options, spec)
    if options.quantization != "none":
        kind, _, single = options.quantization.partition("-")
        spec = replace(spec, fixed={**spec.fixed, "quantization.kind": kind, "quantization.double": not single})
    settings = [dict(point) for point in spec.points]
    configs = [_config(base, {**spec.fixed, **point}) for point in settings]
    if spec.match_params:
        for point, rank in zip(settings, _matched(configs), strict=True):
            point["lora.rank"] = rank
        configs = [_config(base, {**spec.fixed, **point}) for point in settings]
    names = names_of(settings)
    return TrainedSweep(
        options=options,
        configs=dict(zip(names, configs, strict=True)),
        settings=dict(zip(names, settings, strict=True)),
        given=dict(zip(names, spec.points, strict=True)),
        rank_by=spec.rank_by,
    )


def read_sweep(words: Sequence[str]) -> SweepSpec:
    """Every `--sweep` of a command line together: each axis and each file multiplies the points.

    Raises:
        BadSpec: a word is no axis, no file and no sweep that ships; two files; or a key or value is wrong.
    """
    axes = [axis_of(word) for word in words if _is_axis(word)]
    files = [_read_file(_file(word)) for word in words if not _is_axis(word)]
    if len(files) > 1:
        raise BadSpec(f"--sweep: {len(files)} files; give one, and axes beside it")
    spec = files[0] if files else SweepSpec(())
    points = combined([part for part in (spec.points, *axes) if part])
    return replace(spec, points=points if words else ())


def _is_axis(word: str) -> bool:
    return "=" in word and not Path(word).exists()


def _file(word: str) -> Path:
    shipped = {path.stem: path for path in SHIPPED.glob("*.toml")}
    if Path(word).is_file():
        return Path(word)
    if word in shipped:
        return shipped[word]
    near = difflib.get_close_matches(word, shipped, n=1, cutoff=0.5)
    hint = (
        f"did you mean {near[0]!r}?" if near else f"write an axis as rank=8,16; sweeps that ship: {', '.join(shipped)}"
    )
    raise BadSpec(f"--sweep {word}: no file, no axis and no sweep that ships; {hint}")


def _read_file(path: Path) -> SweepSpec:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSpec(f"{path}: cannot be read as TOML ({error}); mend the sweep file") from error
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(KEYS)}"
            raise BadSpec(f"{path}: unknown key '{key}'; {hint}")
    try:
        walked = [walk(**values[key]) for key, walk in (("grid", grid), ("paired", paired)) if key in values]
        if "points" in values:
            walked.append(tuple({key_of(name): value for name, value in point.items()} for point in values["points"]))
        points = combined(walked) if walked else ()
        fixed = {key_of(name): value for name, value in values.get("set", {}).items()}
    except (AttributeError, TypeError) as error:
        raise BadSpec(
            f"{path}: grid, paired and set are tables, points a list of tables; see trainers/sweep.py"
        ) from error
    except BadSpec as error:
        raise BadSpec(f"{path}: {error}") from error
    if not points:
        raise BadSpec(f"{path}: has no points; an empty sweep decides nothing, give grid, paired or points")
    config = path.resolve().parent / values["config"] if "config" in values else None
    return SweepSpec(points, config, fixed, str(values.get("rank_by", "")), bool(values.get("match_params", False)))


def _base_config(options: Options, spec: SweepSpec) -> TrainConfig:
    model, _, revision = options.model.partition("@")
    if Path(options.model).exists():
        model, revision = str(Path(options.model).resolve()), ""
    overrides: dict[str, Any] = {"model": model, "revision": revision or None}
    if options.train_data:
        overrides |= {"data": Path(options.train_data).resolve(), "rows": None}
    path = Path(options.train_config) if options.train_config else spec.config or DEFAULT
    return load_config(path, overrides=overrides)


def _config(base: TrainConfig, settings: Settings) -> TrainConfig:
    """`base` with other settings. A rank alone changes no scale: it would act like another learning rate."""
    values = base.model_dump()
    lora = values["lora"]
    scaled = settings.keys() & {"lora.alpha", "lora.scale", "lora.variant"}
    if not scaled and base.lora.alpha is not None:
        lora |= {"alpha": None, "scale": base.lora.effective_scale}
    if scaled & {"lora.alpha", "lora.scale"}:
        lora |= {"alpha": None, "scale": None}
    for key, value in settings.items():
        table, _, leaf = key.rpartition(".")
        (values[table] if table else values)[leaf] = value
    if values["replay_fraction"] == 0:
        values["replay_data"] = None  # a share of nothing, so that 0 may stand on the axis
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the configuration"
        raise BadSpec(f"sweep, point {name_of(settings)}: {where}: {first['msg']}") from error


def _matched(configs: Sequence[TrainConfig]) -> list[int]:
    """For each configuration the rank that comes nearest to the first one's count of trained parameters."""
    wanted = _parameters(configs[0])
    each = [
        _parameters(config.model_copy(update={"lora": config.lora.model_copy(update={"rank": 1})}))
        for config in configs
    ]
    if wanted is None or None in each:
        raise BadSpec("match_params: parameters of this model cannot be counted from its configuration; give ranks")
    return [max(1, round(wanted / (one or 1))) for one in each]


def _parameters(config: TrainConfig) -> int | None:
    """Trained parameters, from the configuration of the model alone; None where they cannot be told."""
    try:
        shape = read_shape(config.model)
    except BadSpec:
        return None
    if config.method == "full":
        return shape.parameters
    wanted = config.lora.target_modules
    targets = GROUPS[wanted] if isinstance(wanted, str) else wanted
    if not set(targets) <= {linear.name for linear in shape.linears}:
        return None
    return shape.adapter_parameters(config.lora.rank, targets, magnitudes=config.lora.variant == "dora")


def _json(settings: Settings) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
