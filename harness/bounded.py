"""A limit on the time and memory that code of somebody else may take in this process."""

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

__all__ = ["bounded"]

_STATM = Path("/proc/self/statm")
"""Its first number is the size of this process's address space in pages; only Linux has it."""


@contextmanager
def bounded(*, seconds: float, memory: int) -> Iterator[None]:
    """Stop what runs inside when it takes longer, or more memory.

    Only Python code is stopped for its time, between two of its steps, and only in the main thread; memory is limited
    where the system counts it (Linux).

    Args:
        seconds: that it may take.
        memory: bytes that it may add to the address space of this process.

    Raises:
        TimeoutError: it took too long.
        MemoryError: it wanted too much memory.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_main = threading.current_thread() is threading.main_thread()
    if _STATM.exists():
        pages = int(_STATM.read_text(encoding="ascii").split()[0])
        wanted = pages * os.sysconf("SC_PAGE_SIZE") + memory
        limits = [limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    if in_main:
        before, timer = signal.signal(signal.SIGALRM, _expired), signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if in_main:
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _expired(number: int, frame: object) -> NoReturn:  # noqa: ARG001  # signal's signature
    raise TimeoutError("took too long")
