"""The judge's endpoint, against a real server that does everything wrong that endpoints do."""

import asyncio
import itertools
import json
import time
from pathlib import Path

import pytest

from harness.errors import BudgetSpent, JudgeProblem
from harness.judge import COMPLETE, CORRECT, Kind, Question, Rubric, Status
from harness.judge._transport import TryAgain, Wire
from harness.judge.asked import read_address
from harness.judge.budget import Budget, Caps, Price, Purse
from harness.judge.endpoint import EndpointJudge, Limits
from harness.store import Store
from tests.judge.fake_judge import Reply, case_of, completion, fake_judge, verdict

RUBRIC = Rubric((CORRECT, COMPLETE))
QUICK = Limits(deadline_s=5.0, concurrency=8, attempts=3, first_wait_s=0.01, patience=1_000)
KEY = "sk-planted-secret"


def questions(count, *, kind=Kind.POINT, answer="An answer."):
    """Different questions, one for each number."""
    answers = (answer,) if kind is Kind.POINT else (answer, "Another answer.")
    return [Question(f"q{i}", kind, f"Question {i}?", "The reference.", answers, "candidate") for i in range(count)]


def judge_of(server, *, limits=QUICK, calls=100_000, money=None, price=None, key=KEY):
    """The endpoint's judge; by default with as good as no budget."""
    return EndpointJudge(read_address(server.asked), key, Budget(Purse(Caps(calls), Caps(money)), price), limits)


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    with_store = Store(tmp_path / "store")
    yield with_store
    with_store.close()


def ask(judge, store, asked):
    """The judgements."""
    return judge.ask(asked, RUBRIC, store, lambda _done, _total: None)


def after_ping(script):
    """A script that answers the first question, which only finds out what the endpoint can do, as it should."""

    def scripted(body, number):
        return Reply(completion(verdict(body, score=5))) if case_of(body)["id"] == "ping" else script(body, number)

    return scripted


def test_a_valid_verdict_is_read_kept_and_not_asked_for_again(store):
    """Grades and winners come as they were sent; the second time everything is known."""
    with fake_judge(lambda body, _: Reply(completion(verdict(body, score=4, winner="B")))) as server:
        judge = judge_of(server)
        asked = questions(3) + questions(2, kind=Kind.PAIR)
        made = ask(judge, store, asked)
        assert [each.status for each in made] == [Status.OK] * 5
        assert [dict(each.scores) for each in made[:3]] == [{"correct": 4, "complete": 4}] * 3
        assert [each.winner for each in made[3:]] == ["B", "B"]
        assert [each.calls for each in made] == [1] * 5
        assert {each.served for each in made} == {"fake-1-dated fp-1"}
        assert len(server.bodies) == 1 + 5
        again = ask(judge, store, asked)
        assert len(server.bodies) == 1 + 5
        assert [each.calls for each in again] == [0] * 5
        assert [(each.scores, each.winner, each.reasons) for each in again] == [
            (each.scores, each.winner, each.reasons) for each in made
        ]


def test_key_goes_into_the_header_and_nowhere_else(store, tmp_path):
    """An endpoint that repeats the key does not get it into replies, errors or the store."""
    with fake_judge(after_ping(lambda body, _: Reply(completion(verdict(body, reasons=f"key {KEY}"))))) as server:
        judge = judge_of(server)
        (made,) = ask(judge, store, questions(1))
        assert set(server.keys) == {f"Bearer {KEY}"}
        assert KEY not in json.dumps(made.spec())
        assert KEY not in judge.name + str(judge.identity())
        assert not any(KEY in json.dumps(body) for body in server.bodies)
    store.close()
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "refuses the key"), (403, "refuses the key"), (404, "knows no model"), (302, "elsewhere")],
)
def test_a_hopeless_endpoint_is_found_out_by_one_request(status, said):
    """Wrong key, wrong model, wrong URL: one request, one line."""
    wrong = Reply(b'{"error": {"message": "no: %s"}}' % KEY.encode(), status, {"Location": "http://127.0.0.1:1/"})
    with fake_judge(lambda _body, _number: wrong) as server:
        with pytest.raises(JudgeProblem, match=said) as caught:
            judge_of(server).prepare(RUBRIC)
        assert len(server.bodies) == 1
    assert KEY not in str(caught.value)


def test_nobody_there_is_one_line():
    """A port that nobody listens on."""
    judge = EndpointJudge(read_address("http://127.0.0.1:9/v1#m"), "", Budget(Purse(Caps(10), Caps())), QUICK)
    with pytest.raises(JudgeProblem, match="no connection"):
        judge.prepare(RUBRIC)
    assert judge.budget.calls == 3


def test_busy_endpoint_is_asked_again_after_the_time_it_names(store):
    """429 three times with Retry-After, then a verdict: four requests, and not before the time."""
    seen = []

    def script(body, _number):
        seen.append(time.monotonic())
        if len(seen) <= 3:
            return Reply(b"{}", 429, {"Retry-After": "0.15"})
        return Reply(completion(verdict(body)))

    with fake_judge(after_ping(script)) as server:
        limits = Limits(deadline_s=5.0, concurrency=1, attempts=5, first_wait_s=9.0)
        (made,) = ask(judge_of(server, limits=limits), store, questions(1))
    assert (made.status, made.calls, len(seen)) == (Status.OK, 4, 4)
    assert all(later - earlier >= 0.15 for earlier, later in itertools.pairwise(seen))


@pytest.mark.parametrize("fault", [Reply(b"oops", 500), Reply(b"", reset=True), Reply(b'{"a": 1}', cut=3)], ids=str)
def test_a_fault_of_transport_is_tried_so_often_and_not_more(store, fault):
    """500, a reset and a body that ends early: three attempts, then the row has no grade, and nothing is kept."""
    with fake_judge(after_ping(lambda _body, _number: fault)) as server:
        judge = judge_of(server)
        (made,) = ask(judge, store, questions(1))
        assert (made.status, made.calls, len(server.bodies)) == (Status.TIMEOUT, 3, 1 + 3)
        (again,) = ask(judge, store, questions(1))
        assert again.calls == 3


def test_after_many_failures_in_a_row_nothing_more_is_sent(store):
    """The breaker opens at exactly its count, whatever was still to be asked."""
    with fake_judge(after_ping(lambda _body, _number: Reply(b"", 503))) as server:
        limits = Limits(deadline_s=5.0, concurrency=1, attempts=3, first_wait_s=0.001, patience=7)
        with pytest.raises(JudgeProblem, match="7 requests failed in a row"):
            ask(judge_of(server, limits=limits), store, questions(50))
        assert len(server.bodies) == 1 + 7


def test_slow_drip_ends_at_the_deadline(store):
    """A byte at a time never times out by reads, but the deadline is of the whole call."""
    with fake_judge(after_ping(lambda body, _: Reply(completion(verdict(body)), drip=0.02))) as server:
        judge = judge_of(server, limits=Limits(deadline_s=0.4, concurrency=4, first_wait_s=0.01))
        judge.prepare(RUBRIC)
        started = time.monotonic()
        made = ask(judge, store, questions(4))
        assert time.monotonic() - started < 0.4 + 1.0
        assert [each.status for each in made] == [Status.TIMEOUT] * 4
        assert len(server.bodies) == 1 + 4


def test_concurrency_stays_within_its_bound_and_falls_under_load(store):
    """Never more at a time than allowed; an overloaded endpoint soon sees fewer."""
    with fake_judge(after_ping(lambda body, _: Reply(completion(verdict(body)), wait=0.01))) as server:
        ask(judge_of(server, limits=Limits(concurrency=3)), store, questions(20))
        assert 2 <= server.busiest <= 3
    seen = []

    def overloaded(body, number):
        seen.append(number)
        return Reply(b"", 429) if len(seen) <= 6 else Reply(completion(verdict(body)), wait=0.01)

    with fake_judge(after_ping(overloaded)) as server:
        made = ask(judge_of(server, limits=Limits(concurrency=6, first_wait_s=0.01)), store, questions(30))
        assert {each.status for each in made} == {Status.OK}


def test_calls_that_come_after_an_overload_are_fewer_at_a_time():
    """Eight at once are refused; what follows starts with one at a time, and works its way up."""
    wire, busy, at_once, failed = Wire(Limits(concurrency=8, first_wait_s=0.0)), [0], [], set()

    async def call(number):
        async def attempt():
            busy[0] += 1
            await asyncio.sleep(0.002)
            busy[0] -= 1
            if number < 8 and number not in failed:
                failed.add(number)
                raise TryAgain("too many requests")
            at_once.append(busy[0] + 1)

        await wire.call(str(number), attempt)

    async def everything():
        await asyncio.gather(*map(call, range(32)))

    asyncio.run(everything())
    assert (len(failed), len(at_once)) == (8, 32)
    assert max(at_once[8:]) < 8


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"content": None, "refusal": "I will not grade this."}, Status.REFUSED),
        ({"content": None, "finish": "content_filter"}, Status.REFUSED),
        ({"content": "{", "finish": "length"}, Status.TRUNCATED),
    ],
)
def test_refusals_and_cut_replies_are_told_apart_and_not_asked_again(store, message, status):
    """They are the instrument's failure: no grade, not kept, no second question."""
    content = message.pop("content")
    with fake_judge(after_ping(lambda _body, _: Reply(completion(content, **message)))) as server:
        (made,) = ask(judge_of(server), store, questions(1))
        assert (made.status, dict(made.scores), len(server.bodies)) == (status, {}, 2)


def test_garbage_is_asked_about_once_more_and_told_why(store):
    """The second request holds the first reply and what was wrong with it; a good reply then counts."""

    def script(body, _number):
        asked_again = len(body["messages"]) > 3
        return Reply(completion(verdict(body) if asked_again else "I would say 4."))

    with fake_judge(after_ping(script)) as server:
        (made,) = ask(judge_of(server), store, questions(1))
        assert (made.status, made.calls, len(server.bodies)) == (Status.OK, 2, 3)
        assert "I would say 4." in server.bodies[-1]["messages"][-2]["content"]
        assert "not one JSON object" in server.bodies[-1]["messages"][-1]["content"]


def personality(refused):
    """An endpoint that answers HTTP 400 to requests with any of these keys, naming the first."""

    def script(body, _number):
        for name in refused:
            if name in body and (name != "response_format" or body[name]["type"] in refused[name]):
                error = {"error": {"message": f"Unsupported parameter: {name}", "param": name}}
                return Reply(json.dumps(error).encode(), 400)
        return Reply(completion(verdict(body)))

    return script


@pytest.mark.parametrize(
    ("refused", "left", "requests"),
    [
        ({}, {"format": "json_schema", "temperature": "0", "seed": "20260"}, 1),
        ({"temperature": ()}, {"format": "json_schema", "temperature": "default", "seed": "20260"}, 2),
        ({"seed": (), "temperature": ()}, {"temperature": "default", "seed": "default"}, 3),
        ({"response_format": ("json_schema",)}, {"format": "json_object", "temperature": "0"}, 2),
        ({"response_format": ("json_schema", "json_object")}, {"format": "text"}, 3),
        ({"max_completion_tokens": ()}, {"limit": "max_tokens=1024"}, 2),
    ],
)
def test_demands_are_given_up_one_by_one_and_written_down(store, refused, left, requests):
    """What the endpoint does not take is left out, for every later question alike."""
    with fake_judge(personality(refused)) as server:
        judge = judge_of(server)
        judge.prepare(RUBRIC)
        assert len(server.bodies) == requests
        assert left.items() <= dict(judge.identity().settings).items()
        ask(judge, store, questions(2))
        assert len(server.bodies) == requests + 2


def test_an_endpoint_that_takes_the_form_and_ignores_it_cannot_judge():
    """It answers in prose whatever is demanded: three forms are tried, then it is given up."""
    with fake_judge(lambda _body, _number: Reply(completion("A fine answer, 5 of 5."))) as server:
        with pytest.raises(JudgeProblem, match="no verdict on a plain question"):
            judge_of(server).prepare(RUBRIC)
        assert len(server.bodies) == 3


def test_a_budget_of_calls_is_never_passed(store):
    """Seven calls are seven requests on the wire, retries among them; a larger budget goes on where it stopped."""
    faults = iter([500, 429])

    def script(body, _number):
        return Reply(b"", status) if (status := next(faults, 0)) else Reply(completion(verdict(body)))

    with fake_judge(after_ping(script)) as server:
        with pytest.raises(BudgetSpent, match="7 calls is used up"):
            ask(judge_of(server, calls=7), store, questions(20))
        assert len(server.bodies) == 7
        made = ask(judge_of(server), store, questions(20))
        assert {each.status for each in made} == {Status.OK}
        assert sum(each.calls for each in made) == 20 - 4
        assert len(server.bodies) == 7 + 1 + 16


@pytest.mark.parametrize("cap", [0.004, 0.02, 0.051])
def test_spending_stays_below_the_cap(store, cap):
    """Room is reserved before each request, so that even many at a time cannot pass the cap together."""
    price = Price(input=2.0, output=10.0)
    with fake_judge(lambda body, _: Reply(completion(verdict(body)), wait=0.002)) as server:
        judge = judge_of(server, calls=None, money=cap, price=price)
        with pytest.raises(BudgetSpent, match="is spent"):
            ask(judge, store, questions(200))
        sent = len(server.bodies)
        assert judge.budget.spent == pytest.approx(sent * price.of(100, 20))
        assert judge.budget.spent <= cap


def test_a_reply_of_another_fingerprint_is_not_mixed_with_stored_ones(store):
    """When the endpoint has become another model, what the store knows of the old one is asked again."""
    served = ["fp-1"]
    with fake_judge(lambda body, _: Reply(completion(verdict(body), served=served[0]))) as server:
        ask(judge_of(server), store, questions(3))
        served[0] = "fp-2"
        made = ask(judge_of(server), store, questions(3))
        assert {each.served for each in made} == {"fake-1-dated fp-2"}
        assert [each.calls for each in made] == [1, 1, 1]


def test_a_question_too_long_for_the_endpoint_costs_that_question_alone(store):
    """HTTP 400 after the first verdict is no reason to stop."""

    def script(body, _number):
        return (
            Reply(b'{"error": {"message": "too long"}}', 400)
            if case_of(body)["id"] == "q1"
            else Reply(completion(verdict(body)))
        )

    with fake_judge(after_ping(script)) as server:
        made = ask(judge_of(server), store, questions(3))
    assert [each.status for each in made] == [Status.OK, Status.GARBAGE, Status.OK]


def test_the_endpoint_package_is_asked_for_late():
    """Importing the leaf does not import openai."""
    source = Path("harness/judge/endpoint.py").read_text(encoding="utf-8")
    assert "\nimport openai" not in source
