"""From a finished run to pinned cases: which of its broken examples must never break again, and who says so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import BadRunDirectory, UsageProblem
from harness.fingerprint import digest
from harness.metrics.exact_match import exact_match
from harness.pinned import ONE_LINE, Case, Origin, Waiver, read_cases, today, write_cases
from harness.records import read_rows
from harness.runs import PLAN_FILE, RECORDS, RUN_FILE, record_name
from harness.suite import Suite
from harness.suite_files import load_suite
from harness.types import Example, Generation, Row
from harness.verify import verify

__all__ = ["Wanted", "pin", "waive"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be pinned.

    Attributes:
        ids: of rows of the run, at least one, each once.
        owner: who answers for the cases.
        reason: why they must not break again.
        suite: where the ids are looked for; None for wherever they are.
    """

    ids: tuple[str, ...]
    owner: str
    reason: str
    suite: str | None = None


def pin(run_dir: Path, wanted: Wanted, file: Path) -> list[Case]:
    """Pin broken examples of a run: all of them, or none.

    Args:
        run_dir: a finished run that verifies; its suite files lie under the working directory.
        wanted: which examples.
        file: the pinned cases beside the regression suite.

    Returns:
        The new cases, as written.

    Raises:
        UsageProblem: an id is unknown, in several suites, pinned already, not broken, or failed by the base itself; or
            the suite is not one that a pinned case can be asked with.
        BadRunDirectory: the run is unfinished, or does not verify.
    """
    run = _Run.read(run_dir)
    pinned = read_cases(file)
    known = {case.id for case in pinned}
    if twice := [name for name in wanted.ids if wanted.ids.count(name) > 1]:
        raise UsageProblem(f"--id {twice[0]}: is given twice; pin it once")
    new = []
    for name in wanted.ids:
        if name in known:
            raise UsageProblem(f"--id {name}: is pinned already in {file}; see tunegate regression list")
        suite = run.suite_of(name, wanted.suite)
        model = run.broken_by(suite, name)
        new.append(_case(run, suite, model, name, wanted=wanted))
    write_cases(file, [*pinned, *new])
    return new


def waive(file: Path, name: str, waiver: Waiver) -> Case:
    """Let a pinned case break until a date; replaces an earlier waiver.

    Raises:
        UsageProblem: no such case, or the date is past.
    """
    cases = read_cases(file)
    if name not in {case.id for case in cases}:
        known = ", ".join(case.id for case in cases) or "none"
        raise UsageProblem(f"--id {name}: is not pinned in {file}; pinned: {known}")
    if waiver.expires < today():
        raise UsageProblem(f"--expires {waiver.expires}: is past; give the last day on which the case may be broken")
    changed = [case.model_copy(update={"waiver": waiver}) if case.id == name else case for case in cases]
    write_cases(file, changed)
    return next(case for case in changed if case.id == name)


@dataclass(frozen=True, slots=True)
class _Run:
    """What pinning reads of a run directory."""

    path: Path
    plan: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "_Run":
        found = verify(path)
        if found.disagreements:
            raise BadRunDirectory(f"{path}: does not verify ({found.disagreements[0]}); pin from a run that does")
        plan, run = (json.loads((path / name).read_bytes()) for name in (PLAN_FILE, RUN_FILE))
        return cls(path, plan, run["models"])

    def suite_of(self, name: str, wanted: str | None) -> str:
        """The one suite that has a row of that id."""
        suites = {suite["name"]: {row for row, _ in suite["examples"]} for suite in self.plan["suites"]}
        if wanted is not None and wanted not in suites:
            raise UsageProblem(f"--suite {wanted}: is not in {self.path}; it has {', '.join(suites)}")
        found = [suite for suite, ids in suites.items() if name in ids and wanted in (None, suite)]
        if not found:
            where = f"suite {wanted!r} of {self.path}" if wanted else str(self.path)
            raise UsageProblem(f"--id {name}: no row of {where} has this id; ids stand in its records and its report")
        broken = [suite for suite in found if self._breakers(suite, name)] or found
        if len(broken) > 1:
            raise UsageProblem(f"--id {name}: is broken in the suites {', '.join(broken)}; say which with --suite")
        return str(broken[0])

    def broken_by(self, suite: str, name: str) -> str:
        """The first candidate that breaks the row."""
        base = self.row(suite, self.plan["models"][0]["name"], name)
        metric = self._suite(suite)["metrics"][0]
        if base is None or base.score(metric).value != 1.0:
            raise UsageProblem(f"--id {name}: the base itself fails it by {metric} of {suite}; pin what it gets right")
        breakers = self._breakers(suite, name)
        if not breakers:
            raise UsageProblem(f"--id {name}: no candidate of {self.path} breaks it in {suite}; pin what broke")
        return breakers[0]

    def _breakers(self, suite: str, name: str) -> list[str]:
        """The candidates that miss what the base gets right."""
        metric, (base, *others) = self._suite(suite)["metrics"][0], self.plan["models"]
        asked = self.row(suite, base["name"], name)
        if asked is None or asked.score(metric).value != 1.0:
            return []
        rows = {each["name"]: self.row(suite, each["name"], name) for each in others if not each["prompting"]}
        return [model for model, row in rows.items() if row is not None and row.score(metric).value != 1.0]

    def row(self, suite: str, model: str, name: str) -> Row | None:
        """The record of one example; None when the model was not measured, or the row not kept."""
        path = self.path / RECORDS / record_name(suite, model)
        if not path.exists():
            return None
        return next((row for row in read_rows(path.read_bytes()) if row.id == name), None)

    def example(self, suite: str, name: str) -> tuple[Suite, Example]:
        """The suite as its file has it now, and the example, if it still is what the run measured."""
        node = next((item["node"] for item in self.plan["items"] if item["suite"] == suite), "")
        loaded = load_suite(Path(node.partition("::")[0]))
        if not isinstance(loaded, Suite):
            raise UsageProblem(
                f"--id {name}: suite {suite!r} has no prompts to ask again by generation; pin from others"
            )
        example = next((example for example in loaded.plan() if example.id == name), None)
        if example is None or [name, digest(asdict(example))] not in self._suite(suite)["examples"]:
            raise UsageProblem(f"--id {name}: the data of suite {suite!r} has changed since the run; repeat the run")
        return loaded, example

    def _suite(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(suite for suite in self.plan["suites"] if suite["name"] == name)
        return found


def _case(run: _Run, suite: str, model: str, name: str, *, wanted: Wanted) -> Case:
    loaded, example = run.example(suite, name)
    row = run.row(suite, run.plan["models"][0]["name"], name)
    assert row is not None
    said = Generation(row.output, (), row.finish_reason, row.prompt_tokens, row.new_tokens)
    if exact_match()([example], [said])[0].value != 1.0:
        raise UsageProblem(f"--id {name}: the base's answer is right by {suite}, but it is not the reference answer")
    fingerprint = next(each["fingerprint"] for each in run.models if each["name"] == model)
    try:
        return Case(
            id=example.id,
            input=example.input,
            output=example.target,
            system=loaded.render.system,
            max_new_tokens=loaded.sampling.max_new_tokens,
            owner=wanted.owner,
            reason=wanted.reason,
            added=today(),
            origin=Origin(run=run.plan["id"], suite=suite, model=model, fingerprint=fingerprint),
        ).sealed()
    except ValidationError as error:
        raise UsageProblem(f"--{error.errors()[0]['loc'][0]}: {ONE_LINE}") from error
