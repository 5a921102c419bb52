"""Limits on time and memory of code that is not ours."""

import resource
import signal
import time

import pytest

from harness.bounded import bounded


def test_memory_is_limited_inside_and_not_afterwards():
    """A gigabyte is refused while 64 MiB are allowed; then the limit is as it was."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), bounded(seconds=60, memory=64 << 20):
        bytearray(1 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert len(bytearray(256 << 20)) == 256 << 20


def test_time_is_limited_inside_and_not_afterwards():
    """An endless loop ends, and neither timer nor handler is left."""
    handler, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(TimeoutError), bounded(seconds=0.1, memory=1 << 30):
        _never_end()
    assert time.monotonic() - started < 10
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def _never_end():
    while True:
        pass


def test_a_timer_of_the_caller_goes_on():
    """Others use the same signal, such as plugins that limit the time of a test."""
    heard = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with bounded(seconds=60, memory=1 << 30):
            pass
        deadline = time.monotonic() + 10
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert heard == [signal.SIGALRM]


def test_what_stays_within_its_limits_is_left_alone():
    """Its value comes out, in threads other than the main one, too."""
    from concurrent.futures import ThreadPoolExecutor

    def inside():
        with bounded(seconds=1, memory=1 << 30):
            return 7

    with ThreadPoolExecutor(1) as pool:
        assert (inside(), pool.submit(inside).result()) == (7, 7)
