"""The pytest side: options, items, fixtures and exit codes. Everything that measures or decides is elsewhere.

A test module is a suite file when it has a global `suite`; its `test_gate(gate, check)` becomes one item for each
gate and candidate. A repository opts in with `pytest_plugins = ["harness.plugin"]` in its top conftest.py; beside it
`reports.plugin` shows what came out, and `trainers.plugin` trains for `--sweep`.
"""

import fnmatch
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness.closing import closing_lines
from harness.collected import Collected, Reports
from harness.ending import EXIT_CODES
from harness.errors import BudgetSpent, CannotWrite, HarnessError, JudgeProblem, UsageProblem
from harness.gates import Gate
from harness.items import GateOf, items_of
from harness.judge.options import read_judges
from harness.judge_suite import judge_header
from harness.junit import properties
from harness.lm_eval_task import LmEvalTasks
from harness.options import Options, add_options
from harness.plan import Item
from harness.progress import TerminalProgress
from harness.session import GateSession
from harness.suite import Measurable
from harness.suite_files import configured
from harness.sweeps import Sweep
from harness.types import Outcome, Verdict

__all__ = ["BUDGET", "EXIT_CODES", "FINISHED", "INTERRUPTED"]

INTERRUPTED = 13
"""Exit code of a run that was stopped and can be continued."""
BUDGET = 12
"""Exit code of a run that the judge's budget stopped; a larger one continues it."""

STATE = pytest.StashKey[Collected]()
FINISHED = pytest.StashKey[tuple[Path, Any]]()
"""(run directory, run.json) after a finished run; for whoever shows it."""


class Hooks:
    """Hooks that this plugin offers."""

    @pytest.hookspec(firstresult=True)
    def pytest_tunegate_sweep(self, options: Options) -> Sweep | None:
        """Turn `options.sweep` into candidates that are trained when they are first measured."""

    @pytest.hookspec(firstresult=True)
    def pytest_tunegate_report(self, run_dir: Path) -> str | None:
        """Write the report of a finished run; return one line that says where it is, or what went wrong."""

    @pytest.hookspec(firstresult=True)
    def pytest_tunegate_verdicts(
        self,
        run_dir: Path,
        run: Mapping[str, Any],
        color: bool,  # noqa: FBT001  # a hook
    ) -> bool | None:
        """Print the verdicts and the outcome of run.json, and what is behind them; return True when that was done."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Start with nothing collected."""
    with _usage_errors():
        options = Options.read(config.getoption)
        config.stash[STATE] = Collected(GateSession(options, judge=read_judges(config.getoption)))


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> list[pytest.Item] | None:
    """Notice every suite, so that one without a gate test cannot go unmeasured.

    A module with `suites` has as many as `--lm-eval` names tasks; without any there is nothing in it to collect.
    """
    if not isinstance(collector, pytest.Module):
        return None
    state = collector.config.stash[STATE]
    options = state.gates.options
    if name == "suite" and isinstance(obj, Measurable):
        state.suites[collector.nodeid] = (state.gates.judged(configured(obj, options.spec())),)
    elif name == "suites" and isinstance(obj, LmEvalTasks):
        try:
            state.suites[collector.nodeid] = obj.asked(options.lm_eval, dict(options.data))
        except HarnessError as error:
            raise collector.CollectError(str(error)) from None
    elif isinstance(getattr(collector.obj, "suites", None), LmEvalTasks) and not options.lm_eval:
        return []
    return None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to reports with the session's state at hand; find out who trains."""
    config, state = session.config, session.config.stash[STATE]
    config.pluginmanager.register(Reports(state), "tunegate-reports")
    options = state.gates.options
    if not options.sweep or hasattr(config, "workerinput"):
        return
    with _usage_errors():
        state.gates.use(config.hook.pytest_tunegate_sweep(options=options))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item for each gate and candidate."""
    state = metafunc.config.stash[STATE]
    suite = getattr(metafunc.module, "suite", None)
    suites = (suite,) if isinstance(suite, Measurable) else state.suites.get(_module(metafunc.definition), ())
    if "check" not in metafunc.fixturenames or not suites:
        return
    if hasattr(metafunc.config, "workerinput"):
        raise pytest.Collector.CollectError("gate suites share one model in one process: run them without -n")
    base, *candidates = state.gates.names
    gates: list[Gate | str | GateOf] = list(items_of(suites[0], len(candidates)))
    if hasattr(metafunc.module, "suites"):
        gates = [GateOf(suite.name, gate) for suite in suites for gate in items_of(suite, len(candidates))]
    metafunc.parametrize("gate", gates, ids=[repr(gate) if isinstance(gate, GateOf) else str(gate) for gate in gates])
    metafunc.parametrize("candidate", candidates or [base], indirect=True, scope="session")
    state.made[metafunc.definition.nodeid] = len(gates) * max(1, len(candidates))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Turn the selected items into a plan; read and check all data."""
    state = session.config.stash[STATE]
    if not state.suites or (session.testsfailed and not session.config.option.continue_on_collection_errors):
        return
    with _usage_errors():
        if session.testsfailed:
            raise UsageProblem("--continue-on-collection-errors: a gate needs every file; mend them or leave it out")
        state.refuse_gaps()
        state.refuse_unused(state.gates.options)
        planned = [_planned(item) for item in session.items if isinstance(item, pytest.Function) and _is_gate(item)]
        if not planned:
            return
        plan = state.gates.make_plan(state.by_name(), planned, state.left_out(len(planned), _narrowing(session.config)))
    state.gates.suite_files = tuple(session.config.rootpath / module for module in state.suites)
    base, *others = plan.models
    saved = plan.trajectory.names if plan.trajectory else frozenset()
    candidates = [model.name for model in others if not model.prompting and model.name not in saved]
    prompts = [model.name for model in others if model.prompting]
    rows = sum(len(suite.examples) for suite in plan.suites)
    state.header = [
        f"base: {base.base}; candidates: {', '.join(candidates) or f'none, {base.name} by itself'}",
        *([f"checkpoints: {', '.join(sorted(saved))}"] if saved else []),
        *([f"shown beside: {', '.join(prompts)}"] if prompts else []),
        f"suites: {', '.join(suite.name for suite in plan.suites)}; {rows:,} examples planned on each model",
        *judge_header(plan.suites, state.gates.judge),
        *state.notes(),
        *(f"partial: {reason}" for reason in plan.partial_reasons),
    ]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say what is going to be measured."""
    return config.stash[STATE].header


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Open the run directory before the first item; pytest's own loop follows."""
    state = session.config.stash[STATE]
    if state.gates.plan is None or session.config.option.collectonly:
        return
    with _usage_errors(), _ending(state.gates):
        screen = TerminalProgress(session.config)
        run_dir = state.gates.start(["pytest", *session.config.invocation_params.args], screen, screen)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupted)  # a machine that is taken back is an interruption like Ctrl-C
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"run directory: {run_dir}")


@pytest.fixture(scope="session")
def candidate(request: pytest.FixtureRequest) -> str:
    """Name of the model that is judged; session-wide, so that pytest keeps the items of one model together."""
    return str(getattr(request, "param", ""))


@pytest.fixture
def check(request: pytest.FixtureRequest, candidate: str) -> Callable[[Gate | str], Verdict]:  # noqa: ARG001  # orders items
    """Measure what this item needs, then offer `check(gate)`. What cannot be measured is an ERROR, not a failure.

    A point that halving stopped is skipped, with the reason; it has a verdict of its own that is never green.
    """
    state, node = request.config.stash[STATE], request.node
    problem, verdict = "", None
    try:
        with _ending(state.gates):
            verdict = state.gates.verdict(node.nodeid)
    except CannotWrite as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERRUPTED)
    except HarnessError as error:
        problem = str(error)
    if verdict is None:  # outside the handler, so that pytest shows one line and no chain of exceptions
        state.gates.problems[node.nodeid] = problem
        pytest.fail(f"INVALID: {problem}", pytrace=False)
    if verdict.outcome is Outcome.CUT:
        state.gates.verdicts[node.nodeid] = verdict
        node.user_properties += properties(verdict, state.gates.plan, state.gates.measured)
        pytest.skip(f"CUT: {verdict.reason}")

    def check(gate: Gate | str) -> Verdict:
        """Let the item pass only if `gate` does."""
        if str(gate) != verdict.gate:
            raise UsageProblem(
                f"{node.nodeid}: check got {gate}, this item is {verdict.gate}; pass on the fixture `gate`"
            )
        state.gates.verdicts[node.nodeid] = verdict
        node.user_properties += properties(verdict, state.gates.plan, state.gates.measured)
        if verdict.outcome is not Outcome.PASS and not verdict.advisory:
            pytest.fail(f"{verdict.outcome}: {verdict.reason}", pytrace=False)
        return verdict

    return check


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the receipt and set the exit code. Never greener than pytest itself."""
    state = session.config.stash[STATE]
    if state.gates.evaluator is None:
        return
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, BUDGET):
        state.gates.abandon()
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            session.exitstatus = INTERRUPTED
        return
    try:
        session.exitstatus = state.gates.finish(lambda outcome: state.ending(outcome, exitstatus))
    except CannotWrite as error:
        state.gates.abandon()
        state.unwritten.append(str(error))
        session.exitstatus = INTERRUPTED
        return
    run_dir = state.gates.evaluator.run.path
    session.config.stash[FINISHED] = (run_dir, state.gates.finished)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what came out and where it lies. Prints, never decides."""
    evaluator = config.stash[STATE].gates.evaluator
    if evaluator is None:
        return
    if FINISHED not in config.stash:
        for line in config.stash[STATE].unwritten:
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"interrupted: the same command with --run-dir {evaluator.run.path} continues it")
        return
    run_dir, run = config.stash[FINISHED]
    line = config.hook.pytest_tunegate_report(run_dir=run_dir)
    terminalreporter.ensure_newline()
    for said in closing_lines(run):
        terminalreporter.write_line(said)
    if not config.hook.pytest_tunegate_verdicts(run_dir=run_dir, run=run, color=terminalreporter.hasmarkup):
        partial = " (partial: not the whole gate)" if run["partial"] else ""
        terminalreporter.write_line(f"outcome: {run['outcome']}{partial}", bold=True)
    if run["outcome"] == Outcome.INCONCLUSIVE and config.stash[STATE].gates.options.on_inconclusive == "warn":
        terminalreporter.write_line("WARNING: not shown to pass; accepted by --on-inconclusive warn", yellow=True)
    terminalreporter.write_line(f"evidence: {run_dir}; check it with: tunegate verify {run_dir}")
    if line:
        terminalreporter.write_line(line)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Show our complaints as pytest shows its own: one line, exit code 4."""
    try:
        yield
    except UsageProblem as error:
        raise pytest.UsageError(str(error)) from error


@contextmanager
def _ending(gates: GateSession) -> Iterator[None]:
    """End the session where going on makes no sense: a judge without budget, or none that answers before any work."""
    try:
        yield
    except BudgetSpent as error:
        where = f" with --run-dir {gates.evaluator.run.path}" if gates.evaluator else ""
        pytest.exit(f"{error}{where}", returncode=BUDGET)
    except JudgeProblem as error:
        if gates.evaluator is not None:
            raise  # under way: the items that need the judge are INVALID, the others count
        pytest.exit(str(error), returncode=EXIT_CODES[Outcome.INVALID])


def _is_gate(item: pytest.Function) -> bool:
    return "check" in item.fixturenames and hasattr(item, "callspec")


def _planned(item: pytest.Function) -> Item:
    params = item.callspec.params
    gate = params["gate"]
    suite = gate.suite if isinstance(gate, GateOf) else item.module.suite.name
    return Item(item.nodeid, suite, str(gate), str(params["candidate"]))


def _module(node: pytest.Item) -> str:
    module = node.getparent(pytest.Module)
    return module.nodeid if module else ""


def _narrowing(config: pytest.Config) -> list[str]:
    """Options that skip whole files without telling anybody."""
    found = [f"--{name}" for name in ("lf", "stepwise") if config.getoption(name, False)]
    folders = {config.rootpath / Path(module).parent for module in config.stash[STATE].suites}
    beside = [str(path) for folder in folders for path in folder.iterdir()]  # what is ignored elsewhere is no suite's
    ignored = [
        (f"--{name.replace('_', '-')} {given}", str(config.invocation_params.dir / given))
        for name in ("ignore", "ignore_glob")
        for given in config.getoption(name, None) or ()
    ]
    return found + [option for option, pattern in ignored if fnmatch.filter(beside, pattern)]


def _interrupted(number: int, frame: object) -> NoReturn:  # noqa: ARG001  # signal's signature
    raise KeyboardInterrupt
