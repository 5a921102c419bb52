"""Runs that were doctored after they ended. `pass` is a green run of one adapter, `fail` a red one of two."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.silent_pass.ways import Area, Way, edit, edit_json

RED = ("fail",)
GOOD, BASE, BAD = "records/asks--good.jsonl", "records/asks--base.jsonl", "records/asks--bad.jsonl"

Lines = list[dict[str, Any]]


def record(change: Callable[[Lines], object], name: str = GOOD) -> Callable[[Path], None]:
    """Change the rows of a record file; the receipt stays as it was."""

    def apply(run: Path) -> None:
        rows = [json.loads(line) for line in (run / name).read_text().splitlines()]
        change(rows)
        (run / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    return apply


def mended(change: Callable[[Lines], object], name: str = GOOD) -> Callable[[Path], None]:
    """Change the rows of a record file, and the receipt with them."""

    def apply(run: Path) -> None:
        record(change, name)(run)
        data = (run / name).read_bytes()
        entry = {"sha256": hashlib.sha256(data).hexdigest(), "rows": len(data.splitlines())}
        edit_json(run / "run.json", lambda values: values["receipt"]["records"][name].update(entry))

    return apply


def said(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Change run.json."""
    return lambda run: edit_json(run / "run.json", change)


def planned(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Change plan.json, and mend the checksum and the copy of it in run.json."""

    def apply(run: Path) -> None:
        edit_json(run / "plan.json", change)
        data = (run / "plan.json").read_bytes()

        def mend(values: Any) -> None:
            values["plan"] = json.loads(data)
            values["receipt"]["plan_sha256"] = hashlib.sha256(data).hexdigest()

        edit_json(run / "run.json", mend)

    return apply


def every(values: Mapping[str, Any]) -> Callable[[Lines], None]:
    """Set these values in the score of every row."""

    def change(rows: Lines) -> None:
        for row in rows:
            row["scores"][0].update(values)

    return change


def set_verdicts(values: Mapping[str, Any]) -> Callable[[Any], None]:
    """Set these values in every verdict, and call the whole green."""

    def change(run: Any) -> None:
        run["outcome"] = "PASS"
        for verdict in run["verdicts"]:
            verdict.update(values)

    return change


def drop(run: Path) -> None:
    """Take the failed adapter's verdicts out of run.json."""

    def change(values: Any) -> None:
        values["outcome"] = "PASS"
        values["verdicts"] = [verdict for verdict in values["verdicts"] if verdict["model"] != "bad"]

    edit_json(run / "run.json", change)


def forget(run: Path) -> None:
    """Take the failed adapter out of everything: plan, records, receipt, results and verdicts."""
    (run / BAD).unlink()

    def plan(values: Any) -> None:
        values["models"] = [model for model in values["models"] if model["name"] != "bad"]
        values["items"] = [item for item in values["items"] if item["model"] != "bad"]

    def document(values: Any) -> None:
        del values["receipt"]["records"][BAD]
        values["outcome"] = "PASS"
        for key, name in (("models", "name"), ("results", "model"), ("verdicts", "model")):
            values[key] = [entry for entry in values[key] if entry[name] != "bad"]

    edit_json(run / "run.json", document)
    planned(plan)(run)


def linked(run: Path) -> None:
    """Put the candidate's records elsewhere, and a link in their place."""
    (run / GOOD).rename(run.parent / "elsewhere.jsonl")
    (run / GOOD).symlink_to(run.parent / "elsewhere.jsonl")


EDITED = "differs from the receipt; a record was edited"
OWN_DIGEST = "plan.json: does not match its own digest; it was edited"
VERDICT = "not as the records give"
NODE = "suites/test_asks.py::test_gate[exact_match-drop<=0.05-good]"

WAYS = [
    Way("a score is edited", record(lambda rows: rows[-1]["scores"][0].update(value=1.0)), 11, EDITED),
    Way("an answer is edited", record(lambda rows: rows[-1].update(output="yes")), 11, EDITED),
    Way("a row is removed", record(lambda rows: rows.pop()), 11, EDITED),
    Way("a row is added", record(lambda rows: rows.append(rows[0])), 11, EDITED),
    Way("the last row is torn", lambda run: (run / GOOD).write_bytes((run / GOOD).read_bytes()[:-20]), 11, EDITED),
    Way("a record file is emptied", lambda run: (run / GOOD).write_text(""), 11, EDITED),
    Way("a record file is removed", lambda run: (run / GOOD).unlink(), 11, f"{GOOD}: is missing"),
    Way(
        "a record file is added",
        lambda run: shutil.copy(run / GOOD, run / "records/asks--best.jsonl"),
        11,
        "asks--best.jsonl: is not in the receipt",
    ),
    Way("a record file is a link", linked, 11, f"{GOOD}: is no plain file"),
    Way("every record is removed", lambda run: shutil.rmtree(run / "records"), 11, "has another form"),
    Way("the candidate gets the base's records", lambda run: shutil.copy(run / BASE, run / GOOD), 11, EDITED),
    Way(
        "a score is edited with its checksum",
        mended(lambda rows: rows[-1]["scores"][0].update(value=1.0)),
        11,
        "is not what the records give",
    ),
    Way(
        "a row is removed with its checksum",
        mended(lambda rows: rows.pop()),
        11,
        "its rows are not the 120 planned ones",
    ),
    Way(
        "a row is counted twice with its checksum",
        mended(lambda rows: rows.__setitem__(-1, rows[0])),
        11,
        "its rows are not the 120 planned ones",
    ),
    Way(
        "rows change places with their checksum",
        mended(lambda rows: rows.reverse()),
        11,
        "its rows are not the 120 planned ones",
    ),
    Way("a score is taken out with its checksum", mended(every({"value": None})), 11, "is not what the records give"),
    Way(
        "scores are NaN, with their checksum",
        mended(every({"value": float("nan")})),
        11,
        "is not what the records give",
    ),
    Way("scores are 2, with their checksum", mended(every({"value": 2.0})), 11, "is not what the records give"),
    Way(
        "scores are of another metric, with their checksum",
        mended(every({"metric": "luck"})),
        11,
        "is not scored by the planned metrics",
    ),
    Way(
        "rows have no scores, with their checksum",
        mended(lambda rows: [row.update(scores=[]) for row in rows]),
        11,
        "is not scored by the planned metrics",
    ),
    Way(
        "a row has a key too many, with its checksum",
        mended(lambda rows: rows[0].update(weight=9)),
        11,
        "line 1 is not a row",
    ),
    Way(
        "a record is listed as another model's",
        said(lambda run: run["receipt"]["records"][GOOD].update(model="base")),
        11,
        "is listed as a record of something else",
    ),
    Way(
        "the receipt names a file elsewhere",
        said(lambda run: run["receipt"]["records"].update({"records/../../x.jsonl": run["receipt"]["records"][GOOD]})),
        11,
        "x.jsonl: is missing",
    ),
    Way(
        "the receipt says fewer rows",
        said(lambda run: run["receipt"]["records"][GOOD].update(rows=119)),
        11,
        "120 rows, the receipt says 119",
    ),
    Way("the receipt is gone", said(lambda run: run.pop("receipt")), 11, "plan.json or run.json cannot be read"),
    Way("run.json is gone", lambda run: (run / "run.json").unlink(), 11, "has no receipt (run.json)"),
    Way(
        "run.json is torn",
        lambda run: (run / "run.json").write_bytes((run / "run.json").read_bytes()[:-30]),
        11,
        "plan.json or run.json cannot be read",
    ),
    Way(
        "run.json says PASS and no more",
        lambda run: (run / "run.json").write_text('{"outcome": "PASS"}'),
        11,
        "plan.json or run.json cannot be read",
    ),
    Way("run.json is of another version", said(lambda run: run.update(schema_version=0)), 11, "this version reads 3"),
    Way(
        "the policy is called another",
        planned(lambda plan: plan.update(policy="0" * 64)),
        11,
        "its policy is not the hash of what its gates ask",
    ),
    Way(
        "a red run is said to have ended with 0",
        said(lambda run: run.update(exit_code=0)),
        11,
        "exit_code: run.json says 0, FAIL ends with 1",
        RED,
    ),
    Way("a verdict is removed", said(lambda run: run["verdicts"].pop()), 11, "1 verdicts for 2 planned gates"),
    Way(
        "a verdict is there twice",
        said(lambda run: run["verdicts"].append(run["verdicts"][0])),
        11,
        "3 verdicts for 2 planned gates",
    ),
    Way(
        "a verdict's value is edited",
        said(lambda run: run["verdicts"][0].update(observed=0.99)),
        11,
        f"observed {VERDICT}",
    ),
    Way(
        "the candidate is made an earlier one than it was",
        said(lambda run: run["numbers"]["asks"].update(good=0)),
        11,
        "numbers: are not what the receipt says",
    ),
    Way("a verdict's bound is edited", said(lambda run: run["verdicts"][0].update(low=0.9)), 11, f"low {VERDICT}"),
    Way("a verdict's count is edited", said(lambda run: run["verdicts"][0].update(n=9000)), 11, f"n {VERDICT}"),
    Way(
        "a verdict's limit is edited",
        said(lambda run: run["verdicts"][0].update(required=0.99)),
        11,
        f"required {VERDICT}",
    ),
    Way(
        "a verdict's reason is edited",
        said(lambda run: run["verdicts"][0].update(reason="excellent")),
        11,
        f"reason {VERDICT}",
    ),
    Way(
        "a verdict is called advisory",
        said(lambda run: run["verdicts"][0].update(advisory=True)),
        11,
        "advisory is True, it must be False",
    ),
    Way(
        "a result is edited", said(lambda run: run["results"][0].update(value=0.5)), 11, "is not what the records give"
    ),
    Way("a result is removed", said(lambda run: run["results"].pop()), 11, "is not what the records give"),
    Way(
        "a result is invented",
        said(lambda run: run["results"].append({**run["results"][0], "model": "best"})),
        11,
        "exact_match of best on asks has no records",
    ),
    Way(
        "a sweep is invented",
        said(lambda run: run.update(sweep={"winner": "good"})),
        11,
        "tells of a sweep that was not planned",
    ),
    Way(
        "prompted rows are invented",
        said(lambda run: run.update(prompting=[{"suite": "asks"}])),
        11,
        "prompting: is not what the records give",
    ),
    Way(
        "the models are renamed",
        said(lambda run: run["models"][1].update(name="best")),
        11,
        "its models are not the planned ones",
    ),
    Way(
        "a run that was whole is called partial",
        said(lambda run: run.update(partial=True)),
        11,
        "on whether the run is partial",
    ),
    Way(
        "the margin is widened in the plan",
        lambda run: edit(run / "plan.json", '"max_drop": 0.05', '"max_drop": 0.5'),
        11,
        OWN_DIGEST,
    ),
    Way(
        "the margin is widened with its checksum",
        planned(lambda plan: plan["suites"][0]["gates"][1].update(max_drop=0.5)),
        11,
        OWN_DIGEST,
    ),
    Way("the plan loses a gate", planned(lambda plan: plan["items"].pop()), 11, OWN_DIGEST),
    Way("the plan loses a row", planned(lambda plan: plan["suites"][0]["examples"].pop()), 11, OWN_DIGEST),
    Way(
        "the plan's gate turns advisory",
        planned(lambda plan: plan["suites"][0]["gates"][1].update(advisory=True)),
        11,
        OWN_DIGEST,
    ),
    Way(
        "the plan forgets the fingerprint",
        planned(lambda plan: plan["suites"][0]["fingerprint"].update(data="0")),
        11,
        OWN_DIGEST,
    ),
    Way(
        "the plan is torn",
        lambda run: (run / "plan.json").write_text('{"digest"'),
        11,
        "plan.json or run.json cannot be read",
    ),
    Way(
        "a red run is called green",
        said(lambda run: run.update(outcome="PASS")),
        11,
        "run.json says PASS, the verdicts make it FAIL",
        RED,
    ),
    Way("red verdicts are called green", said(set_verdicts({"outcome": "PASS"})), 11, f"outcome {VERDICT}", RED),
    Way(
        "red verdicts are called advisory",
        said(set_verdicts({"advisory": True})),
        11,
        "advisory is True, it must be False",
        RED,
    ),
    Way(
        "red verdicts are called unmeasured and advisory",
        said(set_verdicts({"outcome": "NOT_RUN", "advisory": True})),
        11,
        "advisory is True, it must be False",
        RED,
    ),
    Way("red verdicts are taken out", drop, 11, "2 verdicts for 4 planned gates", RED),
    Way("the red adapter is taken out of everything", forget, 11, OWN_DIGEST, RED),
    Way(
        "red scores are edited with their checksum",
        mended(every({"value": 1.0}), BAD),
        11,
        "is not what the records give",
        RED,
    ),
    Way(
        "the red adapter gets the green one's records", lambda run: shutil.copy(run / GOOD, run / BAD), 11, EDITED, RED
    ),
    Way("a red run is taken for a green one", lambda _run: None, 1, "verified: FAIL", RED),
    Way(
        "a green run's run.json is put over a red one's",
        lambda run: shutil.copy(run.parent / "pass/run.json", run / "run.json"),
        11,
        "plan.json: is not the plan that run.json was made with",
        RED,
    ),
]

AREA = Area("Runs that were doctored afterwards", "tunegate verify RUN_DIR", WAYS)
