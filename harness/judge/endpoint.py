"""Judge behind an endpoint that speaks OpenAI's chat protocol. The openai package is imported only here, and late."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.errors import JudgeProblem
from harness.fingerprint import digest
from harness.judge._completion import Completion, read_completion
from harness.judge._ladder import Ladder
from harness.judge._transport import Limits, Lost, TryAgain, Wire, retry_after
from harness.judge.asked import KEY_VARIABLE, Address
from harness.judge.budget import Budget, Reservation
from harness.judge.judgement import Identity, Judgement, Kind, Progress, Question, Status
from harness.judge.protocol import PROTOCOL, Request, request
from harness.judge.reply import Reading, read_reply
from harness.judge.rubric import Rubric
from harness.store import Store
from harness.types import Json

if TYPE_CHECKING:  # imported when the first request is sent
    from openai import AsyncOpenAI

__all__ = ["EndpointJudge", "Limits"]

REPLY_TOKENS = 1_024
"""Most tokens of a verdict, reasons included; a reply that is cut there is no verdict."""
OLDEST = timedelta(days=30)
"""A stored reply that is older is asked for again: what is behind a name changes."""

_PING = Question("ping", Kind.POINT, "What is 2 + 2?", "4", ("4",))
_AGAIN = "That was no verdict: {reason}. Reply again with the JSON object alone, in the form that was asked for."
_ASKED_AGAIN = (Status.GARBAGE, Status.RANGE)
_TRANSIENT = (408, 409, 425, 429)
_SERVER_ERROR = 500


class EndpointJudge:
    """Asks over HTTP. Implements `Judge`; both models under test are judged by the same parameters."""

    def __init__(self, address: Address, key: str, budget: Budget, limits: Limits, *, reasons: bool = True) -> None:
        """Remember whom to ask, and how; nothing is sent.

        Args:
            address: of the endpoint.
            key: for it; empty for none.
            budget: what may be spent.
            limits: how the endpoint is treated.
            reasons: whether verdicts give reasons.
        """
        self.name = f"{address.url}#{address.model}"
        self.budget = budget
        self._address, self._key, self._limits = address, key, limits
        self._ladder = Ladder(address.model, REPLY_TOKENS)
        self._served, self._reasons = "", reasons

    def prepare(self, rubric: Rubric) -> None:
        """See `Judge.prepare`: asks for one plain verdict, with fewer demands until the endpoint meets them."""
        if not self._served:
            asyncio.run(self._probe(self._request(_PING, rubric)))

    def identity(self) -> Identity:
        """See `Judge.identity`."""
        return Identity(self.name, "", self._served, self._ladder.spec(), exact=False)

    def form(self, rubric: Rubric) -> str:
        """See `Judge.form`."""
        words = [
            self._request(replace(_PING, kind=kind, answers=("4", "4")[: 1 + kind.compares]), rubric).messages
            for kind in (Kind.POINT, Kind.PAIR)
        ]
        return digest([PROTOCOL, rubric.digest, [[dict(turn) for turn in turns] for turns in words]])

    def ask(
        self, questions: Sequence[Question], rubric: Rubric, store: Store, progress: Progress, *, suite: str = ""
    ) -> list[Judgement]:
        """See `Judge.ask`. Replies of another served model, or older than 30 days, are asked for again."""
        self.prepare(rubric)
        self.budget.purse.suite = suite
        asked = [self._request(question, rubric) for question in questions]
        keys = [self._key_of(question, each) for question, each in zip(questions, asked, strict=True)]
        known = store.get_many(keys)
        found: dict[int, Judgement] = {}
        for index, (question, each, key) in enumerate(zip(questions, asked, keys, strict=True)):
            if (judgement := self._stored(question, each, known.get(key))) is not None:
                found[index] = judgement
        progress(len(found), len(questions))

        def settled(index: int, judgement: Judgement, content: str) -> None:
            found[index] = judgement
            if judgement.status is Status.OK:
                store.put_many({keys[index]: _kept(judgement, content)})
            progress(len(found), len(questions))

        first = {key: index for index, key in reversed([*enumerate(keys)])}  # equal questions are sent once
        wanted = [(index, questions[index], asked[index]) for index in first.values() if index not in found]
        if wanted:
            asyncio.run(self._ask_all(sorted(wanted, key=lambda each: each[0]), settled))
        progress(len(questions), len(questions))
        twins = ((index, question, found[first[keys[index]]]) for index, question in enumerate(questions))
        return [_as_answer_to(question, made, again=first[keys[index]] != index) for index, question, made in twins]

    def _request(self, question: Question, rubric: Rubric) -> Request:
        return request(question, rubric, reasons=self._reasons)

    async def _ask_all(
        self, wanted: Sequence[tuple[int, Question, Request]], settled: Callable[[int, Judgement, str], None]
    ) -> None:
        wire = Wire(self._limits)

        async def settle(client: "AsyncOpenAI", index: int, question: Question, asked: Request) -> None:
            if wire.stopped is None:
                settled(index, *await self._verdict(client, wire, question, asked))

        async with self._client() as client:
            ended = await asyncio.gather(*(settle(client, *each) for each in wanted), return_exceptions=True)
        problems = [error for error in ended if isinstance(error, BaseException)]
        if unexpected := [error for error in problems if error is not wire.stopped]:
            raise unexpected[0]
        if wire.stopped is not None:
            raise wire.stopped

    async def _verdict(
        self, client: "AsyncOpenAI", wire: Wire, question: Question, asked: Request
    ) -> tuple[Judgement, str]:
        """Ask once, and once more when the reply was no verdict; what is asked again says why."""
        made = Judgement(question.item, question.kind, question.first, Status.OK, served=self._served)
        turns = [dict(turn) for turn in asked.messages]
        for last in (False, True):
            tally = _Tally(self.budget)
            body = self._ladder.body(turns, asked.schema)
            try:
                done = await wire.call(digest(body), lambda body=body, tally=tally: self._send(client, body, tally))  # type: ignore[misc]  # mypy reads defaults of a lambda as required
                reading = _reading(done, asked)
            except Lost as error:
                done, reading = None, Reading(Status.TIMEOUT, str(error))
            made = _added(made, tally, done)
            if last or reading.status not in _ASKED_AGAIN:
                break
            if done is not None and done.content:
                turns.append({"role": "assistant", "content": done.content[:2_000]})
            turns.append({"role": "user", "content": _AGAIN.format(reason=reading.reasons)})
        return self._said(made, reading), self._scrubbed(done.content or "") if done else ""

    async def _send(self, client: "AsyncOpenAI", body: Mapping[str, Any], tally: "_Tally") -> Completion | None:
        """One request. None for a reply that is no completion; refusals of this request alone come back as such."""
        import openai

        reserved = self.budget.reserve(len(json.dumps(body, ensure_ascii=False).encode()), REPLY_TOKENS)
        tally.calls += 1
        used: tuple[int, int] | None = None
        billed = True
        try:
            raw = await client.chat.completions.with_raw_response.create(**body)
            done = read_completion(raw.text)
            used = (done.prompt_tokens, done.reply_tokens) if done and done.counted else None
        except openai.APIStatusError as error:
            billed = False
            return self._refused(error)
        except openai.APIConnectionError as error:  # its time-outs among them
            raise TryAgain(f"no connection ({type(error.__cause__ or error).__name__})") from None
        finally:
            tally.settle(reserved, used, billed=billed)
        return done

    def _refused(self, error: Any) -> Completion | None:  # noqa: ANN401  # openai.APIStatusError, imported late
        code, said = error.status_code, self._scrubbed(str(error.message))[:200]
        if code in _TRANSIENT or code >= _SERVER_ERROR:
            raise TryAgain(f"HTTP {code}", retry_after(error.response.headers.get)) from None
        if code in (401, 403):
            raise JudgeProblem(
                f"judge: {self._address.host} refuses the key (HTTP {code}); check {KEY_VARIABLE}"
            ) from None
        if code == 404:  # noqa: PLR2004  # not found
            raise JudgeProblem(
                f"judge: {self._address.host} knows no model {self._address.model!r} at this URL (HTTP 404); "
                "check --judge"
            ) from None
        if code < 400:  # noqa: PLR2004  # a redirect, which we do not follow: it may lead anywhere
            raise JudgeProblem(
                f"judge: {self._address.host} sends us elsewhere (HTTP {code}); give its final URL"
            ) from None
        if "content_filter" in str(error.body):
            return Completion.refusal("the endpoint's content filter refused the question")
        if self._served:
            return Completion.rejected(f"HTTP {code}: {said}")
        raise _Rejected(said, str(getattr(error, "param", "") or "")) from None

    async def _probe(self, asked: Request) -> None:
        """Come to terms with the endpoint: ask with everything, and give up one demand for each refusal."""
        turns = [dict(turn) for turn in asked.messages]
        reading = Reading(Status.GARBAGE, "nothing was asked")
        async with self._client() as client:
            while True:
                body, tally = self._ladder.body(turns, asked.schema), _Tally(self.budget)
                try:
                    done = await Wire(self._limits).call(
                        digest(body),
                        lambda body=body, tally=tally: self._send(client, body, tally),  # type: ignore[misc]  # as above
                    )
                    reading = _reading(done, asked)
                except _Rejected as error:
                    reading = Reading(Status.GARBAGE, error.said)
                    if self._ladder.give_up(error.param, error.said):
                        continue
                    break
                except Lost as error:
                    reading = Reading(Status.TIMEOUT, str(error))
                    break
                if reading.status is Status.OK and done is not None:
                    self._served = done.served
                    return
                if not self._ladder.ignored():
                    break
        raise JudgeProblem(
            f"judge: {self.name} gave no verdict on a plain question ({reading.status}: "
            f"{self._scrubbed(reading.reasons)[:200]}); it cannot judge"
        )

    def _client(self) -> "AsyncOpenAI":
        import openai

        return openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._address.url,
            max_retries=0,
            timeout=self._limits.deadline_s,
            # no redirects and no proxies: what is judged goes to the named host and nowhere else
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, trust_env=False),
        )

    def _key_of(self, question: Question, asked: Request) -> str:
        body = self._ladder.body([dict(turn) for turn in asked.messages], asked.schema)
        return digest(
            {"kind": "judgement", "protocol": PROTOCOL, "url": self._address.url, "body": body, "vote": question.vote}
        )

    def _stored(self, question: Question, asked: Request, value: Json) -> Judgement | None:
        """A stored reply, read again as strictly as a new one; None when it does not count any more."""
        match value:
            case {"content": str(content), "served": str(served), "at": str(at), "tokens": [int(prompt), int(reply)]}:
                pass
            case _:
                return None
        reading = read_reply(content, asked)
        try:
            age = datetime.now(UTC) - datetime.fromisoformat(at)
        except (ValueError, TypeError):
            return None
        if reading.status is not Status.OK or served != self._served or age > OLDEST:
            return None
        made = Judgement(question.item, question.kind, question.first, Status.OK, served=served)
        money = 0.0 if self.budget.price else None
        return self._said(replace(made, prompt_tokens=prompt, reply_tokens=reply, money=money), reading)

    def _said(self, made: Judgement, reading: Reading) -> Judgement:
        return replace(
            made,
            status=reading.status,
            reasons=self._scrubbed(reading.reasons),
            scores=reading.scores,
            winner=reading.winner,
        )

    def _scrubbed(self, text: str) -> str:
        """`text` without the key, which some endpoints repeat."""
        return text.replace(self._key, "***") if self._key else text


class _Rejected(Exception):
    """The endpoint does not take a request of this form (HTTP 400 and its kin)."""

    def __init__(self, said: str, param: str) -> None:
        super().__init__(said)
        self.said, self.param = said, param


class _Tally:
    """What the requests of one call came to."""

    def __init__(self, budget: Budget) -> None:
        self.calls, self._budget = 0, budget
        self.money = 0.0 if budget.price else None

    def settle(self, reserved: Reservation, used: tuple[int, int] | None, *, billed: bool) -> None:
        cost = self._budget.settle(reserved, used, billed=billed)
        self.money = None if self.money is None else self.money + cost


def _reading(done: Completion | None, asked: Request) -> Reading:
    """What a completion says, or which of the ways of saying nothing it took."""
    if done is None:
        return Reading(Status.GARBAGE, "the body is no chat completion")
    if done.refused:
        return Reading(Status.REFUSED, done.refused)
    if done.rejected_for:
        return Reading(Status.GARBAGE, done.rejected_for)
    if done.finish_reason == "length":
        return Reading(Status.TRUNCATED, "the reply was cut before its end")
    if done.finish_reason != "stop" or done.content is None:
        return Reading(Status.GARBAGE, f"the reply ended with {done.finish_reason!r}, or has no content")
    return read_reply(done.content, asked)


def _added(made: Judgement, tally: _Tally, done: Completion | None) -> Judgement:
    money = None if tally.money is None else (made.money or 0.0) + tally.money
    return replace(
        made,
        served=done.served if done and done.served else made.served,
        calls=made.calls + tally.calls,
        prompt_tokens=made.prompt_tokens + (done.prompt_tokens if done else 0),
        reply_tokens=made.reply_tokens + (done.reply_tokens if done else 0),
        money=money,
    )


def _as_answer_to(question: Question, made: Judgement, *, again: bool) -> Judgement:
    """`made` on an equal question, as the judgement on this one; it costs nothing when that was another one."""
    if not again:
        return made
    money = None if made.money is None else 0.0
    return replace(made, item=question.item, kind=question.kind, first=question.first, calls=0, money=money)


def _kept(judgement: Judgement, content: str) -> Json:
    return {
        "content": content,
        "served": judgement.served,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tokens": [judgement.prompt_tokens, judgement.reply_tokens],
        "judged": {key: value for key, value in asdict(judgement).items() if key in ("item", "kind", "first")},
    }
