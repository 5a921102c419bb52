"""The backend `unsloth` beside `trl`: the same rows and configuration, on one GPU; prints JSON.

    python -m tests.bench.backends --unsloth /opt/unsloth/bin/python [--trl PYTHON] [--rounds 2]

Random weights of Llama-3.2-1B's shape and 512-token rows. Each training is a process of its own, run for a few steps
and for many: speed is taken from the difference, in which loading and compiling cancel. Backends take turns.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.real_size import SHAPES
from tests.tiny import make_base

ROOT = Path(__file__).parents[2]
FEW, MANY = 20, 100
SETTINGS: Mapping[str, str] = {
    "bf16, 4 x 512": "batch_size = 4\n",
    "NF4, checkpointing, 4 x 512": 'batch_size = 4\ngradient_checkpointing = true\nquantization = { kind = "nf4" }\n',
}


def main() -> int:
    """Train every setting with both backends, in turn; 1 when a training failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unsloth", type=Path, required=True, help="python of an environment that holds Unsloth")
    parser.add_argument("--trl", type=Path, default=Path(sys.executable), help="python of the other arm (this one)")
    parser.add_argument("--rounds", type=int, default=2, help="trainings of each length, setting and backend")
    parser.add_argument("--only", default="", help="settings whose name contains this text")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3.2-1b")
    parser.add_argument("--folder", type=Path, default=Path("build/backends"))
    options = parser.parse_args()
    folder = options.folder.resolve()
    make_base(folder / "base", **SHAPES[options.shape])
    text = {"input": "Read this: " + "a word " * 35, "output": "an answer " * 23}
    (folder / "rows.jsonl").write_text(f"{json.dumps(text)}\n" * 64)
    failed = False
    for name, lines in ((name, lines) for name, lines in SETTINGS.items() if options.only in name):
        found: dict[str, list[Mapping[str, Any]]] = {"trl": [], "unsloth": []}
        for _ in range(options.rounds):
            for backend, python in (("trl", options.trl), ("unsloth", options.unsloth)):
                settings = f'backend = "{backend}"\ninterpreter = "{python}"\n{lines}'
                _, few, many = (train(folder, settings, steps) for steps in (FEW, FEW, MANY))  # the first compiles
                failed |= few is None or many is None
                if few and many:
                    tokens = (MANY - FEW) * many["tokens"] / many["rows"] * many["batch_size"]
                    speed = tokens / (many["seconds"] - few["seconds"])
                    peak = many["peak_memory_bytes"] / 2**30
                    found[backend].append({"tokens_per_second": round(speed), "peak_gib": round(peak, 2)})
        rate = {arm: statistics.median(run["tokens_per_second"] for run in runs) for arm, runs in found.items() if runs}
        ratio = round(rate["unsloth"] / rate["trl"], 2) if len(rate) == len(found) else None
        sys.stdout.write(json.dumps({"setting": name, "unsloth_over_trl": ratio, **found}) + "\n")
        sys.stdout.flush()
    return int(failed)


def train(folder: Path, settings: str, steps: int) -> Mapping[str, Any] | None:
    """What the training says of itself; None, with its last words on stderr, when it failed."""
    config, out = folder / "config.toml", folder / "out"
    config.write_text(
        f'model = "base"\ndata = "rows.jsonl"\nsteps = {steps}\nmax_length = 1024\n{settings}\n'
        "[checkpoints]\nseconds = 86400\n[lora]\nrank = 16\n"
    )
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "trainers", str(config), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{settings}{done.stderr[-2000:]}\n")
        return None
    made: Mapping[str, Any] = json.loads((out / "training.json").read_text(encoding="utf-8"))
    return made


if __name__ == "__main__":
    raise SystemExit(main())
