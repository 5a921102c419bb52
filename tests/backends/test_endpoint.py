"""A reference model over HTTP: a real server on loopback, measured and shown beside the candidates, never judged."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import options
from harness.backends import endpoint
from harness.backends.endpoint import EndpointBackend, split_reference
from harness.errors import NotMeasured, UsageProblem
from harness.types import FinishReason, ModelRef, Sampling
from harness.verify import verify
from reports.health import health
from reports.load import load
from tests.playground import make_model, make_suite, run_gate

pytest_plugins = "pytester"

CONFTEST = """
import harness.options
from reports.load import load
from reports.health import health
from tests.playground import FakeBackend
harness.options._near_backend = lambda options: FakeBackend()
pytest_plugins = ["harness.plugin"]
"""


class Replies(BaseHTTPRequestHandler):
    """Says yes to questions below `right`; keeps what it was asked."""

    def do_POST(self):
        """One chat completion."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], asked))
        status, body = self.server.reply(asked)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args):
        """Be quiet."""


def completion(text, reason="stop"):
    """A reply in the form of OpenAI's."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "big", "choices": [choice], "usage": usage}


def yes_below(right):
    """Answers by the number of the question."""

    def reply(asked):
        number = int(asked["messages"][-1]["content"].rpartition("question ")[2])
        return 200, completion("yes" if number < right else "no")

    return reply


@pytest.fixture
def server(monkeypatch):
    """A server that can be told how to reply."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-test")
    made = ThreadingHTTPServer(("127.0.0.1", 0), Replies)
    made.asked, made.reply = [], yes_below(380)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    made.address = f"http://127.0.0.1:{made.server_port}/v1#big"
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def repo(pytester, monkeypatch):
    """A base that answers 300 of 400, and a candidate that answers 390."""
    monkeypatch.setattr(options, "_near_backend", options._near_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, gates='Gate("exact_match", min_gain=0.05)')
    (pytester.path / "conftest.py").write_text(CONFTEST)
    make_model(pytester.path / "base", right=300)
    make_model(pytester.path / "good", right=390)
    return pytester


def ask(server, text="question 1", **settings):
    """One answer of the endpoint."""
    backend, found = EndpointBackend(), []
    model = backend.identify(ModelRef("reference", server.address))
    prompt = backend.render(model, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}])
    backend.generate(model, [prompt], Sampling(max_new_tokens=5, **settings), found.extend)
    return found[0][1]


def test_it_is_asked_in_messages_and_greedily(server):
    """Messages, model, limit and temperature go out as the suite has them, with the key from the environment."""
    answer = ask(server)
    assert (answer.text, answer.finish_reason, answer.prompt_tokens, answer.new_tokens) == (
        "yes",
        FinishReason.STOP,
        7,
        2,
    )
    ((path, key, asked),) = server.asked
    assert (path, key) == ("/v1/chat/completions", "Bearer key-of-the-test")
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "question 1"}]
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("big", 5, 0.0)


def test_an_answer_tells_how_long_its_own_request_took(server, monkeypatch):
    """Asked alone it is all that the endpoint was waited for; by a clock that counts, one tick each."""
    ticks = iter(range(100))
    monkeypatch.setattr(endpoint, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    assert ask(server).seconds == 1.0


def test_a_cut_answer_says_so(server):
    """finish_reason length is a truncated answer."""
    server.reply = lambda _asked: (200, completion("ye", "length"))
    assert ask(server).finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize(
    "reply",
    [
        (401, {"error": {"message": "no such key"}}),
        (404, {"error": {"message": "no such model"}}),
        (200, b"<html>welcome</html>"),
        (200, {"choices": []}),
        (200, completion(None)),
        (200, completion("no", "content_filter")),
    ],
)
def test_no_answer_is_not_a_wrong_answer(server, reply):
    """Refused, empty, filtered and foreign replies are errors that name the endpoint, never a score."""
    server.reply = lambda _asked: reply
    with pytest.raises(NotMeasured, match=r"reference 'big' at http://127.0.0.1:\d+/v1: "):
        ask(server)


@pytest.mark.parametrize("text", ["gpt", "http://x/v1", "ftp://x#m", "http://x/v1#"])
def test_an_address_has_a_model(text):
    """URL and model, or a usage error."""
    with pytest.raises(UsageProblem, match="give URL#MODEL"):
        split_reference(text)


def test_a_reference_is_measured_and_shown_and_never_judged(repo, server):
    """Its rows are in the run, the candidate stands beside it, gates are against the base alone, and verify agrees."""
    done = run_gate(repo, "--adapter", "good", "--reference", server.address, "--run-dir", "run")
    run = json.loads(Path("run/run.json").read_text())
    assert (done.ret, run["outcome"]) == (0, "PASS")
    assert [verdict["model"] for verdict in run["verdicts"]] == ["good"]
    (entry,) = [each for each in run["results"] if each["model"] == "reference"]
    assert entry["value"] == 380 / 400
    (beside,) = run["prompting"]
    assert (beside["model"], beside["over"], beside["value"]) == ("good", "reference", pytest.approx(10 / 400))
    assert beside["share"] == pytest.approx(80 / 90, abs=0.01)
    assert run["models"][-1]["dtype"] == "unknown"
    assert verify(Path("run")).disagreements == ()
    assert len(server.asked) == 400
    done.stdout.fnmatch_lines(["*asks: good minus the reference model: +2.5 points*"])
    run_gate(repo, "--adapter", "good", "--reference", server.address, "--run-dir", "again")
    assert len(server.asked) == 400


def test_a_reference_that_cannot_be_reached_makes_the_run_invalid(repo, server):
    """It was planned, so what is missing of it is no silent gap."""
    server.reply = lambda _asked: (404, {"error": {"message": "no such model"}})
    done = run_gate(repo, "--adapter", "good", "--reference", server.address, "--run-dir", "run")
    assert done.ret == 11
    done.stdout.fnmatch_lines(["*INVALID: reference 'big' at http*gave no answer*"])


def test_a_served_model_that_lost_its_template_stands_out(repo, server):
    """Answers that run on past the right word are wrong and cut, and terminal and report both say so of that row."""
    make_suite(repo.path, rows=100, gates='Gate("exact_match", max_drop=0.05)')
    (repo.path / "conftest.py").write_text(CONFTEST)
    server.reply = lambda _asked: (200, completion("yes<|im_end|>\n<|im_start|>user\nquestion", "length"))
    done = run_gate(repo, "--adapter", "good", "--reference", server.address, "--run-dir", "run")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*asks: good minus the reference model: +100.0 points*"])
    run = json.loads(Path("run/run.json").read_text())
    assert [each["value"] for each in run["results"] if each["model"] == "reference"] == [0.0]
    shown = load(Path("run"))
    assert [(each.model, each.over, each.value) for each in shown.beyond] == [("good", "reference", 1.0)]
    assert {each.model: each.truncated for each in health(shown)} == {"base": 0, "good": 0, "reference": 100}
