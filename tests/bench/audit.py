"""How long an audit of 100,000 job postings against the shipped suites takes; prints JSON.

    python -m tests.bench.audit [--rows 100000]

The rows are drawn afresh from the words of the demo task's training rows, all different. Wall time depends on what else
the machine does; CPU time hardly does, so both are told. The limit is 60 s on 2 cores.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trainers.data.job_postings import LEVELS, compose, read_words

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0


def main() -> int:
    """Make the rows and audit them in a process of its own; 1 when that takes too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="rows (default: 100000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, found = Path(folder) / "postings.jsonl", Path(folder) / "audit.json"
        write_postings(data, options.rows)
        report = {"rows": options.rows, "bytes": data.stat().st_size, "cores": os.cpu_count(), **timed(data, found)}
        said = json.loads(found.read_text(encoding="utf-8"))
    report |= {key: said[key] for key in ("outcome", "counts", "distinct", "tokens_rendered")}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["wall_seconds"] <= LIMIT_S else 1


def write_postings(path: Path, rows: int) -> None:
    """So many postings, none twice."""
    words, rng = read_words("train"), random.Random(f"bench {rows}")
    levels, shares = list(LEVELS), list(LEVELS.values())
    seen: set[str] = set()
    with path.open("w", encoding="utf-8") as file:
        while len(seen) < rows:
            posting = compose(words, rng.choices(levels, shares)[0], rng)
            if posting.text not in seen:
                seen.add(posting.text)
                file.write(posting.row() + "\n")


def timed(data: Path, found: Path) -> dict[str, float]:
    """Seconds of the command, from its start to its end, and its largest memory."""
    command = [sys.executable, "-m", "harness.cli", "audit", str(data), "--against", "suites", "--json", str(found)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return {
        "wall_seconds": wall,
        "user_seconds": after.ru_utime - before.ru_utime,
        "system_seconds": after.ru_stime - before.ru_stime,
        "peak_memory_mb": after.ru_maxrss / 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
