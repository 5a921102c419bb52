"""Measuring a local model reaches no network: a real model is measured while every connection is forbidden."""

import socket
from pathlib import Path

import pytest

from tests.playground import make_suite, run_gate
from tests.silent_pass.test_ways import tiny  # noqa: F401  # a fixture

pytest_plugins = "pytester"


@pytest.fixture
def asked(monkeypatch):
    """Every address that somebody wants to connect to or look up; none is reached."""
    found = []

    def refuse(*args, **_):
        found.append(args[1] if isinstance(args[0], socket.socket) else args[0])
        raise OSError("no network here")

    for owner, name in ((socket.socket, "connect"), (socket.socket, "connect_ex"), (socket, "getaddrinfo")):
        monkeypatch.setattr(owner, name, refuse)
    return found


def test_a_gate_asks_nobody(pytester, tiny, asked):  # noqa: F811
    """Base and adapter are loaded, measured and compared, and no address was ever asked for."""
    make_suite(pytester.path, rows=60, gates='Gate("exact_match", max_drop=0.5)')
    (pytester.path / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    result = run_gate(pytester, "--adapter", str(tiny / "lora"), "--device", "cpu", model=str(tiny / "tiny"))
    assert (Path("runs").exists(), result.ret in {0, 1, 10, 11}) == (True, True)
    assert "60 examples planned on each model" in result.stdout.str()
    assert asked == []


def test_a_connection_would_be_noticed(asked):
    """The watch above can fail."""
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    with socket.socket() as one, pytest.raises(OSError, match="no network"):
        one.connect(("127.0.0.1", 9))
    assert asked == ["127.0.0.1", ("127.0.0.1", 9)]
