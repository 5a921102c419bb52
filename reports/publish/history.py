"""An index of runs with the trend of each gate, as one page that opens from disk and holds numbers only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from harness.atomic import write_atomically
from harness.errors import UsageProblem
from reports.charts.canvas import CANDIDATE, MUTED, Figure, draw, figure
from reports.html import render_template
from reports.load import load
from reports.publish.gate_file import MOST_BYTES, BadGateFile, GateFile, GateLine, read_gate_file
from reports.publish.of_run import gate_file

__all__ = ["Entry", "Trend", "entries", "trends", "write_history"]

_TALL = 150


@dataclass(frozen=True, slots=True)
class Entry:
    """One run; `link` leads to its page from where the index lies, empty when there is none."""

    run: GateFile
    link: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One gate over the runs that have it, oldest first; of several candidates of a run the one with the lowest bound.

    `path` holds the number of the run in the index, from 1, and what its gate says.
    """

    suite: str
    gate: str
    path: tuple[tuple[int, GateLine], ...]
    figure: Figure

    @property
    def paired(self) -> bool:
        """Whether it is a difference to the base, not a rate."""
        return self.path[0][1].lost is not None


def write_history(places: Sequence[Path], out: Path) -> int:
    """Write the index of all runs found at `places`; return how many there are.

    Args:
        places: run directories, folders of them, or files such as `tunegate summary --format json` writes.
        out: the page; an older one is replaced.

    Raises:
        UsageProblem: a place holds no run, a file is no gate.json, or the page cannot be written.
        BadRunDirectory: a run is malformed.
    """
    found = entries(places, out.resolve().parent)
    page = render_template("history.html.j2", entries=found[::-1], trends=trends([each.run for each in found]))
    try:
        write_atomically(out, page.encode())
    except OSError as error:
        raise UsageProblem(f"--out {out}: cannot be written ({error.strerror}); give another path") from error
    return len(found)


def entries(places: Sequence[Path], home: Path) -> tuple[Entry, ...]:
    """All runs at the places, oldest first, each once."""
    found: dict[str, Entry] = {}
    for place in places:
        files = list(_files(place))
        if not files:
            raise UsageProblem(f"{place}: holds no finished run and no gate.json; give one that does")
        for file in files:
            run = _read(file)
            found.setdefault(run.run, Entry(run, _link(file, home)))
    return tuple(sorted(found.values(), key=lambda each: (each.run.finished_at, each.run.run)))


def trends(runs: Sequence[GateFile]) -> tuple[Trend, ...]:
    """One for each gate that decides, in the order in which they first appear."""
    paths: dict[tuple[str, str], list[tuple[int, GateLine]]] = {}
    for number, run in enumerate(runs, 1):
        for key, line in _weakest(run).items():
            paths.setdefault(key, []).append((number, line))
    return tuple(_trend(suite, gate, path) for (suite, gate), path in paths.items())


def _weakest(run: GateFile) -> dict[tuple[str, str], GateLine]:
    found: dict[tuple[str, str], GateLine] = {}
    for line in run.gates:
        if line.advisory or line.low is None:
            continue
        known = found.get((line.suite, line.gate))
        if known is None or known.low is None or line.low < known.low:
            found[line.suite, line.gate] = line
    return found


def _trend(suite: str, gate: str, path: Sequence[tuple[int, GateLine]]) -> Trend:
    passed = sum(line.outcome == "PASS" for _, line in path)
    kinds = len({line.fingerprint for _, line in path})
    broken = f" The suite changed: {kinds} kinds of measurement, not joined by a line." if kinds > 1 else ""
    caption = f"{suite}, {gate}: {passed} of {len(path)} runs passed.{broken}"
    return Trend(suite, gate, tuple(path), figure(lambda width: _drawn(path, width), caption))


def _drawn(path: Sequence[tuple[int, GateLine]], width: int) -> Markup:
    """Observed with its bounds over the runs, and the limit as a dashed line; only equal measurements are joined."""
    import altair as alt

    rows = [
        {
            "run": number,
            "kind": line.fingerprint,
            "limit": 100 * line.required,
            "value": 100 * (line.observed or 0.0),
            "low": 100 * (line.low or 0.0),
            "high": 100 * (line.high or 0.0),
        }
        for number, line in path
    ]
    data = alt.Chart(alt.InlineData(values=rows))
    ends = [number for number, _ in path]
    scale = alt.Scale(domain=[min(ends) - 0.5, max(ends) + 0.5], nice=False)
    run = alt.X("run:Q", scale=scale, axis=alt.Axis(tickMinStep=1, format="d", grid=False), title="run")
    tall = alt.Scale(zero=False)
    unit = "percent" if path[0][1].lost is None else "points"
    value, low, limit = (alt.Y(f"{name}:Q", scale=tall, title=unit) for name in ("value", "low", "limit"))
    layers = (
        data.mark_line(color=MUTED, strokeDash=[4, 3]).encode(x=run, y=limit, detail="kind:N"),
        data.mark_line(color=CANDIDATE, strokeWidth=1.5).encode(x=run, y=value, detail="kind:N"),
        data.mark_rule(color=CANDIDATE, strokeWidth=2.5).encode(x=run, y=low, y2="high:Q"),
        data.mark_point(filled=True, color=CANDIDATE, size=60, opacity=1).encode(x=run, y=value),
    )
    return draw(alt.layer(*layers), width, _TALL)


def _files(place: Path) -> Iterator[Path]:
    """The files that tell of runs: `run.json` of a run directory, `gate.json` beside none, or the place itself."""
    if place.is_file():
        yield place
        return
    for folder in (place, *sorted(path for path in place.glob("*") if path.is_dir())):
        for name in ("run.json", "gate.json"):
            if (folder / name).is_file():
                yield folder / name
                break


def _read(file: Path) -> GateFile:
    if file.name == "run.json":
        return gate_file(load(file.parent))
    try:
        with file.open("rb") as opened:
            return read_gate_file(opened.read(MOST_BYTES + 1))
    except OSError as error:
        raise UsageProblem(f"{file}: cannot be read ({error.strerror})") from error
    except BadGateFile as error:
        raise UsageProblem(f"{file}: {error}; make it with tunegate summary --format json") from error


def _link(file: Path, home: Path) -> str:
    page = file.resolve().parent / "report.html"
    return quote(relpath(page, home)) if page.is_file() and page.is_relative_to(home) else ""
