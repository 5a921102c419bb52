"""What a reader must know before believing a number: partial runs, missing scores, other arithmetic, leaked rows."""

from collections.abc import Iterator

from harness.types import ModelRef, Outcome
from reports.cases import State, regression_sets
from reports.document import Document
from reports.load import Run
from reports.origin import unlike_commit

__all__ = ["warnings"]

_OVERLAP = ("leak", "provenance")


def warnings(run: Run) -> tuple[str, ...]:
    """Sentences, each once, the ones about the whole run first."""
    return tuple(dict.fromkeys((*_of_the_run(run), *_of_models(run), *_of_gates(run))))


def _of_the_run(run: Run) -> Iterator[str]:
    if run.partial:
        yield "This run is partial: " + "; ".join(map(str, run.plan.get("partial_reasons", []))) + "."
    yield from unlike_commit(run)
    for result in run.results:
        place = f"{result.suite} on {result.model}"
        yield from (f"{place}: {note}" for note in result.notes)
        if result.unscored:
            yield f"{place}: {result.unscored} of {result.n} rows have no {result.metric} score."


def _of_models(run: Run) -> Iterator[str]:
    for model in run.models:
        if not model.fingerprint:
            yield f"{model.name} could not be identified, so nothing ties these numbers to its weights."
        if model.dtype != "unknown" and (own := _arithmetic(model)) != (other := _arithmetic(run.base)):
            yield f"{model.name} ran in {own}; the base in {other}."
    for name, work in run.work.items():
        for kind, rows in _overlap(work):
            yield f"{name} was trained on rows of which the audit says {kind} {rows}: its suites may have been seen."
    for model in run.candidates:
        waived = sum(case.state is State.WAIVED for each in regression_sets(run, model.name) for case in each.cases)
        if waived:
            yield f"{model.name} breaks {waived} pinned {'case' if waived == 1 else 'cases'} that a waiver excuses."


def _overlap(work: Document) -> Iterator[tuple[str, int]]:
    """Kinds of finding by which training rows and suites share something, and how many rows."""
    if isinstance(work.values.get("audit"), dict):
        counts = Document(f"{work.where}: audit: counts", work.mapping("audit").get("counts", {}))
        yield from ((kind, counts.integer(kind)) for kind in _OVERLAP if counts.values.get(kind))


def _of_gates(run: Run) -> Iterator[str]:
    if cut := list(dict.fromkeys(each.model for each in run.verdicts if each.outcome is Outcome.CUT)):
        yield f"Cut on the way, so that no gate was asked about them: {', '.join(cut)}."
    for each in run.verdicts:
        if each.advisory and each.outcome not in (Outcome.PASS, Outcome.CUT):
            why = f" ({each.reason})" if each.outcome in (Outcome.NOT_RUN, Outcome.INVALID) else ""
            ended = f"{each.outcome}{why}; it does not decide"
            yield f"Advisory gate {each.gate} of {each.suite} on {each.model} ended {ended}."


def _arithmetic(model: ModelRef) -> str:
    return f"{model.dtype}, quantization {model.quantization}"
