"""Suites that a judge scores: answers are generated as ever, graded one by one, and compared with the base's answers.

Every grade from 1 to 5 is a score from 0 to 1; a row's headline score is the mean over the dimensions. A comparison is
made in both orders: 1 where both prefer the candidate, 0 where both prefer the base, one half in all other cases. The
base stands at one half, so that a difference to it is the share of wins above one half.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.answers import Engine, answer
from harness.datasets import Source, nested_slice
from harness.errors import BadSpec, NotMeasured
from harness.fingerprint import digest
from harness.gates import Gate
from harness.judge.asking import REPEAT_SHARE, Beside, questions_of, repeats_of
from harness.judge.judgement import Judge
from harness.judge.protocol import PROTOCOL
from harness.judge.rubric import Rubric
from harness.judge.scoring import Heard, metric_names, reference_text, row_scores, unsent
from harness.judge.screen import canaries, gives_orders
from harness.judge.sitting import Hearing, hold
from harness.prompts import PromptSpec, chat
from harness.suite import data_layer, refuse_bad_spec, refuse_other_prompt
from harness.two_turns import two_turns
from harness.types import Example, Generation, Json, Message, ModelRef, Row, Sampling, SuiteResult

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
        take: how many rows to judge, a seeded slice; None for all.
        judge: who judges; set by `judged`.
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
    take: int | None = None
    judge: Judge | None = None
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
            "asked": self.judge.name if self.judge else None,
            "protocol": PROTOCOL,
            "rubric": self.rubric.digest,
            "dimensions": list(self.rubric.names),
            "pairwise": self.pairwise,
        }

    def judged(self, judge: Judge | None, *, questions: str | None = None) -> "JudgeSuite":
        """This suite before `judge`, on its own rows or on the two-turn questions of a file."""
        if questions is None:
            return replace(self, judge=judge)
        sampling = replace(self.sampling, max_new_tokens=max(self.sampling.max_new_tokens, _TURN_TOKENS))
        examples = two_turns(Path(questions).expanduser().resolve())
        return replace(self, judge=judge, examples=examples, render=chat(), sampling=sampling, take=None)

    def most_questions(self, planned: int) -> int:
        """Most that a judge is asked about one candidate of `planned` rows."""
        kinds = 1 + 2 * self.pairwise
        return planned * kinds + len(range(0, planned, round(1 / REPEAT_SHARE))) + (planned * kinds) // 20 + kinds

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
        started = time.perf_counter()
        if self.judge is None:
            raise NotMeasured(
                f"suite {self.name!r}: no judge was asked for; add --judge URL#model, hf:PATH or embedded"
            )
        refuse_other_prompt(self.name, self.render.system, model, checked=self.uses_adapter_prompt)
        rows, said, fresh = self._answered(model, planned, engine)
        beside = Beside.of(engine.beside)
        exact = self.judge.identity().exact
        questions = questions_of(planned, rows, said, beside if self.pairwise else Beside())
        questions += [] if exact else repeats_of(planned, questions, beside, model)
        questions += canaries(planned, questions, self.rubric.names)
        judgements = self.judge.ask(
            questions,
            self.rubric,
            engine.store,
            lambda done, total: engine.progress(model.name, "judge", done, total),
            suite=self.name,
        )
        scored = self._scored(rows, beside.rows, Heard.by_item(judgements))
        orders = [row.id for row in scored if gives_orders(row.output)]
        hearing = Hearing(judgements, orders, said)
        sitting = hold(self.judge, self.rubric, model, store=engine.store, heard=hearing)
        calls = sum(each.calls for each in judgements)
        return SuiteResult(
            suite=self.name,
            fingerprint=self.fingerprint(planned),
            model=model.name,
            rows=scored,
            seconds=time.perf_counter() - started if fresh or calls else 0.0,
            fresh=fresh,
            notes=tuple(_notes(scored, orders, model)),
            evidence=sitting.evidence(),
        )

    def _answered(
        self, model: ModelRef, planned: Sequence[Example], engine: Engine
    ) -> tuple[list[Row], dict[str, str], int]:
        """Rows without scores, conversations up to the question where there are turns before, and answers computed now.

        A turn sees the model's own answers to the turns before.
        """
        turns = {example.id: self._opening(example) for example in planned}
        said = {example.id: f"User: {example.earlier[0]}" for example in planned if example.earlier}
        fresh = 0
        for turn in range(max((len(example.earlier) for example in planned), default=0)):
            waiting = [example for example in planned if len(example.earlier) > turn]
            answers, count, _ = self._generate(model, [turns[example.id] for example in waiting], engine)
            fresh += count
            for example, generation in zip(waiting, answers, strict=True):
                following = (*example.earlier, example.input)[turn + 1]
                said[example.id] += f"\nModel: {generation.text}\nUser: {following}"
                turns[example.id] += [_turn("assistant", generation.text), _turn("user", following)]
        answers, count, prompts = self._generate(model, [turns[example.id] for example in planned], engine)
        rows = [_row(each, prompt, reply) for each, prompt, reply in zip(planned, prompts, answers, strict=True)]
        return rows, said, fresh + count

    def _scored(self, rows: Sequence[Row], base: Mapping[str, Row], heard: Mapping[str, Heard]) -> tuple[Row, ...]:
        names, pairwise = self.rubric.names, self.pairwise
        return tuple(
            replace(row, scores=row_scores(row, base.get(row.id), names, heard, pairwise=pairwise)) for row in rows
        )

    def _opening(self, example: Example) -> list[Message]:
        """Chat turns up to the first question of the example."""
        first = replace(example, input=example.earlier[0], earlier=()) if example.earlier else example
        return list(self.render.messages(first))

    def _generate(
        self, model: ModelRef, turns: Sequence[Sequence[Message]], engine: Engine
    ) -> tuple[list[Generation], int, list[str]]:
        prompts = [engine.backend.render(model, each) for each in turns]
        answers, fresh = answer(engine, model, prompts=prompts, sampling=self.sampling, suite=self.name)
        return answers, fresh, [prompt.text for prompt in prompts]


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _row(example: Example, prompt: str, generation: Generation) -> Row:
    return Row(
        id=example.id,
        cluster=example.cluster,
        tags=example.tags,
        prompt=prompt,
        target=reference_text(example),
        output=generation.text,
        finish_reason=generation.finish_reason,
        prompt_tokens=generation.prompt_tokens,
        new_tokens=generation.new_tokens,
        scores=(),
    )


def _notes(rows: Sequence[Row], orders: Sequence[str], model: ModelRef) -> list[str]:
    unheard = [why for row in rows if (why := unsent(row.output, row.target, row.finish_reason))]
    notes = (
        [f"asked as the base is: a judged suite has nothing for {model.prompting} prompting"] if model.prompting else []
    )
    if unheard:
        causes = ", ".join(sorted(set(unheard)))
        notes.append(f"{len(unheard)} of {len(rows)} answers got the lowest grade unheard ({causes})")
    if orders:
        notes.append(f"{len(orders)} answers read like orders to the judge, look at them: {', '.join(orders[:5])}")
    return notes


def judge_header(suites: Sequence["PlannedSuite"], judge: Judge | None) -> Iterator[str]:
    """What is said of the judge before anything is measured; nothing where no suite has one."""
    judged = [(planned.suite, len(planned.examples)) for planned in suites if isinstance(planned.suite, JudgeSuite)]
    if not judged:
        return
    if judge is None:
        names = ", ".join(suite.name for suite, _ in judged)
        yield f"judge: not requested, {names} only informs; add --judge URL#model, hf:PATH or embedded"
        return
    most = sum(suite.most_questions(rows) for suite, rows in judged)
    yield f"judge: {judge.name}; at most {most:,} questions about each model"
