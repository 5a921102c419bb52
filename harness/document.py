"""run.json: what was measured and decided, as JSON values. The schema is in docs/run_schema.md."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.backends import Backend
from harness.compare import estimate, scores
from harness.errors import NotMeasured
from harness.halving import Rungs
from harness.prompting import REFERENCE
from harness.serving import adapter_shape
from harness.sweeps import Choice, Point
from harness.types import Json, ModelRef, SuiteResult, Verdict

__all__ = ["environment", "model_json", "result_json", "sweep_json", "verdict_json"]

PACKAGES = (
    "tunegate",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "lm-eval",
    "safetensors",
    "tokenizers",
    "pytest",
)
CONFIDENCE = 0.95


def environment(backend: Backend | None) -> dict[str, Json]:
    """Where the run happened and what it cost; names no host and no user."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "engine": dict(backend.policy()) if backend else {},
        "usage": asdict(backend.usage()) if backend else {},
    }


def model_json(model: ModelRef) -> dict[str, Json]:
    """One entry of `models`."""
    config = None if model.train_config is None else dict(model.train_config)
    return {
        **_plain(model),
        "digests": dict(model.digests),
        "train_config": config,
        "training": _training(model),
        "adapter_config": None if model.adapter is None else adapter_shape(Path(model.adapter)),
        "licence": _licence(model),
    }


def sweep_json(choice: Choice, points: Sequence[Point], claims: Sequence[str], rungs: Rungs | None) -> dict[str, Json]:
    """The entry `sweep`: the choice, and what a reader must know before believing it; `claims` are about seeds."""
    cut = frozenset(point.name for point in points if rungs and rungs.cut(point.name))
    notes = [*_notes(choice, points, cut), *claims]
    return {**choice.spec(), "halving": rungs.spec() if rungs else None, "notes": notes}


def result_json(
    result: SuiteResult, metrics: Iterable[str], *, attempts: int, tried: int, unread: int
) -> list[dict[str, Json]]:
    """The entries of `results` that one measurement gives: one for each metric.

    Args:
        result: of one suite on one model.
        metrics: in the suite's order.
        attempts: runs that computed answers of this model on this suite.
        tried: models that were ever measured on these rows.
        unread: planned rows that were not read, because all gates had decided before.
    """
    return [
        {
            "suite": result.suite,
            "model": result.model,
            "metric": metric,
            **_estimate(result, metric),
            "seconds": round(result.seconds, 3),
            "fresh": result.fresh,
            "attempts": attempts,
            "tried": tried,
            "unread": unread,
            "notes": list(result.notes),
        }
        for metric in metrics
    ]


def verdict_json(node: str, verdict: Verdict) -> dict[str, Json]:
    """One entry of `verdicts`."""
    seen = verdict.observed
    return {
        "node": node,
        "outcome": verdict.outcome.value,
        "suite": verdict.suite,
        "gate": verdict.gate,
        "model": verdict.model,
        "metric": verdict.metric,
        "observed": seen.value if seen else None,
        "low": seen.low if seen else None,
        "high": seen.high if seen else None,
        "method": seen.method if seen else None,
        "required": verdict.required,
        "n": verdict.n,
        "gained": verdict.gained,
        "lost": verdict.lost,
        "detectable": verdict.detectable,
        "needed": verdict.needed,
        "read": verdict.read,
        "reason": verdict.reason,
        "advisory": verdict.advisory,
    }


def _training(model: ModelRef) -> dict[str, Json] | None:
    """What the trainer wrote of its work, and the size of an adapter; None when it was trained elsewhere."""
    folder = Path(model.adapter or model.base)
    try:
        said = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    size = {"adapter_bytes": sum(path.stat().st_size for path in folder.glob("*.safetensors"))}
    return {**said, **(size if model.adapter else {})} if isinstance(said, dict) else None


def _licence(model: ModelRef) -> str:
    """What the card of the base names, from files that are here already; empty when it names none."""
    if not model.fingerprint or model.prompting == REFERENCE:
        return ""
    from harness.models import EMBEDDED, licence

    if model.base == "embedded":
        return licence(EMBEDDED)
    if Path(model.base).exists():  # a script or a model of another backend has no card
        return licence(Path(model.base))
    from huggingface_hub import try_to_load_from_cache

    card = try_to_load_from_cache(model.base, "README.md", revision=model.revision)
    return licence(Path(card).parent) if isinstance(card, str) else ""


def _notes(choice: Choice, points: Sequence[Point], cut: frozenset[str]) -> list[Json]:
    """Why the winner may not be the best there is, or the comparison not a fair one."""
    notes: list[Json] = []
    measured = [point.model for point in choice.points if point.select is not None]
    if missing := [point.name for point in points if point.name not in {*measured, *cut}]:
        notes.append(f"not ranked, because not measured whole: {', '.join(missing)}")
    notes.extend(_edge(choice, points))
    notes.extend(_shareless(choice, points))
    trained = [_training(point.model) for point in points]
    for what in ("tokens", "steps"):
        seen = {int(count) for said in trained if said and isinstance(count := said.get(what), int)}
        if len(seen) > 1:
            notes.append(f"the points differ in {what} they were trained on: {min(seen):,} to {max(seen):,}")
    return notes


def _edge(choice: Choice, points: Sequence[Point]) -> Iterator[str]:
    """Full fine-tuning wants other rates than adapters, so each kind has its own grid."""
    key = "optim.learning_rate"
    winner = next((point for point in points if point.name == choice.winner), None)
    alike = [point.settings.get(key) for point in points if winner and point.full == winner.full]
    rates = sorted({float(rate) for rate in alike if isinstance(rate, int | float)})
    won = winner.settings.get(key) if winner else None
    if len(rates) > 1 and won in (rates[0], rates[-1]):
        yield f"the winner's learning rate {won:g} is at the edge of the grid; the best may lie beyond it"


def _shareless(choice: Choice, points: Sequence[Point]) -> Iterator[str]:
    """Why no share of full fine-tuning's gain is given."""
    if not any(point.full for point in points):
        yield "no point trains every weight, so no share of full fine-tuning's gain is given; see --sweep full_or_lora"
    elif choice.full is None:
        yield "full fine-tuning was not measured whole, so no share of its gain is given"
    elif next(point for point in choice.points if point.model == choice.full).share is None:
        yield f"{choice.full} is not shown to gain anything over the base, so a share of its gain would say nothing"


def _estimate(result: SuiteResult, metric: str) -> dict[str, Json]:
    """Rate and interval over all rows; a rate over fewer rows than planned is no number to show."""
    counts: dict[str, Json] = {"n": len(result.rows), "unscored": None}
    try:
        unscored = sum(value is None for value in scores(result, metric))
        counts["unscored"] = unscored
        if unscored == 0:
            found = estimate(result, metric, CONFIDENCE)
            return {"value": found.value, "low": found.low, "high": found.high, **counts}
    except NotMeasured:
        counts["unscored"] = len(result.rows)
    return {"value": None, "low": None, "high": None, **counts}


def _plain(model: ModelRef) -> dict[str, Any]:
    names: Sequence[str] = ("name", "base", "revision", "adapter", "quantization", "dtype", "prompting", "fingerprint")
    return {name: getattr(model, name) for name in names}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
