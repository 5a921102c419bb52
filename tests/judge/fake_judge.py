"""A judge's endpoint on loopback that says what a script tells it to; a real server, real sockets, real faults."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FakeJudge", "Reply", "case_of", "completion", "fake_judge", "grade", "verdict"]

Script = Callable[[dict[str, Any], int], "Reply"]


@dataclass
class Reply:
    """One answer of the server; `drip` seconds lie between its bytes, `cut` bytes are sent of all that is announced."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0
    cut: int | None = None
    reset: bool = False
    wait: float = 0.0


class FakeJudge(ThreadingHTTPServer):
    """Remembers every request that reached it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.busiest = self._busy = 0
        self._lock = threading.Lock()

    @property
    def asked(self) -> str:
        """What `--judge` takes."""
        return f"http://127.0.0.1:{self.server_port}/v1#fake-1"

    def enter(self, body: dict[str, Any], key: str) -> int:
        """Count a request; its number."""
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            self.bodies.append(body)
            self.keys.append(key)
            return len(self.bodies) - 1

    def leave(self) -> None:
        """A request is over."""
        with self._lock:
            self._busy -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer by the script."""
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = server.enter(body, self.headers.get("Authorization", ""))
        try:
            self._answer(server.script(body, number))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            server.leave()

    def _answer(self, reply: Reply) -> None:
        time.sleep(reply.wait)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        sent = reply.body if reply.cut is None else reply.body[: reply.cut]
        if reply.drip:
            for byte in sent:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(reply.drip)
        else:
            self.wfile.write(sent)
        if reply.cut is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def fake_judge(script: Script) -> Iterator[FakeJudge]:
    """The server, listening."""
    server = FakeJudge(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def case_of(body: dict[str, Any]) -> dict[str, Any]:
    """What was asked: id, nonce, asked, reference, and `answers` as the judge can read them."""
    turns = body["messages"]
    case = json.loads(turns[1]["content"])
    told = [turn["content"].partition(": ")[2] for turn in turns[2:] if "answer" in turn["content"][:9]]
    tag = f"answer-{case['nonce']}"
    answers = [json.loads(text.removeprefix(f"<{tag}>").removesuffix(f"</{tag}>")) for text in told if tag in text]
    return {**case, "answers": answers}


def verdict(body: dict[str, Any], *, score: int = 4, winner: str = "tie", **changes: Any) -> dict[str, Any]:
    """A valid verdict on what was asked; `changes` replace keys."""
    case = case_of(body)
    said: dict[str, Any] = {"id": case["id"], "nonce": case["nonce"]}
    if '"reasons"' in body["messages"][0]["content"]:
        said["reasons"] = "Because."
    if len(case["answers"]) == 2:
        said["winner"] = winner
    else:
        said["scores"] = {"correct": score, "complete": score}
    return {**said, **changes}


def completion(content: object, *, finish: str = "stop", served: str = "fp-1", **message: Any) -> bytes:
    """A chat completion around `content`, text or anything that JSON can write."""
    text = content if content is None or isinstance(content, str) else json.dumps(content)
    return json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "fake-1-dated",
            "system_fingerprint": served,
            "choices": [
                {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    ).encode()


def grade(rule: Callable[[dict[str, Any]], int | str]) -> Script:
    """A judge that grades, or names the winner, by `rule` of the case."""

    def script(body: dict[str, Any], _number: int) -> Reply:
        said = rule(case_of(body))
        return Reply(completion(verdict(body, **({"winner": said} if isinstance(said, str) else {"score": said}))))

    return script
