"""What stands behind a FAIL, on a terminal: how many examples broke, and the three that tell most of each failed gate.

Text of models is shown as text: never as markup, never as a control sequence, and never more than a line of it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from harness.errors import HarnessError
from harness.types import Outcome, Row, Verdict
from reports.load import Run, load
from reports.pairs import Change, Pair, changed, pairs, primary_metric, score_of
from reports.texts import visible

__all__ = ["Telling", "print_telling", "telling"]

SHOWN = 3
WIDTH = 100
"""Characters of a text that are shown."""


class Telling(NamedTuple):
    """One example of a failed gate: why it counts against the candidate, and what was asked for and said."""

    row: str
    cause: str
    target: str
    base: str
    candidate: str


def print_telling(run_dir: Path, *, file: TextIO) -> None:
    """Print how many examples broke and, for each FAIL, its most telling ones; one line when the run cannot be read.

    Args:
        run_dir: a finished run.
        file: where to.
    """
    try:
        lines = list(_lines(load(run_dir)))
    except HarnessError as error:
        lines = [f"examples cannot be shown: {error}"]
    encoding = getattr(file, "encoding", None) or "utf-8"  # a log in ASCII must not cost the rest
    file.writelines(f"{line}\n".encode(encoding, "replace").decode(encoding) for line in lines)


def telling(run: Run, failed: Verdict) -> tuple[Telling, ...]:
    """At most three examples behind a FAIL: broken ones before those that both models miss.

    Of each sort the commonest causes come first, one example for each cause before a second one of any: three examples
    then say more than three times the same. The shorter answer is the easier to read.
    """
    paired = pairs(run, failed.suite, failed.model, failed.metric)
    if failed.model == run.base.name:
        sorts = [[pair for pair in paired if _missed(pair.candidate, failed.metric)]]
    else:
        sorts = [list(changed(paired, change)) for change in (Change.BROKEN, Change.BOTH_WRONG)]
    chosen = [pair for sort in sorts for pair in _by_cause(sort, failed.metric)][:SHOWN]
    return tuple(_telling(pair, failed.metric) for pair in chosen)


def _lines(run: Run) -> Iterator[str]:
    yield from _broken(run)
    shown: dict[tuple[str, tuple[Telling, ...]], str] = {}
    for failed in run.verdicts:
        if failed.outcome is not Outcome.FAIL or failed.advisory:
            continue
        if not (found := telling(run, failed)):
            continue
        title = _line(f"{failed.suite} · {failed.gate} · {failed.model}")
        before = shown.setdefault((failed.model, found), title)
        if before != title:
            yield f"FAIL {title}: the examples of {before}"
            continue
        yield f"FAIL {title}"
        yield from _examples(found, alone=failed.model == run.base.name)
        yield f"    one in full: tunegate show {run.folder} --id {_line(found[0].row)}"


def _examples(found: Sequence[Telling], *, alone: bool) -> Iterator[str]:
    """Each example in four lines; a base by itself has no second answer."""
    for each in found:
        yield f"  {_line(each.row)}  {_line(each.cause)}"
        yield f"    target    {_line(each.target)}"
        if not alone:
            yield f"    base      {_line(each.base)}"
        yield f"    candidate {_line(each.candidate)}"


def _broken(run: Run) -> Iterator[str]:
    """For each candidate how many examples it broke, by suite; nothing for a base by itself."""
    suites = list(dict.fromkeys(result.suite for result in run.results))
    for model in run.candidates:
        lost = {
            suite: changed(pairs(run, suite, model.name, primary_metric(run, suite)), Change.BROKEN) for suite in suites
        }
        counted = ", ".join(f"{len(found):,} of {suite}" for suite, found in lost.items() if found)
        total = sum(map(len, lost.values()))
        yield f"broken examples, {_line(model.name)}: {f'{total:,} ({counted})' if total else 'none'}"


def _by_cause(found: Sequence[Pair], metric: str) -> list[Pair]:
    """One pair for each cause, the commonest cause first; then a second one for each, and so on."""
    causes = Counter(_cause(pair, metric) for pair in found)
    ranked = sorted(found, key=lambda pair: (-causes[_cause(pair, metric)], _cause(pair, metric), _length(pair)))
    seen: Counter[str] = Counter()
    rounds = []
    for pair in ranked:
        rounds.append((seen[_cause(pair, metric)], pair))
        seen[_cause(pair, metric)] += 1
    return [pair for _, pair in sorted(rounds, key=lambda item: item[0])]


def _length(pair: Pair) -> tuple[int, str]:
    return len(pair.candidate.output), pair.candidate.id


def _cause(pair: Pair, metric: str) -> str:
    return score_of(pair.candidate, metric).reason_code


def _missed(row: Row, metric: str) -> bool:
    value = score_of(row, metric).value
    return value is not None and value < 1


def _telling(pair: Pair, metric: str) -> Telling:
    change = "broken" if pair.change is Change.BROKEN else "missed"
    row = pair.candidate
    return Telling(row.id, f"{change}: {_cause(pair, metric)}", row.target, pair.base.output, row.output)


def _line(text: str) -> str:
    """One line of the text with everything shown that would hide, drive or reorder."""
    plain = visible(text[: WIDTH + 1]).replace("\n", "␊").replace("\t", "␉")
    return f"{plain[:WIDTH]}…" if len(text) > WIDTH or len(plain) > WIDTH else plain or "(empty)"
