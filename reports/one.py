"""One example of a run in full: what was asked, what is right, what each model said, and how every metric scored it."""

from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageProblem
from harness.types import Row, Score
from reports.load import Run, load
from reports.texts import visible
from reports.violations import because

__all__ = ["show"]


def show(run_dir: Path, name: str, suite: str | None = None) -> str:
    """The example of that id, in every suite that has it, as text for a terminal.

    Args:
        run_dir: a finished run.
        name: of the example; its first characters are enough when no other id starts with them.
        suite: the only suite to look in; None for all.

    Raises:
        UsageProblem: no example, or several, go by that name, or there is no such suite.
        BadRunDirectory: the run is unfinished or altered.
    """
    run = load(run_dir)
    suites = [each.name for each in run.suites]
    if suite is not None and suite not in suites:
        raise UsageProblem(f"--suite {suite}: is not in {run_dir}; it has {', '.join(suites)}")
    looked = [each for each in suites if suite in (None, each)]
    ids = {row.id for key, rows in run.rows.items() if key.suite in looked for row in rows}
    wanted = _meant(name, ids, run_dir)
    return "\n".join(line for each in looked for line in _suite(run, each, wanted)).rstrip()


def _meant(name: str, ids: set[str], run_dir: Path) -> str:
    found = {name} if name in ids else {each for each in ids if each.startswith(name)}
    if not found:
        raise UsageProblem(f"--id {name}: no example of {run_dir} goes by it; ids stand in its report and its records")
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        raise UsageProblem(f"--id {name}: {len(found)} examples start so ({some}); write more of it")
    return found.pop()


def _suite(run: Run, suite: str, name: str) -> Iterator[str]:
    """The example as one suite asked it, on every model."""
    measured = {
        key.model: row for key, rows in run.rows.items() if key.suite == suite for row in rows if row.id == name
    }
    if not measured:
        return
    first = next(iter(measured.values()))
    yield f"{suite} · {name}{_tags(first)}"
    yield from _block("prompt", first.prompt)
    yield from _block("target", first.target)
    for model in (each.name for each in run.models):
        if (row := measured.get(model)) is not None:
            if row.prompt != first.prompt:
                yield from _block(f"prompt of {model}", row.prompt)
            cut = ", cut" if row.finish_reason == "length" else ""
            yield from _block(f"{model} ({row.new_tokens} tokens{cut})", row.output)
            yield from (f"    {_score(score)}" for score in row.scores)
    yield ""


def _tags(row: Row) -> str:
    return f" · {', '.join(row.tags)}" if row.tags else ""


def _score(score: Score) -> str:
    value = "not scored" if score.value is None else f"{score.value:g}"
    return visible(f"{score.metric}: {value} ({because(score)})").replace("\n", "␊")


def _block(title: str, text: str) -> Iterator[str]:
    """A title, and the text below it line by line, so that none of it can be taken for a title."""
    yield f"  {visible(title)}".replace("\n", "␊")
    yield from (f"    | {line}" for line in visible(text).split("\n"))
