"""A comparison of two runs in words: for a terminal, as Markdown, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict

from harness.types import Json
from reports.beside.layers import Difference
from reports.beside.pairing import Beside, Line, Side, Standing
from reports.numbers import count, interval, percent, points
from reports.publish.markdown import code, table
from reports.texts import clip, visible

__all__ = ["as_json", "as_markdown", "as_text", "sentence"]

_SHORT = 24
"""Characters shown of a value that differs; hashes are longer."""
_TITLES = ("standing", "suite", "metric", "n", "A", "B", "B minus A, points", "95% bounds", "fixed", "broken")
_LAYERS = ("suite", "layer", "A", "B")


def sentence(found: Beside) -> str:
    """What it comes to, in one sentence."""
    if found.refused:
        return f"Not comparable: {len(found.refused)} differences that must not be; measure both runs alike."
    worse, better = (
        sum(line.standing is wanted for line in found.lines) for wanted in (Standing.WORSE, Standing.BETTER)
    )
    lowest = min(found.lines, key=lambda line: line.delta.low)
    told = f"B is shown to be worse on {worse} and better on {better} of {_metrics(len(found.lines))}"
    bound = f"the lowest bound is {points(lowest.delta.low)} points, {lowest.metric} of {lowest.suite}"
    return f"{told}; {bound}{'; partial, so this is no decision to ship' if found.partial else ''}."


def as_text(found: Beside) -> str:
    """For a terminal."""
    lines = [_side("A", found.first), _side("B", found.second)]
    if found.refused:
        lines += _aligned([_LAYERS, *map(_difference, found.refused)])
    else:
        lines += _aligned([_TITLES, *map(_line, found.lines)])
    if found.left_out:
        lines.append(f"left out, measured in one run only: {', '.join(map(visible, found.left_out))}")
    if found.beside:
        lines += ["also different, which may move later decimals:", *_aligned(list(map(_difference, found.beside)))]
    return "\n".join([*lines, visible(sentence(found))])


def as_markdown(found: Beside) -> str:
    """For a comment or a page; every text of a run is in a code span."""
    lines = [f"**{sentence(found)}**" if found.refused else f"**{_plain(found)}**", ""]
    for name, side in (("A", found.first), ("B", found.second)):
        lines.append(f"- {name}: {code(side.model)} of run {code(side.run)}{', partial' if side.partial else ''}")
    lines.append("")
    if found.refused:
        lines += table(_LAYERS, (map(code, _difference(each)) for each in found.refused))
    else:
        lines += table(_TITLES, ((cells[0], *map(code, cells[1:3]), *cells[3:]) for cells in map(_line, found.lines)))
    if found.left_out:
        lines += ["", f"Left out, measured in one run only: {', '.join(map(code, found.left_out))}"]
    if found.beside:
        lines += ["", "Also different, which may move later decimals:", ""]
        lines += table(_LAYERS, (map(code, _difference(each)) for each in found.beside))
    return "\n".join(lines) + "\n"


def as_json(found: Beside) -> dict[str, Json]:
    """Everything, with `comparable`, and each line's `standing`."""
    lines: list[Json] = [{**asdict(line), "standing": line.standing.value} for line in found.lines]
    said = asdict(found) | {"lines": lines}
    return {"comparable": not found.refused, "partial": found.partial, **said}


def _plain(found: Beside) -> str:
    """The sentence with its names in code spans."""
    lowest = min(found.lines, key=lambda line: line.delta.low)
    whole = sentence(found)
    return whole.replace(f"{lowest.metric} of {lowest.suite}", f"{code(lowest.metric)} of {code(lowest.suite)}")


def _metrics(number: int) -> str:
    return f"{number} metric{'' if number == 1 else 's'}"


def _side(name: str, side: Side) -> str:
    return f"{name}: {visible(side.model)} of {visible(side.folder)}{' (partial)' if side.partial else ''}"


def _line(line: Line) -> tuple[str, ...]:
    rates = (percent(line.first), percent(line.second), points(line.delta.value))
    return (
        *(line.standing.value, line.suite, line.metric, count(line.n), *rates),
        *(interval(line.delta.low, line.delta.high), count(line.fixed), count(line.broken)),
    )


def _difference(each: Difference) -> tuple[str, ...]:
    return (each.suite, each.layer, *(_short(value) for value in (each.first, each.second)))


def _short(value: str) -> str:
    shown = clip(value, _SHORT)
    return f"{shown.text}…" if shown.left_out else value


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns by their widest cell; text of others on one line."""
    cells = [[visible(cell).replace("\n", "␊") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
