"""Of which commit the suites and the adapters were, in words, and what stands against reading it so."""

from collections.abc import Iterator
from dataclasses import dataclass

from reports.document import Document
from reports.load import Run

__all__ = ["Origin", "origins", "unlike_commit"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something came from.

    Attributes:
        what: `suites`, or the name of a candidate.
        commit: 40 or 64 hex digits; empty where git could not tell.
        said: one sentence: why git could not tell, or whether what was used is the commit's.
        differs: the files that are not.
    """

    what: str
    commit: str
    said: str
    differs: tuple[str, ...]


def origins(run: Run) -> tuple[Origin, ...]:
    """Of the suites, then of each adapter; empty for a run that nobody asked git about.

    Raises:
        BadRunDirectory: the plan's entry is malformed.
    """
    plan = Document(f"{run.folder / 'run.json'}: plan", run.plan)
    if plan.absent("git"):
        return ()
    told = Document(f"{plan.where}: git", plan.mapping("git"))
    states = {"suites": told.mapping("suites"), **told.mapping("adapters")}
    return tuple(_origin(what, Document(f"{told.where}: {what}", state)) for what, state in states.items())


def unlike_commit(run: Run) -> Iterator[str]:
    """A warning where suites that decided are not those of the commit that the page names."""
    for each in origins(run):
        if each.what == "suites" and each.differs:
            some = ", ".join(each.differs[:_SHOWN])
            yield f"the suites are not those of commit {each.commit[:12]}: {some}; see #provenance"


def _origin(what: str, state: Document) -> Origin:
    if state.absent("commit"):
        return Origin(what, "", f"Commit unknown: {state.text('unknown')}.", ())
    more = state.integer("more")
    differs = (*state.texts("differs"), *([f"and {more} more"] if more else ()))
    if differs:
        said = "Not as in the commit, because of these files."
    elif state.flag("dirty"):
        said = "As in the commit; other files of the repository differ from it."
    else:
        said = "As in the commit, and so is all else that the repository tracks."
    return Origin(what, state.text("commit"), said, differs)
