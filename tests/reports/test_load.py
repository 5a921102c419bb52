"""A run directory is read whole or refused by name."""

import json
import re

import pytest

from harness.errors import BadRunDirectory
from harness.types import Outcome
from reports.load import Key, load
from tests.reports.maker import demo


@pytest.fixture
def folder(tmp_path):
    """A small finished run."""
    return demo(20, loss=0).write(tmp_path / "run")


def edit(folder, change):
    """Rewrite run.json after `change` altered its content."""
    path = folder / "run.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_run_is_read_whole(folder):
    """Models, results, rows, verdicts and plan come back as they were written."""
    run = load(folder)
    assert [model.name for model in run.models] == ["base", "r16-all-linear"]
    assert len(run.results) == 8
    assert len(run.rows[Key("mmlu_forgetting", "base")]) == 120
    assert run.rows[Key("valid_json", "base")][0].tags == ("easy",)
    assert [suite.name for suite in run.suites if suite.guards] == ["mmlu_forgetting", "regression"]
    assert [suite.name for suite in run.suites if suite.keeps] == ["regression"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: run.pop("models"), "'models' is missing"),
        (lambda run: run.update(models=[]), "'models'"),
        (lambda run: run.update(schema_version=2), "was written with schema 2, this version reads 3; repeat"),
        (lambda run: run.update(outcome="GREEN"), "'outcome'"),
        (lambda run: run.update(partial="no"), "'partial'"),
        (lambda run: run["verdicts"][0].update(observed="1.0"), "verdicts[0]: 'observed'"),
        (lambda run: run["verdicts"][0].update(n=True), "verdicts[0]: 'n'"),
        (lambda run: run["verdicts"][1].update(n=-1), "verdicts[1]: 'n'"),
        (lambda run: run["verdicts"][0].pop("lost"), "verdicts[0]: 'lost'"),
        (lambda run: run["results"][0].update(notes=[1]), "results[0]: 'notes'"),
        (lambda run: run["receipt"]["records"].update(x=None), "'pool'"),
        (lambda run: run["receipt"]["records"]["records/0.jsonl"].update(rows=19), "'rows'"),
    ],
)
def test_malformed_runs_name_the_key(folder, change, says):
    """A value that is missing or of the wrong type is refused with file and key."""
    edit(folder, change)
    with pytest.raises(BadRunDirectory, match=re.escape(says)) as caught:
        load(folder)
    assert str(caught.value).startswith(str(folder / "run.json"))


def test_an_unfinished_run_is_refused(tmp_path):
    """Without run.json the message says how to finish the run."""
    with pytest.raises(BadRunDirectory, match="same --run-dir"):
        load(tmp_path)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"outcome": NaN}', "[" * 100_000, "\x00"], ids=["cut", "list", "nan", "deep", "nul"]
)
def test_what_is_no_json_object_is_refused(folder, content):
    """Cut, deep, or non-standard JSON is one line of error, never a traceback."""
    (folder / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadRunDirectory, match=r"run\.json"):
        load(folder)


def test_edited_records_are_refused(folder):
    """One changed byte in the records is noticed before anything is shown."""
    path = folder / "records" / "0.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Nurse", b"Nirse", 1))
    with pytest.raises(BadRunDirectory, match="differs from the receipt"):
        load(folder)


def test_records_outside_of_the_run_are_refused(folder):
    """A receipt cannot make the reader open other files."""
    edit(
        folder, lambda run: run["receipt"]["records"].update({"../../x": run["receipt"]["records"]["records/0.jsonl"]})
    )
    with pytest.raises(BadRunDirectory, match="outside of the run directory"):
        load(folder)


def test_pool_measurements_are_left_aside(folder):
    """Rows that a suite only chose from are not taken for its measurement."""
    extra = {"suite": "regression", "model": "base", "pool": 1, "rows": 9, "sha256": "0"}
    edit(folder, lambda run: run["receipt"]["records"].update({"records/regression--base.pool1.jsonl": extra}))
    assert len(load(folder).rows[Key("regression", "base")]) == 20


def test_a_green_outcome_needs_green_verdicts(folder):
    """A run that claims PASS against its own verdicts is not shown as PASS."""
    edit(folder, lambda run: (run.update(outcome="PASS"), run["verdicts"][0].update(outcome="FAIL")))
    with pytest.raises(BadRunDirectory, match="tunegate verify"):
        load(folder)


def test_a_run_may_be_worse_than_its_verdicts(folder):
    """An INVALID run with green verdicts is read: something else went wrong, and the page says INVALID."""
    edit(folder, lambda run: (run.update(outcome="INVALID"), [v.update(outcome="PASS") for v in run["verdicts"]]))
    assert load(folder).outcome is Outcome.INVALID


def test_what_a_judge_grades_watches_over_nothing(tmp_path):
    """A judged suite that only bounds drops stands with the judge, and not among what may not be forgotten."""
    folder = demo().write(tmp_path / "run")
    content = json.loads((folder / "run.json").read_text())
    next(suite for suite in content["plan"]["suites"] if suite["name"] == "mmlu_forgetting")["judge"] = {"asked": None}
    (folder / "run.json").write_text(json.dumps(content))
    assert [suite.name for suite in load(folder).suites if suite.guards] == ["regression"]
