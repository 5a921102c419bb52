"""Suites that a judge scores: answers are generated as ever, graded one by one, and compared with the base's answers.

Every grade from 1 to 5 is a score from 0 to 1; a row's headline score is the mean over the dimensions. A comparison is
made in both orders: 1 where both prefer the candidate, 0 where both prefer the base, one half in all other cases. The
base stands at one half, so that a difference to it is the share of wins above one half.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.answers import Engine
from harness.datasets import Source, nested_slice
from harness.errors import BadSpec, NotMeasured
from harness.fingerprint import digest
from harness.gates import Gate
from harness.judge.asking import REPEAT_SHARE, Beside, questions_of, refers, repeats_of
from harness.judge.interview import Answered, Interview
from harness.judge.judgement import Judge, Judgement, Question
from harness.judge.panel import Docket, Panel
from harness.judge.protocol import PROTOCOL
from harness.judge.rubric import Rubric
from harness.judge.scoring import Heard, metric_names, row_scores, unsent
from harness.judge.screen import canaries, gives_orders
from harness.judge.sitting import Hearing
from harness.prompts import PromptSpec, chat
from harness.store import Store
from harness.suite import data_layer, refuse_bad_spec, refuse_other_prompt
from harness.two_turns import two_turns
from harness.types import Example, Json, ModelRef, Row, Sampling, SuiteResult

if TYPE_CHECKING:
    from harness.plan import PlannedSuite

__all__ = ["JudgeSuite", "judge_header"]

_TURN_TOKENS = 512
"""Most tokens of an answer to an open question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSuite:
    """Answers that a judge grades. Implements `Measurable`; without a judge it is planned, and says so.

    Attributes:
        name: `[a-z0-9_-]`, at most 64 characters, unique in a run.
        version: raise it when scores stop being comparable.
        examples: where the rows come from; a target is the reference answer, an empty text where there is none.
        render: how a row becomes a prompt.
        sampling: how text is generated.
        rubric: what is graded.
        gates: on `judge`, `judge_<dimension>` or `preference`; only differences to the base are decided.
        pairwise: whether the candidate's answers are compared with the base's as well.
        votes: how often an answer is graded whose grades lie on both sides of the mark, 4; an odd number. Each grade is
            then the median.
        take: how many rows to judge, a seeded slice; None for all.
        judge: who judges, a panel of one or two; set by `judged`.
        uses_adapter_prompt: as in `Suite`.
    """

    name: str
    version: int
    examples: Source
    render: PromptSpec
    sampling: Sampling
    rubric: Rubric
    gates: Sequence[Gate]
    pairwise: bool = True
    votes: int = 1
    take: int | None = None
    judge: Panel | None = None
    uses_adapter_prompt: bool = True

    def __post_init__(self) -> None:
        """Refuse a spec that contradicts itself (BadSpec)."""
        object.__setattr__(self, "gates", tuple(self.gates))
        refuse_bad_spec(self)
        if absolute := [gate for gate in self.gates if gate.absolute]:
            raise BadSpec(
                f"suite {self.name!r}: gate {absolute[0]} bounds a grade by itself, which means little; bound the "
                "difference to the base, with max_drop or min_gain"
            )
        if type(self.votes) is not int or self.votes < 1 or self.votes % 2 == 0:
            raise BadSpec(f"suite {self.name!r}: votes={self.votes!r} must be an odd number of at least 1, such as 3")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `Measurable.metric_names`."""
        return metric_names(self.rubric.names, pairwise=self.pairwise)

    @property
    def chance(self) -> float:
        """See `Measurable.chance`; a judge may give the lowest grade to all."""
        return 0.0

    @property
    def keep(self) -> None:
        """See `Measurable.keep`."""
        return

    @property
    def judge_spec(self) -> dict[str, Json]:
        """What the plan says of the judge; `asked` is None where none was asked for."""
        return {
            "asked": self.judge.judge.name if self.judge else None,
            "second": self.judge.second.name if self.judge and self.judge.second else None,
            "votes": self.votes,
            "protocol": PROTOCOL,
            "rubric": self.rubric.digest,
            "dimensions": list(self.rubric.names),
            "pairwise": self.pairwise,
        }

    def judged(self, judge: Panel | None, *, questions: str | None = None) -> "JudgeSuite":
        """This suite before `judge`, on its own rows or on the two-turn questions of a file."""
        if questions is None:
            return replace(self, judge=judge)
        sampling = replace(self.sampling, max_new_tokens=max(self.sampling.max_new_tokens, _TURN_TOKENS))
        examples = two_turns(Path(questions).expanduser().resolve())
        return replace(self, judge=judge, examples=examples, render=chat(), sampling=sampling, take=None)

    def most_questions(self, planned: int) -> int:
        """Most that a judge is asked about one candidate of `planned` rows."""
        kinds = 1 + 2 * self.pairwise
        repeats, planted = len(range(0, planned, round(1 / REPEAT_SHARE))), planned * kinds // 20 + 2 * kinds
        return planned * (kinds + self.votes - 1) + repeats + planted

    def plan(self, limit: int | None = None) -> tuple[Example, ...]:
        """See `Measurable.plan`."""
        return nested_slice(nested_slice(self.examples.read(), self.take), limit)

    def fingerprint(self, planned: Sequence[Example]) -> Mapping[str, str]:
        """See `Measurable.fingerprint`."""
        return {
            "data": data_layer(planned),
            "prompt": digest(dict(self.render.spec)),
            "decode": digest(asdict(self.sampling)),
            "score": digest({"suite": self.name, "version": self.version, **self.judge_spec}),
        }

    def measure(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> SuiteResult:
        """See `Measurable.measure`.

        Raises:
            JudgeProblem: the judge cannot be asked any longer.
            BudgetSpent: its budget is used up.
        """
        return self.grade([self.answered(model, planned, engine)], planned, engine)[0]

    def answered(self, model: ModelRef, planned: Sequence[Example], engine: Engine) -> Answered:
        """What `model` says, before any judge has seen it.

        Raises:
            NotMeasured: no judge was asked for.
        """
        if self.judge is None:
            raise NotMeasured(
                f"suite {self.name!r}: no judge was asked for; add --judge URL#model, hf:PATH or embedded"
            )
        refuse_other_prompt(self.name, self.render.system, model, checked=self.uses_adapter_prompt)
        return Interview(self.name, self.render, self.sampling).hold(model, planned, engine)

    def grade(self, arms: Sequence[Answered], planned: Sequence[Example], engine: Engine) -> list[SuiteResult]:
        """Have the answers judged, of all `arms` in turn, row by row; one result for each.

        Args:
            arms: one model, beside the base's result of `engine` if it has one; or the base, then a candidate.
            planned: the rows.
            engine: as in `measure`.

        Raises:
            JudgeProblem, BudgetSpent: as in `measure`.
        """
        assert self.judge is not None
        started, own = time.perf_counter(), self.judge
        besides = [Beside(), Beside.beside(arms[0])] if len(arms) > 1 else [Beside.of(engine.beside)]

        def ask(judge: Judge, questions: Sequence[Question]) -> list[Judgement]:
            def told(done: int, total: int) -> None:
                engine.progress(arms[-1].model.name, "judge", done, total)

            return judge.ask(questions, self.rubric, engine.store, told, suite=self.name)

        dockets = [self._docket(arm, beside, planned) for arm, beside in zip(arms, besides, strict=True)]
        place = {example.id: index for index, example in enumerate(planned)}
        heard = own.hear(dockets, place, votes=self.votes, ask=ask)
        results = [
            self._result(arm, beside, judgements, planned, engine.store)
            for arm, beside, judgements in zip(arms, besides, heard, strict=True)
        ]
        asked = any(judgement.calls for judgements in heard for judgement in judgements)
        seconds = time.perf_counter() - started if asked or arms[-1].fresh else 0.0
        return [*results[:-1], replace(results[-1], seconds=results[-1].seconds + seconds)]

    def _docket(self, arm: Answered, beside: Beside, planned: Sequence[Example]) -> Docket:
        """Everything that is asked about one model's answers, and whom."""
        assert self.judge is not None
        asked = questions_of(planned, arm.rows, arm.said, beside if self.pairwise else Beside())
        rows, referred = {row.id: row for row in arm.rows}, []
        if self.judge.second is not None:
            referred = [each for each in asked if refers(each.kind, rows[each.item], beside.rows.get(each.item))]
        own = [each for each in asked if each not in referred]
        repeats = [] if self.judge.judge.identity().exact else repeats_of(planned, own, beside, arm.model)
        if self.judge.second is not None:
            repeats = [each for each in repeats if not gives_orders(each.answers[0])]
        names = self.rubric.names
        return Docket(
            [*own, *repeats, *canaries(planned, own, names)], [*referred, *canaries(planned, referred, names)]
        )

    def _result(
        self,
        arm: Answered,
        beside: Beside,
        judgements: Sequence[Judgement],
        planned: Sequence[Example],
        store: Store,
    ) -> SuiteResult:
        assert self.judge is not None
        heard, votes = Heard.by_item(judgements), self.judge.rounds(self.votes)
        scored = tuple(
            replace(
                row,
                scores=row_scores(
                    row,
                    beside.rows.get(row.id),
                    self.rubric.names,
                    heard.get(row.id, Heard()),
                    pairwise=self.pairwise,
                    votes=votes,
                ),
            )
            for row in arm.rows
        )
        orders = [row.id for row in scored if gives_orders(row.output)]
        hearing = Hearing(judgements, orders, arm.said)
        return SuiteResult(
            suite=self.name,
            fingerprint=self.fingerprint(planned),
            model=arm.model.name,
            rows=scored,
            seconds=arm.seconds if arm.fresh else 0.0,
            fresh=arm.fresh,
            notes=tuple(_notes(scored, orders, arm.model, self.judge)),
            evidence=self.judge.sitting(self.rubric, arm.model, store=store, heard=hearing).evidence(),
        )


def _notes(rows: Sequence[Row], orders: Sequence[str], model: ModelRef, judge: Panel) -> list[str]:
    unheard = [why for row in rows if (why := unsent(row.output, row.target, row.finish_reason))]
    notes = (
        [f"asked as the base is: a judged suite has nothing for {model.prompting} prompting"] if model.prompting else []
    )
    if unheard:
        causes = ", ".join(sorted(set(unheard)))
        notes.append(f"{len(unheard)} of {len(rows)} answers got the lowest grade unheard ({causes})")
    if orders:
        by = f", {judge.second.name} graded them instead" if judge.second else ""
        notes.append(f"{len(orders)} answers read like orders to the judge{by}, look at them: {', '.join(orders[:5])}")
    return notes


def judge_header(suites: Sequence["PlannedSuite"], judge: Panel | None) -> Iterator[str]:
    """What is said of the judge before anything is measured; nothing where no suite has one."""
    judged = [(planned.suite, len(planned.examples)) for planned in suites if isinstance(planned.suite, JudgeSuite)]
    if not judged:
        return
    if judge is None:
        names = ", ".join(suite.name for suite, _ in judged)
        yield f"judge: not requested, {names} only informs; add --judge URL#model, hf:PATH or embedded"
        return
    most = sum(suite.most_questions(rows) for suite, rows in judged)
    second = f", with {judge.second.name} as second judge" if judge.second else ""
    yield f"judge: {judge.judge.name}{second}; at most {most:,} questions about each model"
