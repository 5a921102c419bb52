"""The one retry layer between us and an endpoint: total deadline, back-off, circuit breaker, fewer calls under load.

Only failures of transport are tried again, never verdicts: asking until a judge says something else would choose it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from types import TracebackType
from typing import TypeVar

from harness.errors import HarnessError, JudgeProblem

__all__ = ["Limits", "Lost", "TryAgain", "Wire"]

Answer = TypeVar("Answer")

_RETRY_AFTER_CAP_S = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How an endpoint is treated.

    Attributes:
        deadline_s: seconds for one call, all its attempts and waits together.
        concurrency: most calls at a time; halved whenever the endpoint is overloaded, and slowly raised again.
        attempts: most requests for one call.
        first_wait_s: before the second attempt, without Retry-After; doubled each time, with jitter.
        patience: failed requests in a row, over all calls, after which nothing more is sent.
    """

    deadline_s: float = 120.0
    concurrency: int = 8
    attempts: int = 5
    first_wait_s: float = 1.0
    patience: int = 20


class TryAgain(Exception):
    """A request failed in transport. `after_s` is what the endpoint asked us to wait, None when it did not say."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Lost(Exception):
    """A call has used up its deadline or its attempts."""


class Wire:
    """Sends calls within the limits. `stopped` is why nothing more may be sent; calls under way are let finish."""

    def __init__(self, limits: Limits) -> None:
        self.stopped: HarnessError | None = None
        self._limits = limits
        self._failures = 0
        self._window = _Window(limits.concurrency)

    async def call(self, seed: str, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `attempt` returns in the end.

        Args:
            seed: of the jitter, so that a run repeats exactly.
            attempt: sends one request; raises TryAgain when it failed in transport.

        Raises:
            Lost: the deadline or the attempts are used up.
            HarnessError: nothing more may be sent.
        """
        async with self._window:
            try:
                async with asyncio.timeout(self._limits.deadline_s):
                    return await self._attempts(seed, attempt)
            except TimeoutError:
                self._failed("no whole reply came within the deadline")
                raise Lost(f"no whole reply within {self._limits.deadline_s:g} s") from None

    async def _attempts(self, seed: str, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        ends = asyncio.get_running_loop().time() + self._limits.deadline_s
        for number in range(self._limits.attempts):
            if self.stopped is not None:
                raise self.stopped
            try:
                answer = await attempt()
            except TryAgain as error:
                self._failed(str(error))
                wait = self._wait(error, f"{seed}/{number}", number)
                if number + 1 == self._limits.attempts:
                    raise Lost(f"{number + 1} attempts failed, the last one with: {error}") from None
                if asyncio.get_running_loop().time() + wait >= ends:
                    raise Lost(f"gave up before the deadline, waiting {wait:.1f} s would pass it: {error}") from None
                await asyncio.sleep(wait)
            except HarnessError as error:
                self.stopped = self.stopped or error
                raise
            else:
                self._failures = 0
                self._window.faster()
                return answer
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wait(self, error: TryAgain, seed: str, number: int) -> float:
        if error.after_s is not None:
            return min(max(error.after_s, 0.0), _RETRY_AFTER_CAP_S)
        jitter = random.Random(seed).uniform(0.5, 1.0)  # noqa: S311  # spreads calls, hides nothing
        return min(self._limits.first_wait_s * 2.0**number, _RETRY_AFTER_CAP_S) * jitter

    def _failed(self, reason: str) -> None:
        self._failures += 1
        self._window.slower()
        if self._failures >= self._limits.patience and self.stopped is None:
            self.stopped = JudgeProblem(
                f"judge: {self._failures} requests failed in a row, the last one with: {reason}; every reply is kept, "
                "repeat the command when the endpoint is well again"
            )


class _Window:
    """Lets so many in at a time; additive increase, multiplicative decrease, as TCP does."""

    def __init__(self, most: int) -> None:
        self._most, self._size, self._busy = most, float(most), 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._busy < max(1, int(self._size)))
            self._busy += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def slower(self) -> None:
        self._size = max(1.0, self._size / 2)

    def faster(self) -> None:
        self._size = min(float(self._most), self._size + 1 / self._size)


def retry_after(headers: Callable[[str], str | None]) -> float | None:
    """Seconds that an endpoint asks to wait: `Retry-After-Ms`, or `Retry-After` as a number or a date."""
    try:
        if (milliseconds := headers("retry-after-ms")) is not None:
            return float(milliseconds) / 1000
        if (given := headers("retry-after")) is None:
            return None
        return float(given)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(given or "").timestamp() - time()
    except (ValueError, TypeError, UnboundLocalError):
        return None
