"""How long the page of a run of 100,000 examples takes to build and to open, and how large it is; prints JSON.

    python -m tests.bench.report [--rows 100000]

The run is made up: four suites, prompts of 90 words, references of 20, answers of 40 that differ in 8, words drawn with
Zipf's frequencies from 20,000. Building is `tunegate report` in a process of its own. Opening is measured in Chromium,
from the address to a filled list that answers; that part needs `make browser`. Limits: 10 s and 1.5 GB to build, 12 MB,
3 s to open, on 2 cores. Wall time depends on what else the machine does, so the processor's time is told too.
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
from itertools import accumulate
from pathlib import Path

from harness.types import Score
from tests.browser.watched import ARGUMENTS, MISSING, find_chromium, watch
from tests.reports.maker import Case, Made, row

ROOT = Path(__file__).parents[2]
LIMITS = {"wall_seconds": 10.0, "peak_memory_mb": 1500.0, "page_mb": 12.0, "open_seconds": 3.0}
SUITES = ("answers", "facts", "forms", "kept")
VOCABULARY = 20_000


def main() -> int:
    """Make the run, build its page and open it; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="examples of all suites (default: 100000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", options.rows)
        records = sum(path.stat().st_size for path in (run / "records").iterdir())
        found = {
            "rows": options.rows,
            "records_mb": records / 1e6,
            "cores": os.cpu_count(),
            **built(run),
            **opened(run),
        }
    found["broken_limits"] = [name for name, limit in LIMITS.items() if found[name] > limit]
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 1 if found["broken_limits"] else 0


def make_run(folder: Path, rows: int) -> Path:
    """A run directory with so many examples in four suites."""
    words = [f"{'bcdfghjklmnprstv'[i % 16]}{'aeiou'[i % 5]}{i:x}" for i in range(VOCABULARY)]
    weights = list(accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))

    def say(rng: random.Random, length: int) -> list[str]:
        return rng.choices(words, cum_weights=weights, k=length)

    def case(name: str) -> Case:
        return Case(
            name,
            "exact_match",
            lambda model: [example(name, model, i) for i in range(rows // 4)],
            [("-drop<=0.02", 0.02)],
        )

    def example(name: str, model: str, index: int):
        rng = random.Random(f"{name} {index}")
        own = f"{rng.getrandbits(64):016x}"
        prompt, target, output = (say(rng, length) for length in (90, 20, 40))
        right = rng.random() < (0.6 if model == "base" else 0.0) or (model != "base" and rng.random() < 0.85)
        if model != "base":
            for place in rng.sample(range(40), 8):
                output[place] = rng.choice(words)
        text = " ".join(output)
        score = Score("exact_match", float(right), text, "ok" if right else "wrong_value")
        return row(index, id=own, prompt=" ".join(prompt), target=" ".join(target), output=text, scores=(score,))

    return Made([case(name) for name in SUITES]).write(folder)


def built(run: Path) -> dict[str, float]:
    """Seconds and memory of the command from its start to its end, and what it wrote."""
    command = [sys.executable, "-m", "harness.cli", "report", str(run)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return {
        "wall_seconds": wall,
        "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_memory_mb": after.ru_maxrss / 1024,
        "page_mb": (run / "report.html").stat().st_size / 1e6,
        "parquet_mb": (run / "records.parquet").stat().st_size / 1e6 if (run / "records.parquet").exists() else 0.0,
    }


def opened(run: Path) -> dict[str, float]:
    """Seconds until the list stands and answers, until a filter has acted, and until an example is open."""
    path = find_chromium()
    if path is None:
        raise RuntimeError(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        watch(browser.new_context(), run / "report.html").page.close()  # the first page of a browser warms it
        marks = [time.perf_counter()]
        page = watch(browser.new_context(), run / "report.html").page
        marks.append(time.perf_counter())
        page.select_option("select[name=change]", "f")
        page.locator("#browser tbody tr td").first.filter(has_text="fixed").wait_for()
        marks.append(time.perf_counter())
        page.locator("#browser tbody button").first.click()
        page.wait_for_selector("#browser article .sides pre")
        marks.append(time.perf_counter())
        browser.close()
    names = ("open_seconds", "filter_seconds", "example_seconds")
    return {name: marks[place + 1] - marks[place] for place, name in enumerate(names)}


if __name__ == "__main__":
    raise SystemExit(main())
