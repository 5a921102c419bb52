"""Judge in this process: a local model whose verdict is decoded under a grammar, so that it always has the form.

The shipped base grades in the words that it was trained to grade with, one dimension at a time; any other model is told
the whole protocol. Verdicts go through the same store as all answers.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.answers import Engine, answer, repeats_exactly, with_dtype
from harness.errors import JudgeProblem, ModelProblem
from harness.fingerprint import digest
from harness.judge.judgement import Identity, Judgement, Kind, Progress, Question, Status
from harness.judge.protocol import PROTOCOL, WINNERS, Request, request
from harness.judge.reply import Reading, read_reply
from harness.judge.rubric import LEVELS, Rubric
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.store import Store
from harness.types import FinishReason, Generation, Message, ModelRef, Sampling

if TYPE_CHECKING:  # made when the first question is asked
    from harness.backends import Backend

__all__ = ["LocalJudge"]

_EMBEDDED = "embedded"
_BRIEF_TOKENS, _FULL_TOKENS = 48, 400
_REASON_CHARACTERS = 80
_GRADE = "Grade the answer from 1 to 5 against the reference. Reply in JSON with reason and score."
_GRADE_ALONE = "Grade the answer from 1 to 5 against the reference. Reply in JSON with score."
_COMPARE = "Which answer is better? Reply in JSON with the key winner: A, B or tie."


class LocalJudge:
    """Asks a model of its own, beside the one under test. Implements `Judge`."""

    def __init__(
        self, name: str, path: str, *, device: str = "auto", backend: "Backend | None" = None, reasons: bool = True
    ) -> None:
        """Choose the model.

        Args:
            name: as it was asked for.
            path: `embedded`, a folder, or a Hub id with optional @revision.
            device: a torch device, or `auto`.
            backend: computes its answers; by default transformers, made on first use.
            reasons: whether verdicts give reasons.
        """
        base, _, revision = path.partition("@")
        self.name = name
        self._ref = ModelRef(name="judge", base=base, revision=revision or None, dtype="auto")
        self._brief = path == _EMBEDDED
        self._device, self._made, self._reasons = device, backend, reasons

    def prepare(self, rubric: Rubric) -> None:  # noqa: ARG002  # the protocol's signature
        """See `Judge.prepare`: reads the model's files, loads nothing."""
        self._identified()

    def identity(self) -> Identity:
        """See `Judge.identity`; reads the model's files."""
        ref = self._identified()
        settings = {"form": "brief" if self._brief else "full", "dtype": ref.dtype, "decoding": "grammar, greedy"}
        weights = ref.digests.get("weights", ref.fingerprint)
        return Identity(self.name, weights, ref.fingerprint, settings, exact=repeats_exactly(self._backend(), ref))

    def form(self, rubric: Rubric) -> str:
        """See `Judge.form`."""
        asked = [
            [[dict(turn) for turn in each.messages] for each in self._requests(question, rubric)]
            for question in (
                Question("form", Kind.POINT, "?", "!", ("!",)),
                Question("form", Kind.PAIR, "?", "!", ("!", "!")),
            )
        ]
        return digest([PROTOCOL, rubric.digest, asked])

    def ask(
        self,
        questions: Sequence[Question],
        rubric: Rubric,
        store: Store,
        progress: Progress,
        *,
        suite: str = "",  # noqa: ARG002  # it costs no money
    ) -> list[Judgement]:
        """See `Judge.ask`. A grammar leaves nothing to ask again; a verdict that is cut is TRUNCATED."""
        ref, backend = self._identified(), self._backend()
        engine = Engine(backend, store, progress=lambda _model, _suite, done, total, _tokens=0: progress(done, total))
        asked = [self._requests(question, rubric) for question in questions]
        flat = [each for several in asked for each in several]
        replies: list[Generation] = [None] * len(flat)  # type: ignore[list-item]  # each is filled below, or answer() raises
        fresh = 0
        for schema in dict.fromkeys(json.dumps(each.schema) for each in flat):
            places = [place for place, each in enumerate(flat) if json.dumps(each.schema) == schema]
            prompts = [backend.render(ref, flat[place].messages) for place in places]
            sampling = Sampling(_BRIEF_TOKENS if self._brief else _FULL_TOKENS, schema=schema)
            try:
                made, count = answer(engine, ref, prompts=prompts, sampling=sampling, suite="judge")
            except ModelProblem as error:
                raise JudgeProblem(f"judge {self.name}: {error}") from error
            fresh += count
            for place, generation in zip(places, made, strict=True):
                replies[place] = generation
        parts = iter(zip(flat, replies, strict=True))
        made_now = iter([1] * fresh + [0] * (len(flat) - fresh))  # which ones they were matters to nobody, the sum does
        return [
            self._judgement(
                question, rubric, [next(parts) for _ in several], calls=sum(next(made_now) for _ in several)
            )
            for question, several in zip(questions, asked, strict=True)
        ]

    def _requests(self, question: Question, rubric: Rubric) -> list[Request]:
        """One for a comparison, and one for all dimensions, or for each where the form is brief."""
        if not self._brief:
            made = request(question, rubric, echo=False, reasons=self._reasons)
            if self._reasons:
                made.schema["properties"]["reasons"]["maxLength"] = 4 * _REASON_CHARACTERS
            return [made]
        if question.kind.compares:
            return [_brief(_COMPARE, _block(question, ("Answer A", "Answer B")), {"winner": {"enum": list(WINNERS)}})]
        reason = {"reason": {"type": "string", "maxLength": _REASON_CHARACTERS}} if self._reasons else {}
        grade = {**reason, "score": {"enum": list(LEVELS)}}
        asks = _GRADE if self._reasons else _GRADE_ALONE
        block = _block(question, ("Answer",))
        return [_brief(asks, f"Criterion: {name}\n{block}", grade, name) for name in rubric.names]

    def _judgement(
        self, question: Question, rubric: Rubric, parts: Sequence[tuple[Request, Generation]], *, calls: int
    ) -> Judgement:
        readings = [self._reading(asked, reply) for asked, reply in parts]
        bad = next((each for each in readings if each.status is not Status.OK), None)
        scores = {name: score for each in readings for name, score in each.scores.items()}
        replies = [reply for _, reply in parts]
        return Judgement(
            question.item,
            question.kind,
            question.first,
            bad.status if bad else Status.OK,
            scores={} if bad else {name: scores[name] for name in rubric.names if name in scores},
            winner="" if bad else readings[0].winner,
            reasons=bad.reasons if bad else " ".join(each.reasons for each in readings),
            served=self._identified().fingerprint,
            calls=calls,
            prompt_tokens=sum(reply.prompt_tokens for reply in replies),
            reply_tokens=sum(reply.new_tokens for reply in replies),
        )

    def _reading(self, asked: Request, reply: Generation) -> Reading:
        if reply.finish_reason is FinishReason.LENGTH:
            return Reading(Status.TRUNCATED, "the reply was cut before its end")
        return _brief_reading(reply.text, asked) if self._brief else read_reply(reply.text, asked)

    def _backend(self) -> "Backend":
        if self._made is None:
            from harness.backends.hf import HfBackend

            self._made = HfBackend(device=self._device)
        return self._made

    def _identified(self) -> ModelRef:
        if not self._ref.fingerprint:
            backend = self._backend()
            try:
                self._ref = backend.identify(with_dtype(backend, self._ref))
            except ModelProblem as error:
                raise JudgeProblem(f"judge {self.name}: {error}") from error
        return self._ref


def _brief(system: str, user: str, properties: dict[str, Any], dimension: str = "") -> Request:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    turns: tuple[Message, ...] = ({"role": "system", "content": system}, {"role": "user", "content": user})
    return Request("", "", turns, schema, (dimension,) if dimension else ())


def _block(question: Question, names: Sequence[str]) -> str:
    """The case, a line each: what is in an answer cannot begin a line of its own."""
    lines = [("Question", question.asked), ("Reference", question.reference)]
    lines += list(zip(names, question.answers, strict=True))
    return "\n".join(f"{name}: {' '.join(text.split())}" for name, text in lines)


def _brief_reading(text: str, asked: Request) -> Reading:
    """A verdict in the brief form, as strict as the full one."""
    try:
        value = parse_strict(text)
    except InvalidJson as error:
        return Reading(Status.GARBAGE, f"the reply is not one JSON object ({error.reason_code})")
    if not isinstance(value, dict) or value.keys() != set(asked.schema["required"]):
        return Reading(Status.GARBAGE, "the reply has another form")
    if asked.dimensions:
        score = value["score"]
        if type(score) is not int or score not in LEVELS:
            return Reading(Status.RANGE, "score must be a whole number from 1 to 5")
        return Reading(Status.OK, str(value.get("reason", "")), scores={asked.dimensions[0]: score})
    if value["winner"] not in WINNERS:
        return Reading(Status.RANGE, "winner must be A, B or tie")
    return Reading(Status.OK, "", winner=str(value["winner"]))
