"""What a reader must know of answers from the store: how old those of the base are, and how many were damaged."""

from collections.abc import Iterator
from datetime import UTC, datetime

from harness.store import Reads

__all__ = ["damage_line", "notes_on"]

_DAY = 86_400.0


def notes_on(reads: Reads, *, base: bool, now: float) -> Iterator[str]:
    """Notes on one measurement.

    Args:
        reads: what was read from the store meanwhile.
        base: whether it is a measurement of the base, whose answers runs share for as long as the store lasts.
        now: seconds since the epoch.
    """
    if reads.damaged:
        yield damage_line(len(reads.damaged))
    if base and reads.answers:
        when = "of an unknown time, before ages were kept"
        if reads.oldest is not None:
            days = max(0, int((now - reads.oldest) // _DAY))
            age = "today" if days == 0 else "1 day ago" if days == 1 else f"{days} days ago"
            when = f"of {datetime.fromtimestamp(reads.oldest, UTC):%Y-%m-%d}, {age}"
        yield f"{reads.answers} answers come from the store, the oldest {when}; --fresh-base measures the base again"


def damage_line(count: int) -> str:
    """That stored answers were damaged."""
    return f"{count} stored answer{' was' if count == 1 else 's were'} damaged and asked again"
