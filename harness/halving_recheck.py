"""Who was stopped on the way, decided again from the rows of each rung."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.halving import Cuts, Rungs, Standing
from harness.records import read_rows
from harness.runs import RUNGS, rung_name, sha256
from harness.sweeps import Ranking, in_confirm
from harness.types import Json, Outcome, SuiteResult

__all__ = ["rung_faults"]

Document = Mapping[str, Any]
_OTHERWISE = "who went on is not as the rows of the rungs give"


def rung_faults(
    run_dir: Path, plan: Document, run: Document, results: Mapping[tuple[str, str], SuiteResult]
) -> Iterator[str]:
    """One line for each thing that is not as the rows of the rungs make it.

    Args:
        run_dir: of the run.
        plan: plan.json.
        run: run.json.
        results: the whole measurements, by suite and model; those of the base say which rows are the select half.
    """
    listed, cuts, ranking = run["receipt"]["rungs"], Cuts.read(plan), Ranking.read(plan)
    said, cut = (run["sweep"] or {}).get("halving"), dict[str, str]()
    if cuts is None or ranking is None:
        found = ["halving: run.json tells of rungs that were not planned"] if said is not None or listed != {} else []
    else:
        base = results.get((ranking.suite, ranking.base))
        select = [row for row in base.rows if not in_confirm(row)] if base else []
        found = list(_file_faults(run_dir, listed, ranking.suite, [row.id for row in select]))
        if not found:
            rungs = _again(cuts, _scores(run_dir, listed, ranking, base), (said or {"rungs": ()})["rungs"])
            found = [] if _rounded(said) == _rounded(rungs.spec()) else [f"halving: {_OTHERWISE}"]
            cut = {name: rungs.cut(name) for name in cuts.points}
    yield from found
    for written in () if found else run["verdicts"]:
        if written["outcome"] == Outcome.CUT and written["reason"] != (cut.get(written["model"]) or None):
            yield f"{written['node']}: CUT, and the rows of the rungs give another reason, or none"


def _file_faults(run_dir: Path, listed: Document, suite: str, select: Sequence[str]) -> Iterator[str]:
    folder = run_dir / RUNGS
    present = {f"{RUNGS}/{path.name}" for path in folder.iterdir()} if folder.is_dir() else set()
    for name in sorted(set(listed) ^ present):
        yield f"{name}: {'is missing' if name in listed else 'is not in the receipt'}"
    for name in sorted(set(listed) & present):
        entry, path = listed[name], run_dir / name
        if path.is_symlink():
            yield f"{name}: is no plain file; records are not followed to other places"
        elif entry["suite"] != suite or name != f"{RUNGS}/{rung_name(suite, entry['model'], entry['rung'])}":
            yield f"{name}: is listed as a record of something else"
        elif sha256(data := path.read_bytes()) != entry["sha256"]:
            yield f"{name}: differs from the receipt; a record was edited"
        elif [row.id for row in read_rows(data)] != select:
            yield f"{name}: its rows are not the {len(select)} of the select half"


def _scores(
    run_dir: Path, listed: Document, ranking: Ranking, base: SuiteResult | None
) -> dict[tuple[int, str], float | None]:
    """The mean on the select half by rung and point."""
    if base is None:
        return {}
    read = ((entry, read_rows((run_dir / name).read_bytes())) for name, entry in listed.items())
    return {(entry["rung"], entry["model"]): ranking.mean(replace(base, rows=rows)) for entry, rows in read}


def _again(cuts: Cuts, scores: Mapping[tuple[int, str], float | None], said: Sequence[Document]) -> Rungs:
    """The rungs as the scores make them. How many steps lie where no record says, so that is taken from run.json."""
    rungs = Rungs(cuts)
    for number, rung in enumerate(said, start=1):
        steps = {point["model"]: (point["step"], point["steps"]) for point in rung["points"]}
        stood = [(name, *steps.get(name, (None, None)), scores.get((number, name))) for name in rungs.alive]
        rungs.decide([Standing(*each, stays=False) for each in stood])
    return rungs


def _rounded(value: Json) -> Json:
    """Without the last digits of its numbers, which another Python may add up otherwise."""
    rounded: Json = json.loads(json.dumps(value), parse_float=lambda text: round(float(text), 9))
    return rounded
