"""Memory, time and price of a run before it is started: a TOML file in, a plan out. Needs no GPU, weights or network.

`model` and `[lora]` are enough. With `data`, and a tokenizer beside the model, rows and tokens are counted; without,
every row is taken to be `max_length` tokens long.
"""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import BadSpec
from harness.forms import TrainRow
from harness.outputs import write_output
from harness.types import Json
from trainers.config import TrainConfig, load_config
from trainers.planning.advice import Suggestion, enough, suggestions
from trainers.planning.cost import Cost, Work, project
from trainers.planning.memory import Footprint, footprint
from trainers.planning.setups import setup_of
from trainers.planning.shapes import Shape, read_shape
from trainers.rows import mix, read_rows

__all__ = ["Declared", "Plan", "as_json", "as_text", "make_plan", "parse_size", "write_json"]

UNITS = {"": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Declared:
    """What the caller says of the machine.

    Attributes:
        gpu_memory: bytes of one GPU, or None.
        price_per_hour: in any currency, or None.
        tokens_per_second: measured on that machine, or None for a projection.
    """

    gpu_memory: int | None = None
    price_per_hour: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a run beforehand.

    Attributes:
        shape: of the base.
        footprint: predicted memory.
        length: tokens of a row in the prediction; `measured` says whether it is the longest row's.
        measured: rows were counted with the base's tokenizer.
        work, cost: None when no data are named.
        gpu_memory: bytes that were declared, or None.
        advice: single changes that lower the peak, gentlest first.
        enough: changes that together fit, when the run does not.
    """

    shape: Shape
    footprint: Footprint
    length: int
    measured: bool
    work: Work | None
    cost: Cost | None
    gpu_memory: int | None
    advice: tuple[Suggestion, ...]
    enough: Suggestion | None

    @property
    def fits(self) -> bool | None:
        """Whether the predicted peak is within the declared memory; None when none was declared."""
        return None if self.gpu_memory is None else self.footprint.peak <= self.gpu_memory


def parse_size(text: str) -> int:
    """Bytes of a size such as `16GiB`, `24 GB` or `8192MiB`.

    Raises:
        BadSpec: no such size, or not above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?b)?", text.strip().lower())
    size = round(float(found[1]) * UNITS[found[2] or ""]) if found else 0
    if size <= 0:
        raise BadSpec(f"size '{text}': write a number and a unit, such as 16GiB or 24GB")
    return size


def make_plan(path: Path, declared: Declared) -> Plan:
    """Read a configuration and predict what it needs.

    Args:
        path: the TOML file; `data` may be absent.
        declared: of the machine.

    Raises:
        BadSpec: the file is wrong, or the base's shape is unknown.
        BadExamples: `data` is named, and malformed.
    """
    config, has_data = _config(path)
    shape = read_shape(config.model)
    work, longest = _work(config) if has_data else (None, None)
    setup = setup_of(config, shape, longest=longest)
    predicted = footprint(setup)
    limit = declared.gpu_memory
    rates = {"tokens_per_second": declared.tokens_per_second, "price_per_hour": declared.price_per_hour}
    return Plan(
        shape=shape,
        footprint=predicted,
        length=setup.length,
        measured=longest is not None,
        work=work,
        cost=project(work, setup, **rates) if work else None,
        gpu_memory=limit,
        advice=suggestions(config, shape, longest=longest),
        enough=enough(config, shape, limit, longest=longest) if limit else None,
    )


def _config(path: Path) -> tuple[TrainConfig, bool]:
    """The configuration, and whether it names data."""
    try:
        return load_config(path), True
    except BadSpec as error:
        if "'data' is missing" not in str(error):
            raise
    return load_config(path, overrides={"data": path}), False


def _work(config: TrainConfig) -> tuple[Work, int | None]:
    """What there is to train, and the longest row's tokens when they can be counted."""
    system = config.system
    if config.system_file is not None:
        try:
            system = config.system_file.read_text(encoding="utf-8").removesuffix("\n")
        except OSError as error:
            raise BadSpec(f"{config.system_file}: cannot be read ({error.strerror}); check 'system_file'") from error
    own = read_rows(config.data, system=system)[: config.rows]
    general = read_rows(config.replay_data) if config.replay_data else ()
    rows = mix(own, general, fraction=config.replay_fraction, seed=config.seed)
    lengths = _lengths(config, rows)
    mean = sum(lengths) / len(lengths) if lengths else config.max_length
    effective = config.batch_size * config.accumulation
    seen = len(rows) * config.epochs if config.steps is None else config.steps * effective
    work = Work(rows=len(rows), tokens=math.ceil(seen * mean), exact=bool(lengths))
    return work, max(lengths, default=None)


def _lengths(config: TrainConfig, rows: tuple[TrainRow, ...]) -> list[int]:
    """Tokens of each row; empty when no tokenizer lies beside the model."""
    from harness.models import EMBEDDED

    folder = EMBEDDED if config.model == "embedded" else Path(config.model).expanduser()
    if not (folder / "tokenizer.json").is_file():
        return []
    from harness.chat import load_tokenizer
    from trainers.bases import stop_ids
    from trainers.encode import encode

    tokenizer = load_tokenizer(folder)
    encoded = encode(rows, tokenizer, stop_ids=stop_ids(folder, tokenizer), max_length=config.max_length)
    return [max(len(side.input_ids) for side in (row, row.rejected) if side) for row in encoded]


def as_json(plan: Plan) -> dict[str, Json]:
    """The plan for machines. Sizes are bytes, times seconds."""
    found = plan.footprint
    return {
        "model": plan.shape.name,
        "parameters": found.parameters,
        "trainable_parameters": found.trainable,
        "tokens_per_row": plan.length,
        "tokens_counted": plan.measured,
        "peak_bytes": found.peak,
        "reserved_bytes": found.reserved,
        "allocated_bytes": found.allocated,
        "components": asdict(found.components),
        "moment": found.moment,
        "moments": dict(found.moments),
        "gpu_memory_bytes": plan.gpu_memory,
        "fits": plan.fits,
        "work": asdict(plan.work) if plan.work else None,
        "cost": asdict(plan.cost) if plan.cost else None,
        "advice": [_suggestion(each) for each in plan.advice],
        "enough": _suggestion(plan.enough) if plan.enough else None,
    }


def write_json(plan: Plan, path: Path) -> None:
    """Write the plan for machines.

    Raises:
        UsageProblem: the file cannot be written.
    """
    write_output(path, (json.dumps(as_json(plan), indent=1, allow_nan=False) + "\n").encode())


def _suggestion(suggestion: Suggestion) -> dict[str, Json]:
    return {
        "change": suggestion.change,
        "price": suggestion.price,
        "peak_bytes": suggestion.peak,
        "saves_bytes": suggestion.saves,
    }


def as_text(plan: Plan) -> str:
    """The plan for people, some thirty lines. GiB are 2^30 bytes."""
    found = plan.footprint
    share = 100 * found.trainable / found.parameters
    row = f"{plan.length} tokens a row, {'the longest row' if plan.measured else 'max_length'}"
    parts = [(name, size) for name, size in asdict(found.components).items() if size]
    lines = [
        f"{plan.shape.name}: trains {found.trainable:,} of {found.parameters:,} parameters ({share:.2f} %)",
        f"predicted peak {_gib(found.peak)}, at the moment '{found.moment}' ({row}):",
        *(f"  {name:<12}{_gib(size):>12}" for name, size in parts),
        *_time(plan),
        *_verdict(plan),
    ]
    if plan.advice:
        lines.append("each of these alone lowers the peak:")
        lines += [f"  {each.change:<44} saves {_gib(each.saves):>11}   {each.price}" for each in plan.advice]
    return "\n".join(lines)


def _time(plan: Plan) -> list[str]:
    if plan.work is None or plan.cost is None:
        return ["time: not projected, because the file names no data"]
    work, cost = plan.work, plan.cost
    tokens = f"{work.tokens:,} tokens" if work.exact else f"at most {work.tokens:,} tokens (rows of max_length)"
    price = "" if cost.price is None else f", price {cost.price:.2f}"
    speed = f"{cost.seconds / 60:.1f} min at {cost.tokens_per_second:,.0f} tokens/s"
    return [
        f"{work.rows:,} rows, {tokens}",
        f"projected time {speed}{price}; a projection, not a measurement (rate: {cost.rate_source})",
    ]


def _verdict(plan: Plan) -> list[str]:
    if plan.gpu_memory is None:
        return []
    free = plan.gpu_memory - plan.footprint.peak
    if free >= 0:
        return [f"FITS in {_gib(plan.gpu_memory)}: {100 * free / plan.gpu_memory:.0f} % stays free"]
    lines = [f"DOES NOT FIT in {_gib(plan.gpu_memory)}: {_gib(-free)} too much"]
    if plan.enough is None:
        return [*lines, "no change known here makes it fit; take a smaller base or a larger GPU"]
    return [*lines, f"fits in {_gib(plan.enough.peak)} with: {plan.enough.change}", f"  price: {plan.enough.price}"]


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB" if size >= GIB // 10 else f"{size / 2**20:.1f} MiB"
