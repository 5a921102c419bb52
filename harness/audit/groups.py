"""Rows of one group on both sides of a split, and sides that come from one source."""

from collections.abc import Sequence

from harness.audit.findings import Finding
from harness.audit.held_out import HeldOut, clusters_of
from harness.audit.rows import Row
from harness.types import Json

__all__ = ["crossing", "one_source"]


def crossing(rows: Sequence[Row], held: Sequence[HeldOut]) -> list[Finding]:
    """Groups (`cluster`) that have rows here and in a suite: what is learned of one tells about the other."""
    own: dict[str, list[int]] = {}
    for row in rows:
        if row.cluster:
            own.setdefault(row.cluster, []).append(row.number)
    found = []
    for each in held:
        theirs = clusters_of(each)
        for group in sorted(own.keys() & theirs.keys()):
            said = f"group {group!r} has {len(own[group])} rows here, and example {theirs[group]} in {each.name}"
            details: dict[str, Json] = {"group": group, "suite": each.name, "example": theirs[group]}
            found.append(Finding("group", tuple(own[group]), said, details=details))
    return found


def one_source(stated: Sequence[str], rows: Sequence[Row], held: Sequence[HeldOut]) -> list[Finding]:
    """Suites whose rows come from where training rows come from: a fault of that source is in both, and unseen.

    Args:
        stated: where the file's rows come from, as `provenance.toml` beside it says.
        rows: their own `provenance` counts too.
        held: suites, with where their rows come from.
    """
    sources: dict[str, list[int]] = {source: [] for source in stated}
    for row in rows:
        if row.provenance:
            sources.setdefault(row.provenance, []).append(row.number)
    found = []
    for each in held:
        for source in sorted(sources.keys() & set(each.provenance)):
            said = f"training rows and {each.name} both come from {source!r}: what is wrong there is wrong in both"
            details: dict[str, Json] = {"source": source, "suite": each.name}
            found.append(Finding("provenance", tuple(sources[source]), said, details=details))
    return found
