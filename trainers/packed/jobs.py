"""A pack as a process of its own: `python -m trainers pack A.toml B.toml ...`, each into the folder beside its file.

The command line always names the whole pack, also what is trained already, so that whoever is started again after a
kill finds the checkpoints of the same pack.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.errors import NotMeasured
from harness.fingerprint import digest
from harness.sweeps import Screen
from trainers.jobs import INVALID, Job, run, surroundings
from trainers.packed.span import Span, part_of
from trainers.product import failure_of, finished_job

__all__ = ["Stretched", "train_stretch", "train_together"]


class Stretched(NamedTuple):
    """What a stretch of training came to: names of the points that were trained now, and why others were not."""

    fresh: frozenset[str]
    faults: Mapping[str, NotMeasured]


def train_stretch(jobs: Sequence[Job], screen: Screen, span: Span) -> Stretched:
    """Train a pack from one part of its steps to another, unless that was done.

    Where the pack fails as a whole, each goes on by itself.

    Args:
        jobs: of the pack, all of them at the beginning of the span.
        screen: shows how far it is.
        span: where it begins and ends; it ends in the folder that `part_of` names.

    Raises:
        HarnessError: an adapter was damaged, its folder cannot be made, or the device is not there.
    """
    faults, before = _failed(jobs), {job.name for job in jobs if _there(job, span)}
    if all(job.name in before or job.name in faults for job in jobs):
        return Stretched(frozenset(), faults)
    for job in jobs:
        job.write()
    environment, chosen = surroundings(screen, jobs[0].device)
    what = f"training {', '.join(job.name for job in jobs)} from {span}"
    screen.say(what + (f" on {chosen}" if chosen else ""))
    started = time.monotonic()
    log = jobs[0].out.with_name(f"pack-{digest([job.out.name for job in jobs])[:16]}.log")
    files = [str(job.beside(".toml")) for job in jobs]
    ended = run(["pack", *files, "--after", str(span.after), "--until", str(span.until)], log, screen, environment)
    fresh = frozenset(job.name for job in jobs if _there(job, span)) - before
    faults |= _failed(jobs)
    left = [job for job in jobs if job.name not in faults and not _there(job, span)]
    if not left:
        screen.say(f"trained {', '.join(sorted(fresh)) or 'nothing'} in {time.monotonic() - started:.0f} s")
    elif len(jobs) == 1:
        faults[jobs[0].name] = NotMeasured(f"{what} failed ({ended.how}): {ended.said}; all it said is in {log}")
    else:
        screen.say(f"the pack failed ({ended.how}): {ended.said}; its points are trained one by one; see {log}")
        for job in left:
            found = train_stretch([job], screen, span)
            fresh, faults = fresh | found.fresh, faults | dict(found.faults)
    return Stretched(fresh, faults)


def _there(job: Job, span: Span) -> bool:
    return finished_job(part_of(job.out, span.until)) is not None


def _failed(jobs: Sequence[Job]) -> dict[str, NotMeasured]:
    """Of those that are known to fail, why."""
    faults = {}
    for job in jobs:
        try:
            job.refuse_failed()
        except NotMeasured as error:
            faults[job.name] = error
    return faults


def train_together(jobs: Sequence[Job], wanted: Job, screen: Screen, *, place: str) -> frozenset[str] | None:
    """Train a pack, unless the wanted point is trained already.

    Args:
        jobs: of the whole pack.
        wanted: one of them.
        screen: shows how far it is.
        place: which of how many `wanted` is, for people.

    Returns:
        Names of the points that were trained now. None when the pack failed as a whole: then its points are to be
        trained one by one, which also tells what is wrong with them.

    Raises:
        NotMeasured: the wanted point failed, now or before.
        HarnessError: an adapter was damaged, its folder cannot be made, or the device is not there.
    """
    if finished_job(wanted.out) is not None:
        return frozenset()
    wanted.refuse_failed()
    before = _trained(jobs)
    for job in jobs:
        job.write()
    environment, chosen = surroundings(screen, wanted.device)
    screen.say(f"training {wanted.name} ({place}) in a pack of {len(jobs)}" + (f" on {chosen}" if chosen else ""))
    started = time.monotonic()
    log = wanted.out.with_name(f"pack-{digest([job.out.name for job in jobs])[:16]}.log")
    ended = run(["pack", *(str(job.beside(".toml")) for job in jobs)], log, screen, environment)
    if finished_job(wanted.out) is not None:
        fresh = _trained(jobs) - before
        screen.say(f"trained {', '.join(sorted(fresh))} in {time.monotonic() - started:.0f} s")
        return fresh
    failed = failure_of(wanted.out)
    if ended.code == INVALID and failed.exists():
        reason = failed.read_text(encoding="utf-8").strip()
        raise NotMeasured(f"training {wanted.name} failed (exit code {INVALID}): {reason}; all it said is in {log}")
    screen.say(f"the pack failed ({ended.how}): {ended.said}; its points are trained one by one; see {log}")
    return None


def _trained(jobs: Sequence[Job]) -> frozenset[str]:
    return frozenset(job.name for job in jobs if finished_job(job.out) is not None)
