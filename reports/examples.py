"""The examples that a reader wants to see: what broke, then what was fixed, each side by side with its reference."""

from dataclasses import dataclass

from harness.types import Row
from reports.fields import Field, field_diff
from reports.load import Run
from reports.pairs import Change, Pair, changed, pairs, primary_metric, score_of
from reports.texts import Clipped, Segment, anchor, clip, word_diff
from reports.violations import because

__all__ = ["Answer", "Gallery", "Shown", "galleries"]

_MAX_TEXT = 4_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's output: words that the other model's output lacks are marked; `left_out` characters are not shown."""

    segments: tuple[Segment, ...]
    left_out: int
    reason: str
    tokens: int
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One example with its answers. `candidate` is None in a run of the base alone."""

    anchor: str
    id: str
    tags: tuple[str, ...]
    prompt: Clipped
    reference: Clipped
    base: Answer
    candidate: Answer | None
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Examples of one suite that went one way. `total` counts them all, shown or not."""

    suite: str
    metric: str
    title: str
    total: int
    shown: tuple[Shown, ...]


def galleries(run: Run, model: str, limit: int) -> tuple[Gallery, ...]:
    """For each suite, broken then fixed examples; for the base alone, those it got wrong. At most `limit` of each."""
    alone = model == run.base.name
    wanted = ((Change.BOTH_WRONG, "wrong"),) if alone else ((Change.BROKEN, "broken"), (Change.FIXED, "fixed"))
    suites = dict.fromkeys(result.suite for result in run.results if result.model == model)
    made = []
    for suite in suites:
        metric = primary_metric(run, suite)
        paired = pairs(run, suite, model, metric)
        for change, title in wanted:
            hits = changed(paired, change)
            shown = tuple(_shown(pair, metric, _link(run, model, suite, pair), alone=alone) for pair in hits[:limit])
            made.append(Gallery(suite, metric, title, len(hits), shown))
    order = [title for _, title in wanted]
    return tuple(sorted(made, key=lambda gallery: order.index(gallery.title)))


def _link(run: Run, model: str, suite: str, pair: Pair) -> str:
    """`s-<suite>-<id>`, as in the examples browser; with the model behind it for all but the foremost one."""
    return anchor("s", suite, pair.base.id, *(() if model == run.foremost.name else (model,)))


def _shown(pair: Pair, metric: str, link: str, *, alone: bool) -> Shown:
    old, new = clip(pair.base.output, _MAX_TEXT), clip(pair.candidate.output, _MAX_TEXT)
    old_words, new_words = word_diff(old.text, new.text)
    return Shown(
        anchor=link,
        id=pair.base.id,
        tags=pair.base.tags,
        prompt=clip(pair.base.prompt, _MAX_TEXT),
        reference=clip(pair.base.target, _MAX_TEXT),
        base=_answer(pair.base, metric, old_words, old.left_out),
        candidate=None if alone else _answer(pair.candidate, metric, new_words, new.left_out),
        fields=field_diff(pair.base.target, pair.base.output, pair.candidate.output),
    )


def _answer(row: Row, metric: str, segments: tuple[Segment, ...], left_out: int) -> Answer:
    return Answer(segments, left_out, because(score_of(row, metric)), row.new_tokens, row.finish_reason.value)
