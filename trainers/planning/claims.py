"""`python -m trainers.planning.claims [FILE]` writes docs/memory.md: predictions beside measurements and claims."""

import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trainers.planning.claim_rows import CONDITIONS, memory_claims
from trainers.planning.claim_times import time_claims
from trainers.planning.memory import CUBLAS_WORKSPACE, CUDA_CONTEXT, FRAGMENTATION, Setup, footprint
from trainers.planning.shapes import GROUPS, Shape, known_shapes

__all__ = ["PAGE", "page", "published"]

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "memory.md"
POINTS = DOCS / "memory_points.json"
"""What tests/bench/memory.py measured on a GPU, where it was run."""
GIB = 2**30
PUBLISHED_SOURCE = (
    "PEFT's `method_comparison/MetaMathQA`: Llama-3.2-3B in bf16, batches of 4 rows of up to 768 tokens, no "
    "checkpointing, no autocast; `accelerator_memory_reserved_max`"
)


class Published(NamedTuple):
    """A peak that others measured: `reserved` is in GiB."""

    name: str
    setup: Setup
    reserved: float


def published() -> tuple[Published, ...]:
    """Measurements by others, with their conditions; none of them was used to fit a constant."""
    plain: dict[str, Any] = {"batch": 4, "length": 768, "autocast": False, "chunked_loss": False}
    shape = known_shapes()["Llama-3.2-3B"]
    rows: tuple[tuple[str, dict[str, Any], float], ...] = (
        ("LoRA, rank 32, q and v", {"rank": 32, "targets": GROUPS["qv"]}, 20.8),
        ("LoRA, rank 64, q and v", {"rank": 64, "targets": GROUPS["qv"]}, 21.0),
        ("LoRA, rank 10, MLP", {"rank": 10, "targets": GROUPS["mlp"]}, 23.0),
        ("DoRA, rank 32, q and v", {"rank": 32, "targets": GROUPS["qv"], "dora": True}, 22.8),
        ("full fine-tuning", {"method": "full", "trained_dtype": "bfloat16"}, 36.2),
    )
    return tuple(Published(name, Setup(shape, **plain, **changed), size) for name, changed, size in rows)


def page() -> str:
    """The text of docs/memory.md; the same inputs give the same text."""
    found = sorted((*memory_claims(), *time_claims()), key=lambda claim: claim.row)
    parts = (
        "# Memory, time and cost before training",
        "Written by `python -m trainers.planning.claims`; a test keeps it up to date.",
        _method(),
        "## Predicted and measured by others",
        f"Source: {PUBLISHED_SOURCE}.",
        _published_table(),
        "## Predicted and measured on a GPU",
        _measured(),
        "## What guides claim",
        f"Five fine-tuning guides (S0 to S4, with line) and what we compute. Ours: {CONDITIONS}. GB are 10^9 bytes.",
        _table(
            ("row", "where", "claim", "conditions", "ours", "verdict"),
            ((str(each.row), each.where, each.says, each.conditions, each.ours, each.verdict) for each in found),
        ),
    )
    return "\n\n".join(parts) + "\n"


def _method() -> str:
    return f"""## Method

`tunegate plan CONFIG.toml --gpu-memory 16GiB` counts bytes from the base's shape and the configuration: no weights, no
GPU, no network. A step has four moments (loss, backward, gradients, step), and the peak is the largest of them, not
their sum. What autograd keeps is counted operation by operation; tests run such steps and compare, tensor by tensor.
Three constants are not counted but set: the CUDA context ({CUDA_CONTEXT / 2**20:.0f} MiB), cuBLAS's workspace
({CUBLAS_WORKSPACE / 2**20:.0f} MiB), and what the allocator reserves in vain ({FRAGMENTATION:.0%} of what comes and
goes).

Holds for decoders built like Llama with sdpa attention on one GPU. Time is a projection from tokens and a rate: that
of one H200, unless you declare your own with `--tokens-per-second`."""


def _published_table() -> str:
    rows = []
    for name, setup, measured in published():
        predicted = footprint(setup).reserved / GIB
        rows.append((name, f"{predicted:.1f}", f"{measured:.1f}", f"{100 * (predicted / measured - 1):+.1f} %"))
    return _table(("run", "predicted GiB", "measured GiB", "error"), rows)


def _measured() -> str:
    """The points of tests/bench/memory.py, predicted anew; or that there are none yet."""
    if not POINTS.is_file():
        return (
            "Not measured yet. `python -m tests.bench.memory --json docs/memory_points.json` measures its points on a "
            "GPU, each in a process of its own, beside `accelerate estimate-memory`; this table is then filled in."
        )
    found = json.loads(POINTS.read_text(encoding="utf-8"))
    rows = [each for each in found["rows"] if each["state"] == "measured"]
    errors = {kind: [_error(each, kind) for each in rows] for kind in ("allocated", "reserved", "accelerate")}
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [f"{found['device']}; {versions}. Errors are predicted / measured - 1; accelerate's is against reserved."]
    lines.append(
        _table(
            ("point", "allocated GiB", "error", "reserved GiB", "error", "accelerate GiB", "error"), map(_point, rows)
        )
    )
    lines += [
        f"{kind}: median {_median(sizes):.1%}, worst {max(map(abs, sizes)):.1%}, lowest {min(sizes):+.1%}"
        for kind, sizes in errors.items()
    ]
    return "\n\n".join(lines)


def _median(errors: Sequence[float]) -> float:
    return statistics.median(map(abs, errors))


def _predicted(row: Mapping[str, Any], kind: str) -> int:
    if kind == "accelerate":
        return int(row["accelerate"])
    values = row["setup"] | {"shape": Shape(**row["setup"]["shape"]), "targets": tuple(row["setup"]["targets"])}
    return int(getattr(footprint(Setup(**values)), kind))


def _error(row: Mapping[str, Any], kind: str) -> float:
    measured: int = row["measured"]["allocated" if kind == "allocated" else "reserved"]
    return _predicted(row, kind) / measured - 1


def _point(row: Mapping[str, Any]) -> tuple[str, ...]:
    cells = [row["point"]]
    for kind in ("allocated", "reserved"):
        cells += [f"{row['measured'][kind] / GIB:.2f}", f"{_error(row, kind):+.1%}"]
    return (*cells, f"{row['accelerate'] / GIB:.2f}", f"{_error(row, 'accelerate'):+.1%}")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    (Path(sys.argv[1]) if sys.argv[1:] else PAGE).write_text(page(), encoding="utf-8")
