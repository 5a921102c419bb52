"""The comment of a pull request, made of a gate.json that a stranger may have written. Standard library only.

`python3 -m reports.publish.comment gate.json` works with nothing installed, so the job that may write comments needs
no checkout of the pull request and no package.
"""

import argparse
import re
import sys
from hashlib import sha256
from pathlib import Path

from reports.numbers import count, interval, percent, percent_interval, points
from reports.publish.gate_file import MOST_BYTES, BadGateFile, GateFile, GateLine, read_gate_file

__all__ = ["absent", "marker", "read", "render"]

_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_URL = re.compile(r"https://[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,300})?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_GLYPHS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "INVALID": "!", "NOT_RUN": "○", "CUT": "–"}
_SAID = {
    "PASS": "every gate passed",
    "FAIL": "a gate is shown to be missed: do not ship",
    "INCONCLUSIVE": "the data cannot decide",
    "INVALID": "something planned was not measured, or cannot be believed",
}
_SHOWN = 20
"""Gates in the table; a comment may have 64 KB, and nobody reads that."""
_TITLES = "| outcome | suite | gate | model | base | candidate | observed (95% bounds) | n | fixed | broken |"


def marker(key: str) -> str:
    """The invisible first line by which the comment is found again; `key` keeps several gates apart.

    Raises:
        BadGateFile: the key is not made of a-z, 0-9 and -.
    """
    if not _KEY.fullmatch(key):
        raise BadGateFile("--key: must be 1 to 40 of a-z, 0-9 and -, starting with a letter or digit")
    return f"<!-- tunegate:gate:{key} -->"


def absent(*, key: str = "default", url: str = "", commit: str = "") -> str:
    """The comment where there is no gate.json to believe, so that an older green one does not stay.

    Raises:
        BadGateFile: the key, the address or the commit is none.
    """
    at, link = _place(url, commit)
    said = "The gate left no finished run, or a gate.json that cannot be believed: this is no decision to ship."
    return f"{marker(key)}\n### ! tunegate: INVALID{at}\n\n{said}{link}\n"


def render(found: GateFile, digest: str, *, key: str = "default", url: str = "", commit: str = "") -> str:
    """The comment as Markdown: outcome, numbers, names. Every name is in a code span and matches a pattern.

    Args:
        found: as read.
        digest: SHA-256 of the file, 64 hex digits.
        key: see `marker`.
        url: page of the workflow run, https only; none when empty.
        commit: that was gated, 40 hex digits; none when empty.

    Raises:
        BadGateFile: the key, the address or the commit is none.
    """
    at, link = _place(url, commit)
    worst = sorted(found.gates, key=lambda gate: (gate.advisory, gate.outcome == "PASS"))
    left_out = len(worst) - _SHOWN
    partial = ", and the run is partial: this is no decision to ship" if found.partial else ""
    return "\n".join(
        [
            marker(key),
            f"### {_GLYPHS[found.outcome]} tunegate: {found.outcome}{at}",
            "",
            f"{_SAID[found.outcome]}{partial}.",
            "",
            _TITLES,
            f"|{' --- |' * _TITLES.count(' |')}",
            *map(_row, worst[:_SHOWN]),
            *(["", f"{left_out} more gates are in the summary of the run."] if left_out > 0 else []),
            "",
            _foot(found, digest, link),
            "",
        ]
    )


def read(path: Path) -> tuple[GateFile, str]:
    """The file at `path` and its SHA-256.

    Raises:
        BadGateFile: it cannot be read, or is not what it must be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)  # a file, or what a link leads to, may never end
    except OSError as error:
        raise BadGateFile(f"{path}: cannot be read ({error.strerror})") from error
    return read_gate_file(data), sha256(data).hexdigest()


def _place(url: str, commit: str) -> tuple[str, str]:
    """` at <commit>` and a link to the workflow run, each empty where it is not known."""
    if url and not _URL.fullmatch(url):
        raise BadGateFile("--url: must be an https address of letters, digits and . _ ~ / -")
    if commit and not _COMMIT.fullmatch(commit):
        raise BadGateFile("--commit: must be 40 hex digits")
    return (f" at `{commit[:12]}`" if commit else ""), (f" [Report and evidence]({url})." if url else "")


def _foot(found: GateFile, digest: str, link: str) -> str:
    return (
        f"Run `{found.run}`, finished {found.finished_at}; policy `{found.policy[:12]}`, gate.json `{digest[:12]}`."
        f"{link} These are the run's own numbers; `tunegate verify` recomputes them from its records."
    )


def _row(gate: GateLine) -> str:
    outcome = f"{_GLYPHS[gate.outcome]} {gate.outcome}{' (advisory)' if gate.advisory else ''}"
    names = (f"`{name}`" for name in (gate.suite, gate.gate, gate.model))
    rates = ("–" if rate is None else percent(rate) for rate in (gate.base, gate.candidate))
    counts = ("–" if each is None else count(each) for each in (gate.n, gate.gained, gate.lost))
    return f"| {' | '.join([outcome, *names, *rates, _observed(gate), *counts])} |"


def _observed(gate: GateLine) -> str:
    if gate.observed is None or gate.low is None or gate.high is None:
        return "not measured"
    if gate.lost is None:
        return f"{percent(gate.observed)} ({percent_interval(gate.low, gate.high)})"
    return f"{points(gate.observed)} ({interval(gate.low, gate.high)}) points"


def main() -> int:
    """Print the comment of a file, or that there is none; 4 and one line when it is none that may be shown."""
    parser = argparse.ArgumentParser(description="Print the pull request comment of a gate.json.")
    parser.add_argument("file", type=Path, nargs="?", help="the file; without it the comment says that there is none")
    parser.add_argument("--key", default="default")
    parser.add_argument("--url", default="")
    parser.add_argument("--commit", default="")
    given = parser.parse_args()
    place = {"key": given.key, "url": given.url, "commit": given.commit}
    try:
        made = render(*read(given.file), **place) if given.file else absent(**place)
    except BadGateFile as error:
        sys.stderr.write(f"tunegate: {error}\n")
        return 4
    sys.stdout.buffer.write(made.encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
