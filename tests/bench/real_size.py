"""The gate at real size: random weights of Llama-3.2-1B's shape and a PEFT adapter, in bf16 and NF4; prints JSON.

    python -m tests.bench.real_size [--shape tiny] [--device cuda] [--folder build/real_size]

Random weights know nothing, so no gate can pass: what this proves is the path. Each run has to end in an honest verdict
(any outcome but PASS), with its memory and speed in run.json and on the page.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tiny import make_adapter, make_base

ROOT = Path(__file__).parents[2]
SHAPES: Mapping[str, Mapping[str, Any]] = {
    # config.json of meta-llama/Llama-3.2-1B
    "llama-3.2-1b": {
        "vocab_size": 128_256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "max_position_embeddings": 131_072,
        "initializer_range": 0.02,
    },
    "tiny": {},
}


def main() -> int:
    """Make model and adapter, gate them in both precisions; 1 when a run is green or lacks its measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3.2-1b")
    parser.add_argument("--device", default="cuda", help="torch device (default: cuda)")
    parser.add_argument("--folder", type=Path, default=Path("build/real_size"))
    parser.add_argument("--limit", help="rows of each suite, for a quick try")
    options = parser.parse_args()
    base, adapter = options.folder / "base", options.folder / "adapter"
    if not adapter.exists():
        make_base(base, **SHAPES[options.shape])
        make_adapter(base, adapter)
    runs = [gate(options, base, adapter, quantization) for quantization in ("none", "nf4")]
    sys.stdout.write(json.dumps({"shape": options.shape, "device": options.device, "runs": runs}, indent=2) + "\n")
    return 0 if all(run["honest"] for run in runs) else 1


def gate(options: argparse.Namespace, base: Path, adapter: Path, quantization: str) -> dict[str, object]:
    """One run of all suites in a process of its own."""
    run_dir = options.folder / f"run-{quantization}-{int(time.time())}"
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(ROOT / "suites"),
        "-q",
        "--model",
        str(base),
        "--adapter",
        str(adapter),
    ]
    command += ["--dtype", "bfloat16", "--quantization", quantization, "--device", options.device]
    command += ["--store", str(options.folder / "store"), "--run-dir", str(run_dir)]
    command += ["--limit", options.limit] if options.limit else []
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if not (run_dir / "run.json").exists():
        return {"quantization": quantization, "honest": False, "exit": done.returncode, "tail": done.stdout[-3000:]}
    document = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    usage = document["environment"]["usage"]
    return {
        "quantization": quantization,
        "honest": done.returncode not in (0, 3) and usage["peak_memory_bytes"] > 0 and usage["new_tokens"] > 0,
        "exit": done.returncode,
        "outcome": document["outcome"],
        "verdicts": [
            f"{each['outcome']} {each['suite']} {each['gate']}: {each['reason']}" for each in document["verdicts"]
        ],
        "seconds": round(seconds, 1),
        "peak_memory_gib": round(usage["peak_memory_bytes"] / 2**30, 2),
        "generated_tokens_per_second": round(usage["new_tokens"] / usage["seconds"]),
        "report": str(run_dir / "report.html"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
