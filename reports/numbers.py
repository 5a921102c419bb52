"""How numbers are written for people: the only place where a rate becomes a percentage."""

__all__ = ["count", "interval", "latency", "megabytes", "percent", "percent_interval", "points", "seconds"]

_MINUTE = 60.0
_MILLISECOND = 0.001
_HOUR = 3600.0


def percent(rate: float) -> str:
    """A rate in [0, 1] with one decimal: `67.0%`."""
    return f"{100 * rate:.1f}%"


def points(difference: float) -> str:
    """A difference of rates in percentage points, always signed: `+1.2`, `−0.5`, `0.0`."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text.replace("-", "−")


def interval(low: float, high: float) -> str:
    """The bounds of a difference in points: `−0.5 to +1.2`."""
    return f"{points(low)} to {points(high)}"


def percent_interval(low: float, high: float) -> str:
    """The bounds of a rate: `64.1 to 69.8%`."""
    return f"{100 * low:.1f} to {percent(high)}"


def count(number: int) -> str:
    """Thousands apart: `12,345`."""
    return f"{number:,}"


def seconds(duration: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if duration < _MINUTE:
        return f"{duration:.1f} s" if duration < _MINUTE / 6 else f"{duration:.0f} s"
    if duration < _HOUR:
        return f"{int(duration // _MINUTE)} min {int(duration % _MINUTE):02d} s"
    return f"{int(duration // _HOUR)} h {int(duration % _HOUR // _MINUTE):02d} min"


def latency(duration: float) -> str:
    """Seconds as `12 ms` below one, else as `seconds`; what is shorter than a millisecond is `< 1 ms`."""
    if duration >= 1:
        return seconds(duration)
    return f"{1000 * duration:.0f} ms" if duration >= _MILLISECOND else "< 1 ms"


def megabytes(size: int) -> str:
    """Bytes in units of 10^6: `1,234 MB`."""
    return f"{size / 1e6:,.0f} MB"
