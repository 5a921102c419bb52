"""What a terminal and a JSON file say of a judge."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.judge.calibration import KAPPA_TO_GATE, Calibration
from harness.judge.rubric import LEVELS, Rubric

__all__ = ["as_text", "judge_line", "write_json"]


def judge_line(entry: Mapping[str, Any]) -> str:
    """An entry of `judge` in run.json: who judged, what it is worth, and what it cost."""
    worth = "not calibrated"
    if entry["kappa"] is not None:
        worth = f"kappa {entry['kappa']:.2f} [{entry['low']:.2f}, {entry['high']:.2f}]"
    counts = "decides" if not entry["objections"] else f"advisory: {'; '.join(entry['objections'])}"
    flips = f", order decided {entry['flips']} of {entry['pairs']} comparisons" if entry["pairs"] else ""
    flips += f", {entry['voted']} answers voted on" if entry["voted"] else ""
    flips += f", {entry['referred']} questions for {entry['second']}" if entry["second"] else ""
    cost = f"{entry['calls']:,} calls, {entry['cached']:,} from the store, {entry['tokens']:,} tokens"
    money = "" if entry["money"] is None else f", {entry['money']:.4f} spent"
    return f"judge of {entry['suite']} on {entry['model']}: {entry['judge']}, {worth}{flips}; {cost}{money}; {counts}"


def as_text(found: Calibration, rubric: Rubric) -> str:
    """A calibration for people."""
    kappa, low, high = found.agreement
    graded = len(found.pairs)
    lines = [
        f"{graded} answers graded on {', '.join(rubric.names)}, {found.failed} not; labels by {found.by}",
        f"quadratic kappa {kappa:.2f} [{low:.2f}, {high:.2f}]; bias {found.bias:+.2f} grades",
        f"agrees with itself on {found.agreed} of {found.repeated} repeats"
        if found.repeated
        else "repeats exactly by design",
        "label \\ grade" + "".join(f"{grade:>6}" for grade in LEVELS),
        *(f"{label:>13}" + "".join(f"{n:>6}" for n in row) for label, row in zip(LEVELS, found.confusion, strict=True)),
        f"it may gate: the lower bound reaches {KAPPA_TO_GATE}"
        if low >= KAPPA_TO_GATE
        else f"advisory only: the lower bound is below {KAPPA_TO_GATE}",
    ]
    return "\n".join(lines)


def write_json(found: Calibration, path: Path) -> None:
    """All figures of a calibration, as JSON.

    Raises:
        UsageProblem: the file cannot be written.
    """
    from harness.outputs import write_output  # its module is for command lines alone

    kappa, low, high = found.agreement
    figures = {"kappa": kappa, "low": low, "high": high, "bias": found.bias, "confusion": found.confusion}
    write_output(path, (json.dumps({**figures, **found.spec()}, indent=2) + "\n").encode())
