"""A sweep to its verdict, with halving and without: how long, and whether the winner is as good; bench/halving.json.

    python -m tests.bench.halving [--seeds 10] [--rows 1000] [--limit N] [--ways halving,packed,alone] [--quick]

Eight points (two ranks, four rates) on the embedded base, gated by one suite, each way from an empty store:

    halving   `--halving eta=2`: two rungs, one point comes to the end
    packed    the full grid, trained together: what packing alone is worth
    alone     the full grid one by one (`--no-pack`): what both are compared with

A seed is of the trainings, so that each one is another sweep. *As good* is judged in the full grid that was trained one
by one, where the point that halving chose was trained and measured too: whether its gain reaches the lower bound of the
gain of that grid's winner (one-sided 95 %, confirm half), and whether it is tied with it. A rank among the eight by the
select half says how far off it is. How well early rungs foretell the end is the rank correlation (Spearman) of the
scores at each rung with those of the full grid, over the points that were there. The machine must be quiet for the
seconds to count; who wins does not depend on it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr

ROOT = Path(__file__).parents[2]
WAYS = {"halving": ["--halving", "eta=2"], "packed": [], "alone": ["--no-pack"]}
RANKS, RATES = (4, 16), (2.5e-4, 5e-4, 1e-3, 2e-3)
PARTS = ("1/4", "1/2")
FEWEST = 3
"""Points that a rank correlation needs."""

Run = dict[str, Any]


def main() -> int:
    """Measure, print and write; 1 when a run ended without a winner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="sweeps (default: 10)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one (default: 0)")
    parser.add_argument("--rows", type=int, default=1000, help="training rows of each point (default: 1000)")
    parser.add_argument("--suites", default="suites/test_exact_match.py", help="what gates (default: exact match)")
    parser.add_argument("--limit", type=int, default=None, help="rows of each suite (default: all)")
    parser.add_argument("--ways", default=",".join(WAYS), help="of halving, packed, alone (default: all)")
    parser.add_argument("--quick", action="store_true", help="1 seed, 160 rows, a limit of 60: no measurement")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.rows, options.limit = 1, 160, 60
    ways = options.ways.split(",")
    seeds = []
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            runs = {way: swept(way, seed, options, Path(folder)) for way in ways}
        seeds.append(compared(seed, runs))
        report(seeds, ways, vars(options))
    return 0 if all(each["winners"][way] for each in seeds for way in ways) else 1


def swept(way: str, seed: int, options: argparse.Namespace, folder: Path) -> Run:
    """One sweep from an empty store: run.json, and the seconds to its verdict."""
    file = folder / "eight.toml"
    ranks, rates = list(RANKS), list(RATES)
    file.write_text(
        f"config = {json.dumps(str(ROOT / 'trainers' / 'default.toml'))}\nrank_by = 'exact_match'\n"
        f"set = {{ rows = {options.rows}, seed = {seed} }}\ngrid = {{ rank = {ranks}, learning_rate = {rates} }}\n"
    )
    words = [options.suites, "-q", "-p", "no:cacheprovider", "--sweep", str(file), *WAYS[way]]
    words += [] if options.limit is None else ["--limit", str(options.limit)]
    run_dir = folder / way
    words += ["--store", str(folder / f"{way}-store"), "--run-dir", str(run_dir)]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if not (run_dir / "run.json").exists():
        sys.exit(f"{way}, seed {seed}: no verdict\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    sys.stderr.write(f"seed {seed}: {way} {seconds:.1f} s\n")
    run: Run = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    return run | {"bench_seconds": seconds}


def compared(seed: int, runs: dict[str, Run]) -> Run:
    """What one seed came to."""
    found: Run = {
        "seed": seed,
        "seconds": {way: run["bench_seconds"] for way, run in runs.items()},
        "winners": {way: run["sweep"]["winner"] for way, run in runs.items()},
        "outcomes": {way: run["outcome"] for way, run in runs.items()},
    }
    full = runs.get("alone", runs.get("packed"))
    if "halving" not in runs or full is None:
        return found
    chosen, best = runs["halving"]["sweep"]["winner"], full["sweep"]["winner"]
    select = {point["model"]: point["select"] for point in full["sweep"]["points"] if point["select"] is not None}
    gains = {each["model"]: each for each in full["verdicts"] if "-gain>=" in each["gate"]}
    behind = next(point["behind"] for point in full["sweep"]["points"] if point["model"] == chosen)
    return found | {
        "same": chosen == best,
        "tied": chosen in full["sweep"]["tied"],
        "within": None not in (gain := (gains[chosen]["observed"], gains[best]["low"])) and gain[0] >= gain[1],
        "behind": behind,
        "rank": 1 + sum(score > select[chosen] for score in select.values()),
        "select": select,
        "gains": {name: {key: each[key] for key in ("observed", "low")} for name, each in gains.items()},
        "rungs": [
            {point["model"]: point["select"] for point in rung["points"]}
            for rung in runs["halving"]["sweep"]["halving"]["rungs"]
        ],
    }


def foretold(seeds: list[Run], number: int) -> list[float]:
    """For each seed the rank correlation of a rung with the end, where there are enough points that differ."""
    found = []
    for each in seeds:
        rung = {name: score for name, score in each["rungs"][number].items() if score is not None}
        pairs = [(score, each["select"][name]) for name, score in rung.items() if name in each["select"]]
        if len(pairs) >= FEWEST and all(len(set(side)) > 1 for side in zip(*pairs, strict=True)):
            found.append(float(spearmanr(*zip(*pairs, strict=True)).statistic))
    return found


def report(seeds: list[Run], ways: list[str], asked: Run) -> None:
    """Print the table so far, and write bench/halving.json."""
    judged = [each for each in seeds if "within" in each]
    counts = {key: sum(each[key] for each in judged) for key in ("same", "within", "tied")}
    told = [foretold(judged, number) for number in range(len(PARTS))]
    conditions = asked | {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl")},
    }
    written = {"conditions": conditions, "n": len(judged), **counts, "foretold": told, "seeds": seeds}
    out = ROOT / "bench" / "halving.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    lines = ["| way | seconds to the verdict, median | against alone |", "|---|---|---|"]
    middle = {way: statistics.median(each["seconds"][way] for each in seeds) for way in ways}
    for way, seconds in middle.items():
        ratio = f"{middle['alone'] / seconds:.2f}" if "alone" in middle else "not measured"
        lines.append(f"| {way} | {seconds:.1f} | {ratio} |")
    if judged:
        lines.append(
            f"winner of halving, of {len(judged)} seeds: the same {counts['same']}, within the winner's interval "
            f"{counts['within']}, tied with it {counts['tied']}; rank by the select half: {[e['rank'] for e in judged]}"
        )
        lines += [
            f"rank correlation at {part} of the steps with the end: {[round(each, 2) for each in values]}"
            for part, values in zip(PARTS, told, strict=True)
        ]
    sys.stdout.write("\n".join([*lines, f"conditions: {conditions}", f"written: {out}"]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
