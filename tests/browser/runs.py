"""Runs for the tests in a browser: a small one whose every example is known, and one of each kind of page."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from harness.types import FinishReason, Score
from tests.playground import make_model, make_suite
from tests.reports.maker import Case, Made, row
from tests.sweeping import CONFTEST as SWEEPING
from tests.training import BASE, make_rows, make_suites, make_training, state

ROOT = Path(__file__).parents[2]
CHANGES = {"broken": 7, "fixed": 12, "both wrong": 5, "both right": 96}
"""How many of the 120 examples of each suite of `known` went which way."""
_STARTS = {"broken": 0, "fixed": 7, "both wrong": 19, "both right": 24}


def way(index: int) -> str:
    """What became of an example of `known`; the order of its rows mixes the ways."""
    place = index * 7 % 120
    return next(name for name, start in reversed(_STARTS.items()) if place >= start)


def known() -> Made:
    """Two suites of 120 examples; answers are JSON in `postings` and sentences in `days`."""
    return Made(
        [
            Case("postings", "exact_match", _postings, [("-drop<=0.1", 0.1)]),
            Case("days", "exact_match", _days, [("-drop<=0.1", 0.1)]),
        ]
    )


def _right(index: int, model: str) -> bool:
    return way(index) in (("broken", "both right") if model == "base" else ("fixed", "both right"))


def _postings(model: str) -> list:
    rows = []
    for index in range(120):
        good, right = row(index), _right(index, model)
        output = good.output if right else good.output.replace('"location": "', '"location": "near ')
        score = Score("exact_match", float(right), output, *(() if right else ("wrong_value", "$.location enum")))
        rows.append(replace(good, id=f"post{index:03d}", output=output, scores=(score,)))
    return rows


def _days(model: str) -> list:
    rows = []
    for index in range(120):
        right = _right(index, model)
        output = f"Day {index}: Saturday comes after Friday." if right else f"Day {index}: Sunday comes after Friday."
        score = Score("exact_match", float(right), "", "ok" if right else "other_text")
        finish = FinishReason.STOP if index % 10 else FinishReason.LENGTH
        made = row(
            index,
            id=f"day{index:03d}",
            tags=("calendar", f"week{index % 4}"),
            target=f"Day {index}: Saturday comes after Friday.",
        )
        rows.append(
            replace(made, prompt=f"Prompt of day {index}.", output=output, finish_reason=finish, scores=(score,))
        )
    return rows


def judged(folder: Path) -> Path:
    """`known` with a judge's words on two examples of `days`, as a run directory."""
    run = known().write(folder)
    content = json.loads((run / "run.json").read_text(encoding="utf-8"))
    content["receipt"]["judgements"] = {}
    (run / "judgements").mkdir()
    for name, model in (("base", "base"), ("own", "r16-all-linear")):
        said = {
            "item": "day000",
            "kind": "point",
            "first": "",
            "status": "ok",
            "scores": {"clear": 2},
            "winner": "",
            "reasons": f"<b>{model}</b> names the day.",
        }
        pair = {**said, "kind": "pair", "first": "candidate", "scores": {}, "winner": "A", "reasons": "A is right."}
        lines = [
            {"judge": "embedded"},
            said,
            *([pair] if model != "base" else []),
            {**said, "kind": "canary", "reasons": "planted"},
        ]
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        (run / f"judgements/{name}.jsonl").write_bytes(data)
        entry = {"suite": "days", "model": model, "pool": None, "rows": len(lines), "sha256": sha256(data).hexdigest()}
        content["receipt"]["judgements"][f"judgements/{name}.jsonl"] = entry
    (run / "run.json").write_text(json.dumps(content), encoding="utf-8")
    return run


def sweep(root: Path) -> Path:
    """A sweep of four points, one of which could not be trained, as the gate leaves it."""
    make_suite(root, gates='Gate("exact_match", min_gain=0.02), Gate("exact_match", max_drop=0.05)')
    (root / "conftest.py").write_text(SWEEPING)
    make_model(root / "base", right=300)
    points = ("small=330:1000", "large=390:4000", "full=392:90000", "broken=fails:500")
    return _gated(root, *(word for point in points for word in ("--sweep", point)))


def trajectory(root: Path) -> Path:
    """An adapter with three checkpoints, as the gate leaves it."""
    make_suites(root)
    make_model(root / "base", **BASE)
    states = state(right=300), state(right=340, lost=2), state(right=372, lost=30), state(right=376, lost=52)
    make_training(root / "tuned", states, data=make_rows(root / "rows.jsonl"))
    return _gated(root, "--adapter", "tuned", "--checkpoints")


def _gated(root: Path, *args: str) -> Path:
    """Run the gate in a process of its own; its run directory."""
    command = [sys.executable, "-m", "pytest", "suites", "--model", "base", "-p", "no:cacheprovider", *args]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    runs = list((root / "runs").glob("*/run.json"))
    assert len(runs) == 1, done.stdout + done.stderr
    return runs[0].parent
