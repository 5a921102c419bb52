"""One gate session: from the test items that pytest selected to a run directory with a receipt.

    collected suites ──plan──▶ Plan ──start──▶ run directory ──verdict(item)──▶ ... ──finish──▶ run.json

Knows nothing of pytest's objects, so that plugin.py only translates.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from harness.answers import Progress
from harness.cautions import cautions
from harness.cutting import Cutting
from harness.decide import shown, undecided
from harness.disk import refuse_full_disk, run_bytes, store_bytes
from harness.document import environment, model_json, result_json, sweep_json, verdict_json
from harness.errors import CutEarly, UsageProblem
from harness.evaluator import Evaluator
from harness.fingerprint import digest
from harness.gates import aggregate
from harness.git_state import git_json
from harness.halving import plan_cuts
from harness.items import gate_of
from harness.judge.panel import Panel
from harness.judge.standing import examined, is_advisory, requested
from harness.judge_suite import JudgeSuite
from harness.options import Options, make_backend, models, prompted
from harness.plan import Item, Plan, PlannedSuite, plan_ranking, plan_suite, system_text
from harness.prompting import beyond_prompts
from harness.runs import JUDGEMENTS, PLAN_FILE, RECORDS, RUNGS, RunDirectory, new_run_path, sha256
from harness.seeds import seed_claims
from harness.store import Store
from harness.suite import Measurable
from harness.sweeps import Choice, Point, Ranking, Screen, Sweep
from harness.trajectory import plan_trajectory
from harness.types import SCHEMA_VERSION, Json, Outcome, SuiteResult, Verdict

__all__ = ["GateSession"]

RUNS = Path("runs")


@dataclass(slots=True)
class GateSession:
    """What one pytest session plans, measures and decides.

    Attributes:
        options: from the command line.
        sweep: what trains candidates; None without `--sweep`.
        plan: set by `make_plan`; None while no gate is selected.
        evaluator: set by `start`.
        verdicts: by node id, as gates decide.
        problems: by node id, why an item cannot count although its gate may have decided.
        finished: run.json, once written.
        trained: points trained in this session.
        spared: node ids whose verdicts are left out because another point won.
        judge: who grades what no rule can; None without `--judge`.
        warned: whether the base's scores were spoken about before training.
        suite_files: that the suites were read from.
        cutting: what stops points on the way; None without `--halving`, and before `start`.
    """

    options: Options
    sweep: Sweep | None = None
    plan: Plan | None = None
    evaluator: Evaluator | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    finished: Mapping[str, Json] | None = None
    trained: int = 0
    spared: frozenset[str] = frozenset()
    judge: Panel | None = None
    warned: bool = False
    suite_files: tuple[Path, ...] = ()
    cutting: Cutting | None = None

    def use(self, sweep: Sweep | None) -> None:
        """Take the points of `sweep` as candidates.

        Raises:
            UsageProblem: nobody offers a sweep, it has no points, or one is called like another model.
        """
        if sweep is None:
            raise UsageProblem(
                "--sweep: nothing here trains; name trainers.plugin in pytest_plugins of the top conftest.py"
            )
        if not sweep.names:
            asked = " ".join(self.options.sweep)
            raise UsageProblem(f"--sweep {asked}: holds no points; a sweep needs at least one")
        if both := {model.name for model in models(self.options)} & set(sweep.names):
            raise UsageProblem(
                f"--sweep: a point is called {min(both)!r} like another model; rename the adapter's folder"
            )
        self.sweep = sweep

    def judged(self, suite: Measurable) -> Measurable:
        """`suite` before the judge that was asked for; as it is when none was, or when none looks at it."""
        sit: Callable[..., Measurable] | None = getattr(suite, "judged", None)
        return suite if sit is None else sit(self.judge, questions=self.options.judge_questions)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models: the base, the candidates, the points of the sweep."""
        return *(model.name for model in models(self.options)), *(self.sweep.names if self.sweep else ())

    def make_plan(self, suites: Mapping[str, Measurable], items: Sequence[Item], partial: Sequence[str]) -> Plan:
        """Read the data of every selected suite and write down what is promised.

        Args:
            suites: by name; those without items are left out.
            items: the selected test items.
            partial: why they are less than everything.

        Raises:
            UsageProblem: data, gates or options that cannot lead to a verdict.
        """
        selected = {item.suite for item in items}
        chosen = [suite for name, suite in suites.items() if name in selected]
        given, ranking, followed = models(self.options), None, None
        if self.options.checkpoints:
            measured = [suite for suite in chosen if requested(getattr(suite, "judge_spec", None))]
            followed = plan_trajectory(given[1:], measured, self.options.train_data)
            chosen += followed.suites
        extend = self.options.on_inconclusive == "extend"
        planned = tuple(plan_suite(suite, self.options.limit, extend=extend) for suite in chosen)
        short = [
            f"--limit: {len(suite.examples)} of {suite.full} rows of suite {suite.name!r}{lifted(suite)}"
            for suite in planned
            if not suite.whole
        ]
        points: tuple[Point, ...] = ()
        cuts = None
        if self.sweep:
            points = self.sweep.plan(given[0], system_text(planned))
            ranking = plan_ranking(planned, points, self.options.rank_by or self.sweep.rank_by, given[0].name)
            if self.options.halving:
                asked = {item.model for item in items}
                names = [point.name for point in points if point.name in asked]
                judged = isinstance(next(each.suite for each in planned if each.name == ranking.suite), JudgeSuite)
                cuts = plan_cuts(self.options.halving, names, self.sweep.uncut, judged=judged)
        saved = followed.models if followed else ()
        self.plan = Plan(
            suites=planned,
            models=(*given, *(point.model for point in points), *saved, *prompted(self.options)),
            items=tuple(items),
            options=self.options.spec(),
            partial_reasons=(*partial, *short),
            points=points,
            ranking=ranking,
            cuts=cuts,
            trajectory=followed.trajectory if followed else None,
        )
        return self.plan

    def start(self, command: Sequence[str], progress: Progress, screen: Screen) -> Path:
        """Open store and run directory; from here on only a receipt makes the run count.

        Raises:
            UsageProblem: one of them cannot be used, or its disk has no room for what may be written.
            JudgeProblem: the judge cannot be asked, so that nothing else needs to be loaded.
        """
        assert self.plan is not None
        for planned in self.plan.suites if self.judge else ():
            if isinstance(planned.suite, JudgeSuite) and self.judge:
                self.judge.prepare(planned.suite.rubric)
        store, started = Store(self.options.store), time.time()
        place = self.options.run_dir or new_run_path(RUNS)
        needs = {place: run_bytes(self.plan), self.options.store: store_bytes(self.plan)}
        refuse_full_disk(needs, "free some space, or give --run-dir and --store on another disk")
        adapters = [(each.name, Path(each.adapter)) for each in models(self.options) if each.adapter]
        run = RunDirectory.open(place, self.plan, command, git_json(self.suite_files, adapters))
        points = {point.name for point in self.plan.points}

        def prepare(name: str) -> None:
            if self.sweep and name in points:
                self._warn(screen)
                if self.cutting:
                    self.cutting.enter(name)
                self.trained += self.sweep.train(name, screen)

        self.evaluator = Evaluator(self.plan, run, store, lambda: make_backend(self.options), prepare, progress)
        if self.plan.cuts and self.sweep and self.plan.ranking:
            glimpse = partial(self.evaluator.glimpse, self.plan.ranking.suite)
            self.cutting = Cutting.of(self.plan.cuts, self.sweep, self.plan.ranking, screen, glimpse)
        if self.options.fresh_base:
            self.evaluator.base_since = run.created if run.resumed else started
        return run.path

    def _warn(self, screen: Screen) -> None:
        """Before the first point is trained, say what the base's scores say against it."""
        if self.evaluator is None or self.warned:
            return
        self.warned = True
        for (suite, _), sentences in self._cautions(self.evaluator).items():
            for sentence in sentences:
                screen.say(f"{suite}: {sentence}")

    def verdict(self, node: str) -> Verdict:
        """Measure what the item needs and decide it.

        Raises:
            HarnessError: it cannot be measured, or was not planned.
        """
        item = self.item(node)
        assert self.evaluator is not None
        try:
            return self.evaluator.verdict(item)
        except CutEarly as error:
            return self._unmeasured(item, Outcome.CUT, str(error))

    def item(self, node: str) -> Item:
        """The planned item of a node id.

        Raises:
            UsageProblem: it was not planned.
        """
        for item in self.plan.items if self.plan else ():
            if item.node == node:
                return item
        raise UsageProblem(f"{node}: is not in the plan; `check` belongs in a test that takes gate and check")

    @property
    def measured(self) -> Mapping[tuple[str, str], SuiteResult]:
        """What has been measured so far, by suite and model."""
        return self.evaluator.results if self.evaluator else {}

    @property
    def undecided(self) -> frozenset[str]:
        """Node ids of the items that were measured and could not be decided, and have nothing else against them."""
        found = (node for node, verdict in self.verdicts.items() if verdict.outcome is Outcome.INCONCLUSIVE)
        return frozenset(node for node in found if node not in self.problems)

    def abandon(self) -> None:
        """Leave the run unfinished: no receipt, and the same command continues it."""
        assert self.evaluator is not None
        self.evaluator.run.close()
        self.evaluator.store.close()

    def finish(self, exit_code: Callable[[Outcome], int]) -> int:
        """Count verdicts against the plan and write run.json with the receipt; return the exit code that it tells."""
        assert self.plan is not None
        assert self.evaluator is not None
        evaluator, run = self.evaluator, self.evaluator.run
        verdicts, choice = [self._final(item) for item in self.plan.items], None
        if self.plan.ranking:
            choice = self.plan.ranking.choose(evaluator.results)
            verdicts = self._settled(verdicts, self.plan.ranking, choice)
            if choice.winner is not None:
                evaluator.number(self.plan.ranking.suite, choice.winner)
        outcome = aggregate(verdicts)
        code = exit_code(outcome)
        document: dict[str, Json] = {
            "schema_version": SCHEMA_VERSION,
            "outcome": outcome.value,
            "exit_code": code,
            "partial": bool(self.plan.partial_reasons),
            "plan": dict(run.plan),
            "environment": environment(evaluator.backend),
            "models": [model_json(model) for model in evaluator.models],
            "results": self._results(evaluator),
            "verdicts": [verdict_json(item.node, final) for item, final in zip(self.plan.items, verdicts, strict=True)],
            "aa": self._noise(evaluator),
            "numbers": {suite: dict(models) for suite, models in evaluator.numbers.items()},
            "store": {"damaged": len(evaluator.store.damaged)},
            "trained": self.trained + len(self.cutting.fresh if self.cutting else ()),
            "prompting": beyond_prompts(
                self.plan.ways,
                {planned.name: planned.suite.metric_names[0] for planned in self.plan.suites if planned.suite.gates},
                evaluator.results,
            ),
            "sweep": self._sweep(choice),
            "trajectory": self._followed(evaluator),
            "judge": examined({each.name: each.judge for each in self.plan.suites}, evaluator.results, self.plan.ways),
        }
        document["receipt"] = _receipt(evaluator, document)
        run.finish(document)
        evaluator.store.close()
        self.finished = document
        return code

    def _settled(self, verdicts: Sequence[Verdict], ranking: Ranking, choice: Choice) -> list[Verdict]:
        assert self.plan is not None
        settled = ranking.settle(verdicts, choice)
        changed = zip(self.plan.items, verdicts, settled, strict=True)
        self.spared = frozenset(item.node for item, before, after in changed if before.advisory != after.advisory)
        return settled

    def _sweep(self, choice: Choice | None) -> Json:
        assert self.plan is not None
        assert self.evaluator is not None
        if choice is None or self.plan.ranking is None:
            return None
        claims = seed_claims(self.plan.points, self.plan.ranking, self.evaluator.results)
        return sweep_json(choice, self.plan.points, claims, self.cutting.rungs if self.cutting else None)

    def _followed(self, evaluator: Evaluator) -> Json:
        assert self.plan is not None
        if self.plan.trajectory is None:
            return None
        base = self.plan.models[0].name
        return self.plan.trajectory.follow(
            self.plan.rules, evaluator.results, base=base, prompted=list(self.plan.prompts)
        )

    def _noise(self, evaluator: Evaluator) -> Json:
        """By suite, what the base did against itself when `tunegate aa` asked; null where it did not."""
        assert self.plan is not None
        try:
            found = {suite.name: evaluator.noise(suite.name) for suite in self.plan.suites if suite.suite.gates}
        except UsageProblem:  # a damaged store: it has made every verdict INVALID already
            return {suite.name: None for suite in self.plan.suites if suite.suite.gates}
        return {name: None if noise is None else [each.spec() for each in noise] for name, noise in found.items()}

    def _results(self, evaluator: Evaluator) -> list[Json]:
        assert self.plan is not None
        fingerprints = {model.name: model.fingerprint for model in evaluator.models}
        entries: list[Json] = []
        warned = self._cautions(evaluator)
        for (suite, model), result in evaluator.results.items():
            noted = replace(result, notes=(*result.notes, *warned.get((suite, model), ())))
            planned, asked = self.plan.suite(suite), digest(dict(result.fingerprint))
            entries.extend(
                result_json(
                    noted,
                    planned.suite.metric_names,
                    attempts=evaluator.store.attempts(fingerprints[model], asked),
                    tried=evaluator.store.tried(asked),
                    unread=0 if planned.suite.keep else len(planned.examples) - len(result.rows),
                )
            )
        return entries

    def _cautions(self, evaluator: Evaluator) -> dict[tuple[str, str], list[str]]:
        """What the base's scores say against training, as notes on the base, by suite and model."""
        assert self.plan is not None
        base = self.plan.models[0].name
        asked = [base, *self.plan.prompts]
        return {
            (each.name, base): cautions(
                each.suite.gates,
                [evaluator.results[each.name, name] for name in asked if (each.name, name) in evaluator.results],
            )
            for each in self.plan.suites
        }

    def _final(self, item: Item) -> Verdict:
        """The item's verdict, unless something stands against believing it."""
        problem, decided = self.problems.get(item.node), self.verdicts.get(item.node)
        if problem is None and decided is not None:
            return decided
        outcome = Outcome.INVALID if problem else Outcome.NOT_RUN
        return self._unmeasured(item, outcome, problem or "planned, but never run: the session ended before it")

    def _unmeasured(self, item: Item, outcome: Outcome, reason: str) -> Verdict:
        """A verdict of what was not measured, which says why."""
        assert self.plan is not None
        planned = self.plan.suite(item.suite)
        gate = gate_of(planned.suite, item.gate)
        base = self.plan.models[0].name
        results = [self.measured.get((item.suite, name)) for name in dict.fromkeys((base, item.model))]
        missing = undecided(
            outcome,
            gate,
            suite=item.suite,
            model=item.model,
            metric=planned.suite.metric_names[0],
            n=len(planned.examples),
            reason=reason,
        )
        advisory = is_advisory(planned.judge, gate, results)
        return shown(replace(missing, advisory=advisory), planned.suite.gates)


def _receipt(evaluator: Evaluator, run: Mapping[str, Json]) -> dict[str, Json]:
    """What must still be true of the files, and of what only the store knew, when somebody verifies the run."""
    records: dict[str, Json] = {f"{RECORDS}/{name}": asdict(file) for name, file in sorted(evaluator.records.items())}
    heard: dict[str, Json] = {
        f"{JUDGEMENTS}/{name}": asdict(file) for name, file in sorted(evaluator.judgements.items())
    }
    way: dict[str, Json] = {f"{RUNGS}/{name}": asdict(file) for name, file in sorted(evaluator.rungs.items())}
    return {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan_sha256": sha256((evaluator.run.path / PLAN_FILE).read_bytes()),
        "exit_code": run["exit_code"],
        "aa_sha256": digest(run["aa"]),
        "numbers_sha256": digest(run["numbers"]),
        "records": records,
        "judgements": heard,
        "rungs": way,
    }


def lifted(planned: PlannedSuite) -> str:
    """What `--limit` also lifts: how many rows the base must pass, which a slice of the pool cannot have."""
    keep = planned.suite.keep
    return f"; that the base passes {keep.at_least} of them is not required" if keep else ""
