"""What judges have cost by day, in the store, so that a cap on a day holds over runs and processes."""

from collections.abc import Callable
from pathlib import Path

from harness.store import Store

__all__ = ["DayBook"]


class DayBook:
    """Calls and money by day. Opens the store for each entry alone, so that nothing stays open between two requests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, day: str, calls: int, money: float, allow: Callable[[int, float], None] | None = None) -> None:
        """Add to a day's account, unless `allow` raises on what it holds so far; no other process comes in between.

        Args:
            day: ISO 8601.
            calls: requests to add.
            money: to add; below 0 gives some back.
            allow: called with the calls and the money of the day so far.

        Raises:
            UsageProblem, CannotWrite: as the store.
        """
        store = Store(self._folder)
        try:
            store.spend(day, calls, money, allow)
        finally:
            store.close()
