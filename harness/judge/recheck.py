"""What `verify` asks of a judged run: are its judgements those of the receipt, and do the scores follow from them?"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.judge.asking import refers
from harness.judge.judgement import Kind
from harness.judge.scoring import Heard, row_scores
from harness.judge.screen import gives_orders
from harness.judge.sitting import Sitting
from harness.runs import JUDGEMENTS, record_name, sha256
from harness.types import Row, SuiteResult

__all__ = ["file_faults", "grade_faults", "with_judgements"]

Results = Mapping[tuple[str, str], SuiteResult]


def file_faults(run_dir: Path, listed: Mapping[str, Any]) -> Iterator[str]:
    """One line for each file of judgements that is missing, was edited, or is in no receipt.

    Args:
        run_dir: of the run.
        listed: `judgements` of its receipt.
    """
    folder = run_dir / JUDGEMENTS
    present = {f"{JUDGEMENTS}/{path.name}" for path in folder.glob("*.jsonl")}
    for name in sorted(set(listed) ^ present):
        yield f"{name}: {'is missing' if name in listed else 'is not in the receipt'}"
    for name in sorted(set(listed) & present):
        entry, data = listed[name], (run_dir / name).read_bytes()
        if name != f"{JUDGEMENTS}/{record_name(entry['suite'], entry['model'])}":
            yield f"{name}: is listed as judgements of something else"
        elif sha256(data) != entry["sha256"] or len(data.splitlines()) != entry["rows"]:
            yield f"{name}: differs from the receipt; a judgement was edited"


def with_judgements(run_dir: Path, listed: Mapping[str, Any], results: Results) -> dict[tuple[str, str], SuiteResult]:
    """`results` with the evidence that lies beside them; only after `file_faults` found none."""
    evidence = {
        (entry["suite"], entry["model"]): tuple(map(json.loads, (run_dir / name).read_bytes().splitlines()))
        for name, entry in listed.items()
    }
    return {key: replace(result, evidence=evidence.get(key, ())) for key, result in results.items()}


def grade_faults(plan: Mapping[str, Any], run: Mapping[str, Any], results: Results) -> Iterator[str]:
    """One line for each judged measurement whose scores do not follow from what the judge said."""
    base = plan["models"][0]["name"]
    prints = {
        each["name"]: (each["fingerprint"], each["digests"].get("weights", each["fingerprint"]))
        for each in run["models"]
    }
    planned = {suite["name"]: suite["judge"] for suite in plan["suites"]}
    for (suite, model), result in results.items():
        spec, sitting = planned[suite], Sitting.read(result.evidence)
        if (spec is None) != (sitting is None):
            yield f"judgements: {model} on {suite} was {'not ' if sitting is None else ''}judged, against the plan"
        elif spec is not None and sitting is not None:
            measured = (sitting.measured, sitting.measured_weights)
            if measured != prints[model] or list(sitting.dimensions) != spec["dimensions"]:
                yield f"judgements: those of {model} on {suite} are of another model or rubric"
            elif not _follow(result, results.get((suite, base)) if model != base else None, sitting, spec):
                yield f"judgements: scores of {model} on {suite} are not what the judge said"


def _follow(result: SuiteResult, base: SuiteResult | None, sitting: Sitting, spec: Mapping[str, Any]) -> bool:
    """Whether the scores follow, and whether the judgements are those of the judge whom each answer was for."""
    heard, others = Heard.by_item(sitting.judgements), {row.id: row for row in base.rows} if base else {}
    votes = 1 if sitting.weights else spec["votes"]
    if (sitting.second.judge if sitting.second else None) != spec["second"]:
        return False
    if sitting.orders != tuple(row.id for row in result.rows if gives_orders(row.output)):
        return False
    return all(
        row.scores
        == row_scores(row, others.get(row.id), sitting.dimensions, own, pairwise=spec["pairwise"], votes=votes)
        and _by_whom(row, others.get(row.id), own, asked=spec["second"] is not None)
        for row, own in ((row, heard.get(row.id, Heard())) for row in result.rows)
    )


def _by_whom(row: Row, base: Row | None, heard: Heard, *, asked: bool) -> bool:
    """Whether the second judge said what was referred to it, where one was asked for, and nothing else."""
    said = ((Kind.POINT, [heard.point] if heard.point else []), (Kind.PAIR, heard.pair), (Kind.VOTE, heard.votes))
    return all(each.second is (asked and refers(kind, row, base)) for kind, some in said for each in some)
