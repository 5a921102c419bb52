"""What a run comes to, for a CI's summary: the verdict, one line a gate, and examples only when asked for."""

import re
from collections.abc import Iterator

from harness.errors import UsageProblem
from harness.types import Outcome, Verdict
from reports.headline import bounds, rule, run_banner
from reports.load import Run
from reports.numbers import count, percent
from reports.pairs import Change, changed, pairs, primary_metric
from reports.publish.markdown import capped, code, table

__all__ = ["MOST_BYTES", "as_markdown", "check_url"]

MOST_BYTES = 200_000
"""GitHub refuses a whole summary above 1,024 KiB; nobody reads a fifth of that."""
_GLYPHS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "INVALID": "!", "NOT_RUN": "○", "CUT": "–"}
_TITLES = ("outcome", "suite", "gate", "model", "base", "candidate", "observed (95% bounds)", "n", "fixed", "broken")
_URL = re.compile(r"[A-Za-z0-9._~:/?=&%-]*")
_EXAMPLES = 5
_TEXT = 300
"""Characters shown of one text of an example."""


def as_markdown(run: Run, *, most: int = MOST_BYTES, examples: bool = False, url: str = "") -> str:
    """The summary, at most `most` bytes.

    Args:
        run: a finished run.
        most: bytes of UTF-8, at least 2,000; never more than `MOST_BYTES`.
        examples: whether to show up to five broken examples with what the models wrote, which may be private.
        url: address of report.html, to link its sections; their names stand alone without it.
    """
    tail = "Cut here: the whole is in report.html."
    return capped(_lines(run, url, examples=examples), min(most, MOST_BYTES), tail)


def check_url(url: str) -> None:
    """Refuse an address that could end the link it stands in.

    Raises:
        UsageProblem: it holds other characters than those of a plain address.
    """
    if not _URL.fullmatch(url):
        raise UsageProblem("--report-url: must be a plain address, without spaces, brackets or fragment")


def _lines(run: Run, url: str, *, examples: bool) -> Iterator[str]:
    yield f"## {_GLYPHS[run.outcome]} tunegate: {run.outcome}"
    yield ""
    yield code(run_banner(run).sentence)
    if run.partial:
        yield ""
        yield "**Partial run: this is no decision to ship.**"
    yield ""
    yield from table(_TITLES, (_cells(run, verdict) for verdict in sorted(run.verdicts, key=_passed)))
    yield ""
    yield f"Report: {', '.join(_link(url, name) for name in ('verdict', 'suites', 'flips', 'provenance', 'reproduce'))}"
    yield ""
    yield f"Run {code(str(run.plan['id']))}; recompute it from its records with `tunegate verify`."
    if examples:
        yield from _examples(run)


def _passed(verdict: Verdict) -> tuple[bool, bool]:
    """Worst first, advisory last; the order of the run besides."""
    return verdict.advisory, verdict.outcome is Outcome.PASS


def _cells(run: Run, verdict: Verdict) -> list[str]:
    means = {each.model: each for each in run.results if (each.suite, each.metric) == (verdict.suite, verdict.metric)}
    found = (means.get(name) for name in (run.base.name, verdict.model))
    rates = (percent(each.estimate.value) if each and each.estimate else "–" for each in found)
    counts = ("–" if each is None else count(each) for each in (verdict.n, verdict.gained, verdict.lost))
    outcome = f"{_GLYPHS[verdict.outcome]} {verdict.outcome}{' (advisory)' if verdict.advisory else ''}"
    return [outcome, code(verdict.suite), code(rule(verdict)), code(verdict.model), *rates, bounds(verdict), *counts]


def _link(url: str, name: str) -> str:
    return f"[{name}]({url}#{name})" if url else f"`#{name}`"


def _examples(run: Run) -> Iterator[str]:
    """The first broken examples of each suite in turn; every text is cut, on one line and in a code span."""
    yield ""
    yield f"### Broken examples, at most {_EXAMPLES}"
    shown = 0
    for model in run.candidates:
        for suite in run.suites:
            paired = pairs(run, suite.name, model.name, primary_metric(run, suite.name))
            for pair in changed(paired, Change.BROKEN)[: _EXAMPLES - shown]:
                shown += 1
                yield ""
                yield f"- {code(suite.name)}, row {code(pair.base.id)}"
                texts = (("asked", pair.base.prompt), ("base", pair.base.output), (model.name, pair.candidate.output))
                yield from (f"  - {code(name)}: {code(text, _TEXT)}" for name, text in texts)
    if not shown:
        yield ""
        yield "None."
