"""What a run says of its judge: worth, consistency, failures, cost; and that nobody was asked, where nobody was."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.types import Estimate
from reports.document import Document
from reports.numbers import count, percent

__all__ = ["Judged", "read_judged", "unasked"]


@dataclass(frozen=True, slots=True)
class Judged:
    """The judge of one suite on one candidate, or on the base alone.

    Attributes:
        judge: its name.
        worth: quadratic kappa with its two-sided 95 % interval; None without calibration.
        objections: why it only informs; empty when it decides.
        agrees: with itself on repeats, in words.
        order: how often the order of two answers decided, and the first one won, in words.
        failed: questions without a verdict for base, candidate and comparisons, in words.
        canaries: planted bad answers that got a good grade, in words.
        longer: mean of the candidate's length minus the base's, in characters; None for the base alone.
        cost: calls, questions from the store, tokens and money, in words.
        orders: rows whose answer seems to give orders to the judge.
        votes: answers that were graded several times, and what a second judge was asked, in words; empty where neither.
    """

    suite: str
    model: str
    judge: str
    worth: Estimate | None
    objections: tuple[str, ...]
    agrees: str
    order: str
    failed: str
    canaries: str
    longer: float | None
    cost: str
    orders: tuple[str, ...]
    votes: str


def read_judged(document: Document) -> tuple[Judged, ...]:
    """`judge` of run.json; empty in runs without it."""
    if "judge" not in document.values:
        return ()
    return tuple(_judged(item) for item in document.list_of("judge"))


def unasked(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Judged suites of the plan for which nobody asked for a judge."""
    judged = {suite["name"]: suite.get("judge") for suite in plan["suites"]}
    return tuple(name for name, spec in judged.items() if spec is not None and spec["asked"] is None)


def _judged(item: Document) -> Judged:
    worth = None
    if not item.absent("kappa"):
        worth = Estimate(item.number("kappa"), item.number("low"), item.number("high"), 0, "two-sided 95 %")
    repeats, pairs, decisive = item.integer("repeats"), item.integer("pairs"), item.integer("decisive")
    agrees = f"{item.integer('agreed')} of {repeats} repeats" if repeats else "no repeats"
    order = f"{item.integer('flips')} of {pairs} pairs" if pairs else "no pairs"
    if decisive:
        order += f"; first won {percent(item.integer('first') / decisive)}"
    money = "" if item.absent("money") else f", {item.number('money'):.4f} spent"
    return Judged(
        suite=item.text("suite"),
        model=item.text("model"),
        judge=item.text("judge"),
        worth=worth,
        objections=item.texts("objections"),
        agrees="repeats exactly by design" if item.flag("exact") else agrees,
        order=order,
        failed=", ".join(_failed(item, arm) for arm in ("base", "candidate", "games") if not item.absent(arm)),
        canaries=f"{item.integer('fooled')} of {item.integer('canaries')}",
        longer=None if item.absent("longer") else item.number("longer"),
        cost=f"{count(item.integer('calls'))} calls, {count(item.integer('cached'))} from the store, "
        f"{count(item.integer('tokens'))} tokens{money}",
        orders=item.texts("orders"),
        votes=_votes(item),
    )


def _votes(item: Document) -> str:
    said = (
        [f"{count(item.integer('voted'))} answers got the medians of several grades"] if item.integer("voted") else []
    )
    if second := item.text("second"):
        said.append(f"{second} was asked {count(item.integer('referred'))} questions as second judge, without reasons")
    return "; ".join(said)


def _failed(item: Document, arm: str) -> str:
    counted = Document(f"{item.where}: {arm}", item.mapping(arm))
    causes = ", ".join(f"{n} {cause}" for cause, n in counted.mapping("causes").items())
    said = f"{arm} {counted.integer('failed')} of {counted.integer('asked')}"
    return f"{said} ({causes})" if causes else said
