"""The catalogue as a page: `python -m tests.silent_pass.page` writes docs/silent_pass.md."""

from collections.abc import Sequence
from pathlib import Path

from tests.silent_pass import (
    answers,
    data,
    measuring,
    models,
    options,
    processes,
    receipt,
    running,
    specs,
    store,
    sweeps,
    training,
)
from tests.silent_pass.ways import Area, Way

__all__ = ["AREAS", "PAGE", "page"]

AREAS: Sequence[Area] = [
    each.AREA
    for each in (running, processes, measuring, specs, data, answers, models, store, receipt, training, sweeps, options)
]
PAGE = Path(__file__).parents[2] / "docs" / "silent_pass.md"
HEAD = """# Ways to get green without evidence

A gate that goes green when nothing was measured, or the wrong thing was, is worse than none. Here are {count} ways to
try it, and what each ends with. All of them run as tests (`tests/silent_pass/`), and none ends green: beside each table
runs the same command with nothing broken, which passes, so that the break is what is noticed.

`exit` is the command's exit code (the README explains them). Python code in a repository's own conftest can make pytest
exit with 0; where that is so, the code is that of `tunegate verify` and marked with *v*: verify reads plan, records and
receipt in a process of its own, and is what CI should trust. A partial run counts there as not green.

What no check here can see: somebody who writes plan, records and receipt anew so that all agree. Whoever may rewrite
the evidence must be trusted, or kept from it.

`python -m tests.silent_pass.page` writes this page.
"""


def page() -> str:
    """The whole page."""
    count = sum(len(area.ways) for area in AREAS)
    return "\n".join([HEAD.format(count=count), *map(_table, AREAS)])


def _table(area: Area) -> str:
    lines = [
        f"## {area.title}",
        "",
        f"`{area.command}`",
        "",
        "| what is done | exit | what is said |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*lines, *map(_row, area.ways), ""])


def _row(way: Way) -> str:
    added = " ".join(word for word in way.args if word not in ("--adapter", "good", "fail"))
    done = f"{way.name}: {_code(added)}" if added.startswith("-") else way.name
    return f"| {done} | {way.code}{' *v*' if way.key == 'verify' else ''} | {_code(way.says)} |"


def _code(text: str) -> str:
    return f"`` {text} ``".replace("|", "\\|") if "`" in text else f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
