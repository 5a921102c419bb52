"""A thousand replies that are no verdict, sent by a real server: none may become a grade."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import product

import pytest

from harness.judge import Kind, Status
from harness.judge._completion import read_completion
from harness.judge.endpoint import Limits
from harness.judge.protocol import request
from harness.judge.reply import read_reply
from tests.judge.fake_judge import Reply, case_of, completion, fake_judge, verdict
from tests.judge.test_endpoint import RUBRIC, after_ping, ask, judge_of, questions, store  # noqa: F401  # a fixture

NO_GRADES = [
    0, 6, -1, 10, 100, 4.5, 5.0, 1e9, 1e400, True, False, None, "5", "5/5", "five", "", [], [5], {}, {"score": 5},
    float("nan"), float("inf"), "1", "٤", "4 ", 2**63, -0.0, 3.0000001, "null", [None],
]  # fmt: skip
WINNERS = ["a", "b", "AB", "C", "", "Tie", "TIE", "A ", "both", "neither", None, 1, True, ["A"], {"winner": "A"}, "А"]
NO_BODIES = [
    b"", b" ", b"null", b"[]", b"{}", b"0", b'"ok"', b"<html><body>502 Bad Gateway</body></html>", b"text", b"\xff\xfe",
    b'{"choices": []}', b'{"model": "m", "choices": []}', b'{"model": "m", "choices": null}', b'{"model": "m"}',
    b'{"model": "m", "choices": [{}]}', b'{"model": "m", "choices": [{"message": null}]}', b"data: [DONE]",
    b'{"model": "m", "choices": [{"message": {"content": null}, "finish_reason": "stop"}]}',
    b'{"model": "", "choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}',
    b'{"model": "m", "choices": [{"message": {"content": 4}, "finish_reason": "stop"}]}',
    b'{"model": "m", "choices": [{"message": {"content": [{"type": "text"}]}, "finish_reason": "stop"}]}',
    b'{"model": "m", "choices": [{"message": {"content": "4"}}, {"message": {"content": "5"}}]}',
    b'{"model": "m", "choices": {"0": {"message": {"content": "4"}}}}', b'{"error": {"message": "overloaded"}}',
]  # fmt: skip


def wrong_keys(body):
    """Verdicts of almost the right form."""
    right = verdict(body)
    yield {**right, "id": "another"}
    yield {**right, "nonce": "0" * 16}
    yield {**right, "extra": 1}
    yield {**right, "reasons": 5}
    yield {**right, "reasons": None}
    yield from ({key: value for key, value in right.items() if key != left_out} for left_out in right)
    yield [right]
    yield {"verdict": right}
    if "scores" in right:
        yield {**right, "scores": {"correct": 5}}
        yield {**right, "scores": {"correct": 5, "complete": 5, "style": 5}}
        yield {**right, "scores": {"Correct": 5, "complete": 5}}
        yield {**right, "scores": 5}
        yield {**right, "scores": [5, 5]}
        yield {**right, "score": 5, "scores": {}}


def around(text):
    """Texts that hold a verdict and are none."""
    yield f"```json\n{text}\n```"
    yield f"Here is my verdict: {text}"
    yield f"{text} I hope this helps."
    yield f"{text}{text}"
    yield f"\ufeff{text}"
    yield f"[{text}]"
    yield json.dumps(text)
    yield text.replace('"reasons"', '"reasons": "x", "reasons"')
    twice = text.replace('"scores"', '"scores": {"correct": 1, "complete": 1}, "scores"')
    yield twice.replace('"winner"', '"winner": "A", "winner"')
    yield "Score: 5"
    yield "[[5]]"
    yield "5"
    yield ""
    yield " \n"


def malformed(body):
    """Whole bodies of HTTP for one question, none of them a verdict on it."""
    right = verdict(body)
    text = json.dumps(right)
    sent = completion(text)
    yield from NO_BODIES
    yield from (sent[:cut] for cut in range(len(sent)))
    yield from (completion(text[:cut]) for cut in range(len(text)))
    yield from (completion(other) for other in around(text))
    yield from (completion(text, finish=reason) for reason in ("length", "tool_calls", "content_filter", "", "eos"))
    yield completion(text, refusal="no")
    yield from (completion(json.dumps(other)) for other in wrong_keys(body))
    tight = json.dumps({**right, "reasons": ""}, separators=(",", ":"))
    for at, character in enumerate(tight):
        yield from (completion(tight[:at] + put + tight[at + 1 :]) for put in ("", 2 * character, "\0"))
    if "scores" in right:
        for grade, name in product(NO_GRADES, ("correct", "complete")):
            yield completion(json.dumps({**right, "scores": {"correct": 4, "complete": 4, name: grade}}))
    else:
        yield from (completion(json.dumps({**right, "winner": winner})) for winner in WINNERS)


def asked_of(question):
    """What is asked, as the judge sends it and as the server sees it."""
    asked = request(question, RUBRIC)
    return asked, {"messages": [dict(turn) for turn in asked.messages]}


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_no_malformed_reply_is_accepted_over_http(store, step):  # noqa: F811  # the fixture
    """Every reply is asked about once more, gives no grade, and is not kept."""
    first = replace(questions(1)[0], item="q00000")
    asked, body = asked_of(first)
    wrong = list(malformed(body))[::step]

    def script(body, _number):
        case = case_of(body)
        sent = wrong[int(case["id"].removeprefix("q"))]
        return Reply(sent.replace(b"q00000", case["id"].encode()).replace(asked.nonce.encode(), case["nonce"].encode()))

    with fake_judge(after_ping(script)) as server:
        limits = Limits(deadline_s=20.0, concurrency=4, attempts=1, patience=10_000)
        several = [replace(first, item=f"q{number:05}") for number in range(len(wrong))]
        made = ask(judge_of(server, limits=limits), store, several)
        assert len(made) * step >= 850
        assert [each for each in made if each.status is Status.OK or each.scores or each.winner] == []
        assert len(server.bodies) == 1 + sum(each.calls for each in made)
        asked_twice = {Status.GARBAGE, Status.RANGE}
        assert [each for each in made if each.calls != 1 + (each.status in asked_twice)] == []
        with closing(sqlite3.connect(store.path)) as kept:
            assert kept.execute("SELECT count(*) FROM answers").fetchone() == (0,)


def test_no_malformed_reply_is_read_as_a_verdict():
    """More than a thousand of them, byte for byte, past the wire: each body read as the judge reads it."""
    seen = 0
    for kind in (Kind.POINT, Kind.PAIR):
        asked, body = asked_of(questions(1, kind=kind)[0])
        accepted = read_completion(completion(verdict(body)).decode())
        assert accepted is not None
        assert read_reply(accepted.content or "", asked).status is Status.OK
        for sent in malformed(body):
            seen += 1
            done = read_completion(sent.decode(errors="replace"))
            if done is None or done.refused or done.finish_reason != "stop" or done.content is None:
                continue
            assert read_reply(done.content, asked).status is not Status.OK, sent
    assert seen >= 1_500


def test_a_cyrillic_letter_is_no_winner():
    """`А` is not `A`."""
    asked, body = asked_of(questions(1, kind=Kind.PAIR)[0])
    assert read_reply(json.dumps(verdict(body, winner="A")), asked).winner == "A"
    assert read_reply(json.dumps({**verdict(body), "winner": "А"}), asked).status is Status.RANGE
