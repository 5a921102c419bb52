"""Measures what the plan says, one model after the other, and remembers results and failures alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from harness.ages import notes_on
from harness.answers import Engine, Progress, repeats_exactly, untold, with_dtype
from harness.backends import Backend
from harness.decide import shown, with_unused
from harness.errors import AdapterWithoutEffect, CannotWrite, CutEarly, HarnessError, Incomparable, NotMeasured
from harness.fingerprint import digest
from harness.judge.interview import Answered
from harness.judge.standing import not_requested, requested, weigh
from harness.judge_suite import JudgeSuite
from harness.noise import Noise, known_noise, noise_key, tempered
from harness.plan import Item, Plan, PlannedSuite
from harness.regression_suite import RegressionSuite
from harness.runs import RunDirectory, record_name, rung_name
from harness.sequential import joined
from harness.spending import Terms
from harness.store import Store
from harness.suite import Suite
from harness.sweeps import in_confirm
from harness.types import ModelRef, SuiteResult, Verdict

__all__ = ["Evaluator", "RecordFile"]


@dataclass(frozen=True, slots=True)
class RecordFile:
    """One file of records, as the receipt lists it. `pool` numbers the pool measurements of a `keep` suite."""

    suite: str
    model: str
    pool: int | None
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RungFile:
    """One file of the rows of a point on the way, as the receipt lists it; rungs count from 1."""

    suite: str
    model: str
    rung: int
    rows: int
    sha256: str


@dataclass(slots=True)
class Evaluator:
    """Answers one question: what does this item's gate say? Everything else happens when it is first needed.

    The first item that needs a model measures every planned suite on it, the base before any candidate, because
    loading a model costs more than answering. A failure is kept like a result: nothing is tried twice.

    Attributes:
        plan: what is planned.
        run: where records go.
        store: where answers come from.
        make_backend: called once, at the first measurement.
        prepare: called with a model's name before it is first looked at; trains it when it is a point of a sweep.
        progress: told after every batch.
        base_since: answers of the base that were stored earlier count as unknown; None for no such moment.
        records: files of rows written so far, by name.
        judgements: files of what judges said, by name.
        rungs: files of rows of points on the way, by name.
        numbers: by suite and model, see `number`.
    """

    plan: Plan
    run: RunDirectory
    store: Store
    make_backend: Callable[[], Backend]
    prepare: Callable[[str], None] = lambda _name: None
    progress: Progress = untold
    base_since: float | None = None
    records: dict[str, RecordFile] = field(default_factory=dict)
    judgements: dict[str, RecordFile] = field(default_factory=dict)
    rungs: dict[str, RungFile] = field(default_factory=dict)
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    _backend: Backend | None = None
    _models: dict[str, ModelRef | HarnessError] = field(default_factory=dict)
    _results: dict[tuple[str, str], SuiteResult | Exception] = field(default_factory=dict)
    _noise: dict[str, tuple[Noise, ...] | None] = field(default_factory=dict)
    _pools: dict[str, list[SuiteResult]] = field(default_factory=dict)
    _ungraded: dict[str, Answered] = field(default_factory=dict)
    _notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def verdict(self, item: Item) -> Verdict:
        """Measure what `item` needs and decide it.

        Raises:
            HarnessError: it could not be measured; the same error for every item that needs the same measurement.
        """
        planned, base = self.plan.suite(item.suite), self.plan.models[0].name
        gate = next((gate for gate in planned.suite.gates if str(gate) == item.gate), None)
        if not requested(planned.judge):
            metric, n = planned.suite.metric_names[0], len(planned.examples)
            return not_requested(gate, suite=item.suite, model=item.model, metric=metric, n=n)
        candidate = None if item.model == base else self.result(item.suite, item.model)
        ranking = self.plan.ranking
        confirm = ranking is not None and ranking.confirms(gate, suite=item.suite, model=item.model)
        prompted = [self.result(item.suite, name) for name in self.plan.prompts]
        for name in self.plan.references if isinstance(planned.suite, Suite | RegressionSuite) else ():
            self.result(item.suite, name)  # planned like all else, where answers are generated
        for beside in self.plan.trajectory.needs(item.suite, item.model) if self.plan.trajectory else ():
            self.result(*beside)  # planned like all else, so the verdict counts only beside it
        yardstick = self.result(item.suite, base)
        terms = self._terms(planned, item.model)
        verdict = terms.decide(gate, yardstick, candidate, confirm=confirm, prompted=prompted)
        verdict = weigh(verdict, planned.judge, gate and terms.gate(gate), yardstick, candidate)
        if gate is not None:
            verdict = with_unused(tempered(verdict, self.noise(item.suite)), planned.unused)
        return shown(verdict, planned.suite.gates)

    def noise(self, suite: str) -> tuple[Noise, ...] | None:
        """What `tunegate aa` found of the base on this suite and engine; None when it was not asked."""
        base = self._models.get(self.plan.models[0].name)
        if self._backend is None or not isinstance(base, ModelRef):
            return None
        if suite not in self._noise:
            planned = self.plan.suite(suite)
            key = noise_key(base, planned.suite.fingerprint(planned.examples), self._backend.policy())
            self._noise[suite] = known_noise(self.store, key)
        return self._noise[suite]

    def result(self, suite: str, model: str) -> SuiteResult:
        """The measurement of `suite` on `model`, taken now if it was not yet.

        Raises:
            HarnessError: it could not be measured.
        """
        self._measure_all(model)
        if (suite, model) not in self._results:
            raise NotMeasured(f"suite {suite!r}: no candidate answered, so that the base was not judged beside one")
        found = self._results[suite, model]
        if isinstance(found, Exception):
            raise found
        return found

    def glimpse(self, suite: str, model: ModelRef, rung: int) -> tuple[ModelRef, SuiteResult]:
        """Measure the select half of `suite` on what a point of a sweep has become, at a rung counted from 1.

        Returns:
            The model as it was identified, and its rows.

        Raises:
            HarnessError: it could not be measured.
        """
        assert self._backend is not None
        planned = self.plan.suite(suite)
        half = replace(planned, examples=tuple(each for each in planned.examples if not in_confirm(each)))
        identified = self._known(self._backend.identify(with_dtype(self._backend, model)))
        result = self._counted(half, identified, Engine(self._backend, self.store, progress=self.progress))
        name = rung_name(suite, model.name, rung)
        written = self.run.write_rung(name, result.rows)
        self.rungs[name] = RungFile(suite, model.name, rung, len(result.rows), written)
        return identified, result

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """The planned models, identified as far as they could be; a point that was cut is what it had become."""
        known = ((self._models.get(model.name), model) for model in self.plan.models)
        reached = ((found.model if isinstance(found, CutEarly) else found, asked) for found, asked in known)
        return tuple(found if isinstance(found, ModelRef) else asked for found, asked in reached)

    @property
    def results(self) -> Mapping[tuple[str, str], SuiteResult]:
        """Every successful measurement, by suite and model."""
        return {key: found for key, found in self._results.items() if isinstance(found, SuiteResult)}

    @property
    def backend(self) -> Backend | None:
        """The backend, once anything was measured."""
        return self._backend

    def _terms(self, planned: PlannedSuite, model: str) -> Terms:
        spends = self.plan.options.get("attempts") == "spend"
        return Terms(planned.suite.chance, planned.first, self.number(planned.name, model) if spends else None)

    def number(self, suite: str, model: str) -> int:
        """Which candidate `model` is on the suite's rows, of all that were ever judged on them with this store."""
        found = self.numbers.setdefault(suite, {})
        if model not in found:
            planned = self.plan.suite(suite)
            data = planned.suite.fingerprint(planned.examples)["data"]
            found[model] = self.store.number(self._identified(model).fingerprint, data)
        return found[model]

    def _is_judged(self, suite: str, model: str) -> bool:
        """Whether a verdict looks at it whatever comes; of the points of a sweep only the winner's do."""
        points = {point.name for point in self.plan.points}
        return model not in points and any((item.suite, item.model) == (suite, model) for item in self.plan.items)

    def _measure_all(self, model: str) -> None:
        base = self.plan.models[0].name
        if model != base:
            self._measure_all(base)
        waits = model == base and any(not each.prompting for each in self.plan.models[1:])
        for planned in self.plan.suites:
            if not requested(planned.judge) or (planned.name, model) in self._results:
                continue
            if not (waits and isinstance(planned.suite, JudgeSuite)):
                self._attempt(planned, model, self._measure)
            elif planned.name not in self._ungraded:
                self._attempt(planned, model, self._answer)

    def _attempt(
        self, planned: PlannedSuite, model: str, measure: Callable[[PlannedSuite, ModelRef], SuiteResult | None]
    ) -> None:
        yardstick = self._results.get((planned.name, self.plan.models[0].name))
        if isinstance(yardstick, Exception):
            self._results[planned.name, model] = yardstick  # there is nothing to compare a candidate with
            return
        try:
            identified = self._identified(model)
            asked_base = model in {self.plan.models[0].name, *self.plan.prompts}
            with self.store.reading(self.base_since if asked_base else None) as reads:
                result = measure(planned, identified)
            notes = tuple(notes_on(reads, base=asked_base, now=time.time()))
            if result is None:
                self._notes[planned.name] = notes
            else:
                self._results[planned.name, model] = replace(result, notes=(*result.notes, *notes))
        except CannotWrite:
            raise  # the measurement is as good as it was, and can go on later
        except HarnessError as error:
            self._results[planned.name, model] = error
        except Exception as error:
            error.add_note(f"while measuring suite {planned.name!r} on model {model!r}")
            self._results[planned.name, model] = error
            raise

    def _identified(self, name: str) -> ModelRef:
        if self._backend is None:
            self._backend = self.make_backend()
        if name not in self._models:
            asked = next(model for model in self.plan.models if model.name == name)
            try:
                self.prepare(name)
                self._models[name] = self._known(self._backend.identify(with_dtype(self._backend, asked)))
            except HarnessError as error:
                self._models[name] = error
                if isinstance(error, CutEarly):
                    self._count_cut(error.model)
        found = self._models[name]
        if isinstance(found, HarnessError):
            raise found
        return found

    def _count_cut(self, model: ModelRef) -> None:
        """Count a point that was compared with others on half of the rows as a model that was tried on them."""
        assert self.plan.ranking is not None
        planned = self.plan.suite(self.plan.ranking.suite)
        asked = digest(dict(planned.suite.fingerprint(planned.examples)))
        self.store.record_attempt(model.fingerprint, asked, str(self.run.plan["id"]))

    def _known(self, model: ModelRef) -> ModelRef:
        """`model`, unless it is a candidate that is the base itself: compared with itself, nothing ever drops."""
        base = self._models.get(self.plan.models[0].name)
        if isinstance(base, ModelRef) and not model.prompting and model.fingerprint == base.fingerprint:
            raise AdapterWithoutEffect(
                f"model {model.name!r}: answers as the base does, its files are the same; give the fine-tuned model"
            )
        return model

    def _engine(self, planned: PlannedSuite, model: ModelRef) -> Engine:
        """What the model answers with; from here on looking at it is counted."""
        assert self._backend is not None
        if self._is_judged(planned.name, model.name):
            self.number(planned.name, model.name)
        base = self._results.get((planned.name, self.plan.models[0].name))
        beside = base if isinstance(base, SuiteResult) else None
        return Engine(self._backend, self.store, progress=self.progress, beside=beside)

    def _answer(self, planned: PlannedSuite, model: ModelRef) -> None:
        """Have the base answer while it is loaded; it is graded in turn with the first other model that answers."""
        assert isinstance(planned.suite, JudgeSuite)
        self._ungraded[planned.name] = planned.suite.answered(model, planned.examples, self._engine(planned, model))

    def _grade_both(self, planned: PlannedSuite, model: ModelRef, engine: Engine) -> SuiteResult:
        """Grade the base's answers and this model's in turn, so that a judge that drifts drifts for both."""
        suite, base = planned.suite, self.plan.models[0].name
        assert isinstance(suite, JudgeSuite)
        theirs = suite.answered(model, planned.examples, engine)
        try:
            first, result = suite.grade([self._ungraded.pop(planned.name), theirs], planned.examples, engine)
        except HarnessError as error:
            self._results[planned.name, base] = error
            raise
        self._results[planned.name, base] = replace(first, notes=(*first.notes, *self._notes.pop(planned.name)))
        self._keep(first, self._identified(base))
        return result

    def _measure(self, planned: PlannedSuite, model: ModelRef) -> SuiteResult:
        engine = self._engine(planned, model)
        if planned.suite.keep is not None:
            result = self._measure_kept(planned, model, engine)
        elif planned.stops and self.plan.plain and model.name != self.plan.models[0].name:
            result = self._measure_in_parts(planned, model, engine)
        elif planned.name in self._ungraded:
            result = self._grade_both(planned, model, engine)
        else:
            result = self._counted(planned, model, engine)
        self._keep(result, model)
        return result

    def _keep(self, result: SuiteResult, model: ModelRef) -> None:
        """Write the rows down, and that this run looked at the model."""
        self._record(result)
        if result.fresh or self.run.resumed:  # a killed run may have computed everything and counted nothing
            self.store.record_attempt(model.fingerprint, digest(dict(result.fingerprint)), str(self.run.plan["id"]))

    def _measure_kept(self, planned: PlannedSuite, model: ModelRef, engine: Engine) -> SuiteResult:
        keep, base = planned.suite.keep, self._identified(self.plan.models[0].name)
        assert keep is not None
        exact = repeats_exactly(engine.backend, base)
        if model == base:
            repeats = range(1 if exact else keep.repeats)
            pools = [self._counted(planned, base, replace(engine, repeat=index)) for index in repeats]
            for index, pool in enumerate(pools):
                self._record(pool, index)
            self._pools[planned.name] = pools
        pools = self._pools[planned.name]
        if model == base and exact:
            result = pools[0]
        else:
            result = self._counted(planned, model, replace(engine, repeat=0 if exact else keep.repeats))
        return keep.restrict(result, pools, whole=planned.whole)

    def _measure_in_parts(self, planned: PlannedSuite, model: ModelRef, engine: Engine) -> SuiteResult:
        """Measure from look to look in the plan's order, until all gates have decided or no row is left."""
        base, terms = self.result(planned.name, self.plan.models[0].name), self._terms(planned, model.name)
        parts: list[SuiteResult] = []
        start = 0
        for stop in planned.looks:
            part = self._counted(replace(planned, examples=planned.examples[start:stop]), model, engine)
            parts.append(replace(part, fingerprint=base.fingerprint))
            result, start = joined(parts), stop
            if terms.settled(planned.suite.gates, base, result):
                break
        if not (left := len(planned.examples) - start):
            return result
        note = f"{left} of {len(planned.examples)} planned rows were not read, because every gate had decided before"
        return replace(result, notes=(*result.notes, note))

    def _counted(self, planned: PlannedSuite, model: ModelRef, engine: Engine) -> SuiteResult:
        """Measure, and count what came back against what was planned."""
        result = planned.suite.measure(model, planned.examples, engine)
        if [row.id for row in result.rows] != [example.id for example in planned.examples]:
            raise NotMeasured(
                f"suite {planned.name!r} on model {model.name!r}: {len(result.rows)} rows came back for "
                f"{len(planned.examples)} planned ones, or in another order"
            )
        if dict(result.fingerprint) != dict(planned.suite.fingerprint(planned.examples)):
            raise Incomparable(f"suite {planned.name!r} on model {model.name!r}: was measured otherwise than planned")
        return result

    def _record(self, result: SuiteResult, pool: int | None = None) -> None:
        name = record_name(result.suite, result.model, pool)
        digest_of_file = self.run.write_records(name, result.rows)
        self.records[name] = RecordFile(result.suite, result.model, pool, len(result.rows), digest_of_file)
        if result.evidence:
            heard = self.run.write_judgements(name, result.evidence)
            self.judgements[name] = RecordFile(result.suite, result.model, pool, len(result.evidence), heard)
