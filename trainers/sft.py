"""Supervised fine-tuning with LoRA or QLoRA: a configuration in, an adapter folder out.

    config --rows, encode: checks--> token ids --fit--> adapter weights --product--> folder

The folder holds the adapter in PEFT's form, `tunegate.json` (what measuring must be like training in), `training.json`
(the curve and what training cost) and `COMPLETE`.
"""

import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.chat import Tokenizer, load_tokenizer, template_digest, tokenizer_digest
from harness.errors import BadSpec, ModelProblem
from harness.fingerprint import digest, file_digest, weights_digest
from harness.models import locate
from harness.pins import Pins, golden_prompt, write_pins
from harness.types import ModelRef
from trainers.bases import load_base, stop_ids
from trainers.config import TrainConfig
from trainers.encode import IGNORED_LABEL, EncodedRow, encode, preview
from trainers.fit import Fitted, Point, fit
from trainers.product import make_product
from trainers.rows import TrainRow, mix, read_rows

__all__ = ["Trained", "Watcher", "train"]

LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "tokenizers")
INPUTS = ("model", "revision", "data", "system", "system_file", "replay_data", "report_to")
"""Fields that say where something is, not what it holds; the job's digest has their contents instead."""


def _ignore(*_: object) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how training goes.

    Attributes:
        say: gets lines of text for people.
        step: gets steps done, steps in all, and the point of the curve.
    """

    say: Callable[[str], None] = _ignore
    step: Callable[[int, int, Point], None] = _ignore


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` returns. `fresh` is False when the folder held the finished job already."""

    model: ModelRef
    fresh: bool


@dataclass(frozen=True, slots=True)
class _Material:
    """All that a run reads."""

    base: Path
    tokenizer: Tokenizer
    system: str
    rows: tuple[EncodedRow, ...]
    replayed: int


def train(config: TrainConfig, out: Path, *, watcher: Watcher | None = None) -> Trained:
    """Train one adapter, or find it trained.

    Args:
        config: with absolute paths, from `load_config`.
        out: the adapter's folder; made last, whole.
        watcher: told of examples and steps.

    Returns:
        The model to measure: the base with this adapter.

    Raises:
        HarnessError: rows, base, template or target modules are unfit; training diverged or learned nothing; or
            `out` holds something else.
    """
    watcher = watcher or Watcher()
    base = locate(config.model, config.revision)
    system = _system(config)
    job = _job(config, base, system)

    def work(folder: Path) -> None:
        material = _gather(config, base, system)
        _show(material, watcher.say)
        _run(material, config, folder, watcher)

    fresh = make_product(out, job, work)
    model = ModelRef(
        name=out.name,
        base=config.model,
        revision=config.revision,
        adapter=str(out),
        quantization=config.quantization.kind,
        train_config=_plain(config),
    )
    return Trained(model=model, fresh=fresh)


def _system(config: TrainConfig) -> str:
    if config.system_file is None:
        return config.system
    try:
        return config.system_file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise BadSpec(
            f"{config.system_file}: cannot be read ({error.strerror}); check the key 'system_file'"
        ) from error


def _job(config: TrainConfig, base: Path, system: str) -> str:
    """Digest of everything that decides the adapter, wherever the files lie."""
    files = {key: path for key in ("data", "replay_data") if (path := getattr(config, key)) is not None}
    for key, path in files.items():
        if not path.is_file():
            raise BadSpec(f"{path}: no such file; check the key '{key}'")
    settings = config.model_dump(mode="json", exclude=set(INPUTS))
    return digest(
        {
            "settings": settings,
            "system": system,
            "data": {key: file_digest(path) for key, path in files.items()},
            "base": {"weights": _weights(base), "tokenizer": tokenizer_digest(base)},
        }
    )


def _weights(base: Path) -> str:
    try:
        return weights_digest(base)
    except FileNotFoundError as error:
        raise ModelProblem(f"{base}: holds no model ({error}); check the key 'model'") from error


def _gather(config: TrainConfig, base: Path, system: str) -> _Material:
    """Read, mix and encode the rows: every check that needs no weights."""
    tokenizer = load_tokenizer(base)
    own = read_rows(config.data, system=system)[: config.rows]
    general: tuple[TrainRow, ...] = read_rows(config.replay_data) if config.replay_data else ()
    rows = mix(own, general, fraction=config.replay_fraction, seed=config.seed)
    stops = stop_ids(base, tokenizer)
    encoded = encode(rows, tokenizer, stop_ids=stops, max_length=config.max_length)
    return _Material(base=base, tokenizer=tokenizer, system=system, rows=encoded, replayed=len(rows) - len(own))


def _show(material: _Material, say: Callable[[str], None]) -> None:
    """Say what is learned: the counts, and one example of each kind as the model will see it."""
    rows = material.rows
    tokens, learned = _tokens(rows)
    say(f"{len(rows)} rows ({material.replayed} replayed), {tokens} tokens, {learned} of them learned")
    shown = {"task": rows[0]} | ({"replay": rows[-1]} if material.replayed else {})
    for kind, row in shown.items():
        read, answer = preview(row, material.tokenizer)
        say(f"{kind} example, read: {read!r}")
        say(f"{kind} example, learned: {answer!r}")


def _run(material: _Material, config: TrainConfig, folder: Path, watcher: Watcher) -> None:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    # On CPU the adapter's arithmetic starts from fp32 weights, also where `dtype` lowers it.
    dtype = "float32" if device == "cpu" or config.dtype == "float32" else "bfloat16"
    model = load_base(material.base, dtype=dtype, quantization=config.quantization.kind, device=device)
    started = time.perf_counter()
    fitted = fit(
        model, material.rows, tokenizer=material.tokenizer, config=config, scratch=folder, on_step=watcher.step
    )
    seconds = time.perf_counter() - started
    fitted.model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT writes a model card with nothing filled in
    write_pins(folder, _pins(material, config, device))
    summary = _summary(material, fitted, seconds, device)
    (folder / "training.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    watcher.say(
        f"trained in {seconds:.1f} s: {summary['rows_per_second']:.1f} rows/s, loss {fitted.curve[-1].loss:.4f}"
    )


def _pins(material: _Material, config: TrainConfig, device: str) -> Pins:
    return Pins(
        base_digest=weights_digest(material.base),
        system=material.system,
        template_digest=template_digest(material.tokenizer),
        golden_prompt_ids=golden_prompt(material.tokenizer, material.system),
        train_config=_plain(config),
        environment={
            "python": platform.python_version(),
            "machine": platform.machine(),
            "device": device,
            **{name: version(name) for name in LIBRARIES},
        },
    )


def _summary(material: _Material, fitted: Fitted, seconds: float, device: str) -> dict[str, Any]:
    """What `training.json` holds. Seconds are wall time of the steps and their set-up, without loading or saving."""
    import torch

    seen = len(material.rows) * fitted.curve[-1].epoch
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    tokens, learned = _tokens(material.rows)
    return {
        "rows": len(material.rows),
        "replayed": material.replayed,
        "tokens": tokens,
        "learned_tokens": learned,
        "trainable_parameters": fitted.trainable_parameters,
        "steps": fitted.curve[-1].step,
        "seconds": seconds,
        "rows_per_second": seen / seconds,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else resident,
        "curve": [asdict(point) for point in fitted.curve],
    }


def _plain(config: TrainConfig) -> Mapping[str, Any]:
    """The configuration as JSON values, without the folders of this machine."""
    values = config.model_dump(mode="json")
    paths = {key: Path(values[key]).name for key in ("data", "system_file", "replay_data") if values[key]}
    return values | paths


def _tokens(rows: tuple[EncodedRow, ...]) -> tuple[int, int]:
    """Tokens in all, and tokens that are learned."""
    labels = [label for row in rows for label in row.labels]
    return len(labels), sum(label != IGNORED_LABEL for label in labels)
