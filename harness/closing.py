"""What a finished run says of itself beside its verdicts, in lines for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.ages import damage_line
from harness.judge.words import judge_line
from harness.prompting import REFERENCE

__all__ = ["closing_lines"]


def closing_lines(run: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing that run.json knows of: the sweep, what prompting reaches, the judge, the store."""
    if run["sweep"]:
        yield f"trained: {run['trained']}; {_sweep_line(run['sweep'])}"
    yield from map(_prompting_line, run["prompting"])
    yield from map(judge_line, run["judge"])
    if run["store"]["damaged"]:
        yield f"store: {damage_line(run['store']['damaged'])}"
    yield from _trajectory_lines(run["trajectory"], run["plan"]["trajectory"])


def _sweep_line(sweep: Mapping[str, Any]) -> str:
    points = {point["model"]: point for point in sweep["points"]}
    if sweep["winner"] is None:
        return "no point could be ranked"
    best = points[sweep["winner"]]["select"]
    small = f"; smallest that is not shown to be worse: {sweep['smallest']}" if sweep["smallest"] else ""
    ranked = sum(point["select"] is not None for point in points.values())
    rungs = sweep["halving"]["rungs"] if sweep["halving"] else []
    cut = sum(each["select"] is not None and not each["stays"] for rung in rungs for each in rung["points"])
    stopped = f"; cut on the way: {cut}" if cut else ""
    return f"winner: {sweep['winner']}, best of {ranked} on the select half ({best:.1%}){stopped}{small}"


def _prompting_line(entry: Mapping[str, Any]) -> str:
    value, low, high = (100 * entry[key] + 0.0 for key in ("value", "low", "high"))
    over = "the reference model" if entry["over"] == REFERENCE else f"{entry['over']}, the best prompt"
    what = f"{entry['suite']}: {entry['model']} minus {over}"
    return f"{what}: {value:+.1f} points [{low:+.1f}, {high:+.1f}] of {entry['metric']}{_share(entry)}"


def _share(entry: Mapping[str, Any]) -> str:
    """How much of the candidate's gain it has without training; a percentage only where it is a part."""
    share, over = entry["share"], entry["over"]
    if share is None:
        return ""
    if share < 0:
        return f"; {over} alone has none of the gain, it is below the bare base"
    if share > 1:
        return f"; {over} alone gains {share:.1f} times as much"
    return f"; {over} alone has {share:.0%} of the gain"


def _trajectory_lines(trajectory: Mapping[str, Any] | None, planned: Mapping[str, Any] | None) -> Iterator[str]:
    if trajectory is None or planned is None:
        return
    for adapter, best in trajectory["recommended"].items():
        count = sum(each["of"] == adapter for each in trajectory["checkpoints"])
        if planned["task"] is None:
            said = "no suite asks for a gain or a rate to recommend one by"
        elif best is None:
            said = "none keeps every bound on a drop"
        else:
            said = f"recommended: {best}, chosen on the rows that it is shown on"
        yield f"trajectory of {adapter}: {count} checkpoints; {said}"
