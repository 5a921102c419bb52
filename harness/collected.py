"""What pytest has shown so far of a gate run: the suites it found, the items it made, the reports it gave."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.ending import ending
from harness.errors import UsageProblem
from harness.lm_eval_rolling import LmEvalRolling
from harness.lm_eval_task import LmEvalTask
from harness.options import Options
from harness.outside import Outside
from harness.session import GateSession
from harness.suite import Measurable, Suite
from harness.types import Outcome

__all__ = ["Collected", "Reports"]


@dataclass(slots=True)
class Collected:
    """What collection has seen.

    Attributes:
        gates: the session that plans and decides.
        suites: by node id of their module; a module may hold several.
        made: items made, by node id of the function.
        skipped: modules that skipped themselves.
        header: lines that say what is planned.
        unwritten: why the receipt could not be written.
        failed: node ids of everything that failed.
    """

    gates: GateSession
    suites: dict[str, tuple[Measurable, ...]] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def refuse_gaps(self) -> None:
        """Refuse suites that nothing measures.

        Raises:
            UsageProblem: a suite without a gate test, or a file beside the suites that skips itself.
        """
        for module, suite in self._each():
            if not any(node.startswith(f"{module}::") for node in self.made):
                raise UsageProblem(
                    f"{module}: suite {suite.name!r} has no gate test; add `def test_gate(gate, check): check(gate)`"
                )
        folders = {Path(module).parent for module in self.suites}
        for path in self.skipped:
            if path.parent in folders:
                raise UsageProblem(
                    f"{path}: skips itself while it is imported; a suite that is skipped is not measured"
                )

    def refuse_unused(self, options: Options) -> None:
        """Refuse options that name what no collected suite takes.

        Raises:
            UsageProblem: `--lm-eval` without a file that makes suites of it, or `--data` that no suite reads.
        """
        suites = [suite for _, suite in self._each()]
        asked = {suite.task for suite in suites if isinstance(suite, LmEvalTask | LmEvalRolling)}
        if missing := [task for task in options.lm_eval if task not in asked]:
            raise UsageProblem(
                f"--lm-eval {missing[0]}: no collected file takes it; collect suites/test_lm_eval.py too"
            )
        sources = [suite.examples for suite in suites if isinstance(suite, Suite)]
        read = {source.name for source in sources if isinstance(source, Outside)}
        read |= {Path(task).stem if task.endswith((".yaml", ".yml")) else task for task in asked}
        if missing := [name for name, _ in options.data if name not in read]:
            known = ", ".join(sorted(read)) or "none"
            raise UsageProblem(f"--data {missing[0]}: no collected suite reads it; those that are read: {known}")

    def notes(self) -> list[str]:
        """What suites say of where their rows come from."""
        sources = [(suite.name, suite.examples) for _, suite in self._each() if isinstance(suite, Suite)]
        return [f"{name}: {source.note}" for name, source in sources if isinstance(source, Outside) and source.note]

    def _each(self) -> Iterator[tuple[str, Measurable]]:
        return ((module, suite) for module, suites in self.suites.items() for suite in suites)

    def by_name(self) -> dict[str, Measurable]:
        """The suites by their own names.

        Raises:
            UsageProblem: two have one name.
        """
        suites: dict[str, Measurable] = {}
        for module, suite in self._each():
            if suites.setdefault(suite.name, suite) is not suite:
                raise UsageProblem(f"{module}: another suite is named {suite.name!r} too; names are unique in a run")
        return suites

    def ending(self, outcome: Outcome, status: int) -> int:
        """The exit code of a run with that outcome, where pytest by itself would end with `status`."""
        warned = self.gates.undecided if self.gates.options.on_inconclusive == "warn" else frozenset()
        if status == pytest.ExitCode.TESTS_FAILED and self.failed <= self.gates.spared | warned:
            status = pytest.ExitCode.OK  # below their gates are only points that another one beat, or what may be
        return ending(outcome, status, forgiven=bool(warned))

    def left_out(self, selected: int, options: list[str]) -> list[str]:
        """Why `selected` gates, chosen with these narrowing options, are less than all."""
        made = sum(self.made.values())
        deselected = [f"{made - selected} of {made} gates were deselected"] if selected < made else []
        return deselected + [f"{option} runs only some gates" for option in options]


@dataclass(slots=True, eq=False)
class Reports:
    """A plugin that keeps whatever stands against believing an item: errors, skips, expected failures, reruns."""

    state: Collected

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notice modules that skip themselves."""
        if report.failed:
            self.state.failed.add(report.nodeid)
        if report.skipped:
            self.state.skipped.append(Path(report.nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice what is wrong with an item; the first problem stays."""
        gates, node = self.state.gates, report.nodeid
        if report.failed:
            self.state.failed.add(node)
        if gates.plan is not None and any(item.node == node for item in gates.plan.items):
            problem = self._problem(report)
            if problem:
                gates.problems.setdefault(node, problem)

    def _problem(self, report: pytest.TestReport) -> str:
        decided = self.state.gates.verdicts.get(report.nodeid)
        if hasattr(report, "wasxfail"):
            return "marked xfail; a gate is not expected to fail, remove the mark"
        if report.skipped and (decided is None or decided.outcome is not Outcome.CUT):
            return "skipped; a gate that was not measured cannot pass, remove the skip"
        if str(report.outcome) == "rerun":  # pytest-rerunfailures adds this outcome
            return "run again after a failure; rerunning until green proves nothing, remove the reruns"
        if report.failed and (decided is None or decided.outcome is Outcome.PASS or report.when != "call"):
            return _crash(report)
        if report.passed and report.when == "call" and decided is None:
            return "its test never called check(gate)"
        return ""


def _crash(report: pytest.TestReport) -> str:
    message = getattr(getattr(report.longrepr, "reprcrash", None), "message", "") or report.longreprtext
    return f"crashed in {report.when}: {message.strip().partition(chr(10))[0] or 'no message'}"
